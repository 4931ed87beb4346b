//! Whatever strings and options are asked for, the call parses and the catalog stores exactly them.

use pgai_sea::CreateVectorizer;
use pgai_sea::config::{Chunking, Config, Destination, Embedding, Formatting, Indexing, Loading, Processing};
use pgai_sea::sql::{qualified, quote_identifier};
use pgai_sea_tests::{TestDatabase, TestResult, on_both_catalogs};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};

/// What one case asks for.
#[derive(Clone, Debug)]
struct Asked {
    schema: String,
    table: String,
    column: String,
    queue: String,
    grant_to: Vec<String>,
    loading: Loading,
    embedding: Embedding,
    chunking: Chunking,
    formatting: Formatting,
    processing: Processing,
    indexing: Indexing,
    destination: Destination,
}

/// Any text that PostgreSQL can hold, with more than its share of what breaks quoting.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[^\\x00]{0,20}",
        r#"['"\\$;\n\r\t%{}()-]{0,12}"#,
        Just("'); drop table ai.vectorizer; --".to_owned()),
    ]
}

/// Any name of at most 40 bytes, so that what is derived from it fits into 63. pgai's own trigger for its event trigger and its
/// format strings take any character.
fn identifier() -> impl Strategy<Value = String> {
    text().prop_map(|text| {
        let mut name: String = text.chars().filter(|c| *c != '\0').collect();
        while name.len() > 40 {
            name.pop();
        }
        if name.is_empty() { "t".to_owned() } else { name }
    })
}

fn embedding() -> impl Strategy<Value = Embedding> {
    let model = text().prop_map(|model| format!("m{model}"));
    let openai = (model, 1..2000_i32, text(), text(), text()).prop_map(|(model, dimensions, user, key, url)| {
        Embedding::openai(model, dimensions)
            .chat_user(user)
            .api_key_name(key)
            .base_url(url)
            .into()
    });
    let ollama = (1..2000_i32, text(), text(), text()).prop_map(|(dimensions, url, option, keep_alive)| {
        let options = serde_json::json!({ "stop": option });
        Embedding::ollama("m", dimensions)
            .base_url(url)
            .options(options)
            .keep_alive(keep_alive)
            .into()
    });
    let voyageai = (1..2000_i32, any::<bool>(), text()).prop_map(|(dimensions, query, key)| {
        Embedding::voyageai("m", dimensions)
            .input_type(if query { "query" } else { "document" })
            .api_key_name(key)
            .into()
    });
    let litellm = (1..2000_i32, text(), text(), text()).prop_map(|(dimensions, key, name, value)| {
        Embedding::litellm("m", dimensions)
            .api_key_name(key)
            .extra_options(serde_json::json!({ name: [value] }))
            .into()
    });
    prop_oneof![openai, ollama, voyageai, litellm]
}

fn loading(column: String) -> impl Strategy<Value = Loading> {
    (any::<bool>(), 0..100_i32).prop_map(move |(uri, retries)| {
        if uri {
            let role = "arn:aws:iam::123456789012:role/reader";
            Loading::uri(&column).retries(retries).aws_role_arn(role).into()
        } else {
            Loading::column(&column).retries(retries).into()
        }
    })
}

fn chunking() -> impl Strategy<Value = Chunking> {
    let sizes = || (1..5000_i32).prop_flat_map(|size| (Just(size), 0..=size));
    let character = (sizes(), text(), any::<bool>()).prop_map(|((size, overlap), separator, regex)| {
        Chunking::character_text_splitter()
            .chunk_size(size)
            .chunk_overlap(overlap)
            .separator(separator)
            .is_separator_regex(regex)
            .into()
    });
    let separators = prop::collection::vec(text(), 1..5);
    let recursive = (sizes(), separators, any::<bool>()).prop_map(|((size, overlap), separators, regex)| {
        Chunking::recursive_character_text_splitter()
            .chunk_size(size)
            .chunk_overlap(overlap)
            .separators(separators)
            .is_separator_regex(regex)
            .into()
    });
    prop_oneof![character, recursive, Just(Chunking::none().into())]
}

fn asked() -> impl Strategy<Value = Asked> {
    let names = (identifier(), identifier(), identifier(), identifier(), identifier());
    let processing = (1..=2048_i32, 1..=50_i32);
    // a source column called `chunk` is refused, which is another test
    let column = identifier()
        .prop_map(|column| format!("c_{column}"))
        .prop_flat_map(|column| (Just(column.clone()), loading(column)));
    (names, column, embedding(), chunking(), text(), processing).prop_map(
        |(
            (schema, table, store, queue, role),
            (column, loading),
            embedding,
            chunking,
            template,
            (batch_size, concurrency),
        )| {
            let schema = format!("s{schema}"); // pg_ is reserved
            Asked {
                column,
                loading,
                queue: format!("queue{queue}"),
                // that there is no such role is a warning
                grant_to: vec![format!("role{role}")],
                destination: Destination::table()
                    .target_schema(&schema)
                    .target_table(format!("store{store}"))
                    .view_schema(&schema)
                    .view_name(format!("view{store}"))
                    .into(),
                schema,
                table,
                embedding,
                chunking,
                // a lone dollar is refused: it stands for nothing
                formatting: Formatting::python_template(format!("$chunk {}", template.replace('$', "$$"))).into(),
                processing: Processing::batches()
                    .batch_size(batch_size)
                    .concurrency(concurrency)
                    .into(),
                indexing: Indexing::none().into(),
            }
        },
    )
}

async fn stored(test: &TestDatabase, asked: &Asked) -> Result<Config, Box<dyn std::error::Error + Send + Sync>> {
    let transaction = test.db.begin().await?;
    let (schema, column) = (quote_identifier(&asked.schema), quote_identifier(&asked.column));
    let table = qualified(&asked.schema, &asked.table);
    transaction
        .execute_unprepared(&format!("create schema {schema}"))
        .await?;
    transaction
        .execute_unprepared(&format!("create table {table} (id int primary key, {column} text)"))
        .await?;
    let create = CreateVectorizer::new((asked.schema.clone(), asked.table.clone()))
        .name("asked")
        .destination(asked.destination.clone())
        .loading(asked.loading.clone())
        .queue_schema(&asked.schema)
        .queue_table(&asked.queue)
        .grant_to(asked.grant_to.clone())
        .embedding(asked.embedding.clone())
        .chunking(asked.chunking.clone())
        .formatting(asked.formatting.clone())
        .processing(asked.processing.clone())
        .indexing(asked.indexing.clone());
    // with parameters, and as text: both have to store the same
    let mut configs = Vec::new();
    for statement in [
        create.statement()?,
        Statement::from_string(DbBackend::Postgres, create.to_sql()?),
    ] {
        let savepoint = transaction.begin().await?;
        savepoint.execute_raw(statement).await?;
        let config = Statement::from_string(
            DbBackend::Postgres,
            "select config, queue_schema, queue_table from ai.vectorizer where name = 'asked'",
        );
        let row = savepoint.query_one_raw(config).await?.ok_or("nothing was stored")?;
        let queue: (String, String) = (row.try_get("", "queue_schema")?, row.try_get("", "queue_table")?);
        assert_eq!(queue, (asked.schema.clone(), asked.queue.clone()));
        configs.push(row.try_get::<serde_json::Value>("", "config")?);
        savepoint.rollback().await?;
    }
    transaction.rollback().await?;
    assert_eq!(configs[0], configs[1], "bound and literal values");
    Ok(serde_json::from_value(configs.swap_remove(0))?)
}

async fn compare(test: &TestDatabase, asked: Asked) -> TestResult {
    let config = stored(test, &asked)
        .await
        .map_err(|error| format!("{error}\n{asked:#?}"))?;
    assert_eq!(config.embedding, asked.embedding);
    assert_eq!(config.chunking, asked.chunking);
    assert_eq!(config.formatting, asked.formatting);
    assert_eq!(config.processing, asked.processing);
    assert_eq!(config.indexing, Some(asked.indexing));
    assert_eq!(config.loading, Some(asked.loading));
    assert_eq!(config.destination, asked.destination);
    Ok(())
}

#[tokio::test]
async fn any_strings_and_options_are_stored_as_they_were_given() {
    on_both_catalogs(async |test| {
        // the seed is fixed: a failure is one for everybody
        let mut runner = TestRunner::deterministic();
        for _ in 0..60 {
            let asked = asked()
                .new_tree(&mut runner)
                .map_err(|reason| reason.to_string())?
                .current();
            compare(&test, asked).await?;
        }
        Ok(())
    })
    .await;
}
