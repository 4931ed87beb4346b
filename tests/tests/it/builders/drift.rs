//! The builders' arguments are those of the functions, no more and no fewer.

use std::collections::BTreeSet;
use std::time::Duration;

use pgai_sea::CreateVectorizer;
use pgai_sea::config::{
    Chunking, Destination, Embedding, Formatting, Indexing, Loading, Parsing, Processing, Scheduling,
};
use pgai_sea_tests::{Catalog, on_both_catalogs};

/// Every function with every argument, as the builders write it.
fn calls() -> Vec<String> {
    let options = serde_json::json!({"num_ctx": 2048});
    let create = CreateVectorizer::new("posts")
        .name("n")
        .destination(Destination::table())
        .loading(Loading::column("c"))
        .parsing(Parsing::auto())
        .embedding(Embedding::ollama("m", 1))
        .chunking(Chunking::none())
        .indexing(Indexing::none())
        .formatting(Formatting::python_template("$chunk"))
        .scheduling(Scheduling::none())
        .processing(Processing::batches())
        .queue_schema("s")
        .queue_table("t")
        .grant_to(["r"])
        .enqueue_existing(true)
        .if_not_exists(true);
    vec![
        outermost(&create.to_sql().unwrap()),
        Destination::table()
            .destination("d")
            .target_schema("s")
            .target_table("t")
            .view_schema("s")
            .view_name("v")
            .to_sql(),
        Destination::column("c").to_sql(),
        Loading::column("c").retries(1).to_sql(),
        Loading::uri("c")
            .retries(1)
            .aws_role_arn("arn:aws:iam::1:role/r")
            .to_sql(),
        Parsing::auto().to_sql(),
        Parsing::none().to_sql(),
        Parsing::pymupdf().to_sql(),
        Parsing::docling().to_sql(),
        Embedding::openai("m", 1)
            .chat_user("u")
            .api_key_name("k")
            .base_url("b")
            .to_sql(),
        Embedding::ollama("m", 1)
            .base_url("b")
            .options(options.clone())
            .keep_alive("5m")
            .to_sql(),
        Embedding::voyageai("m", 1)
            .input_type("query")
            .api_key_name("k")
            .to_sql(),
        Embedding::litellm("m", 1)
            .api_key_name("k")
            .extra_options(options)
            .to_sql(),
        Chunking::character_text_splitter()
            .chunk_size(1)
            .chunk_overlap(1)
            .separator("s")
            .is_separator_regex(true)
            .to_sql(),
        Chunking::recursive_character_text_splitter()
            .chunk_size(1)
            .chunk_overlap(1)
            .separators(["s"])
            .is_separator_regex(true)
            .to_sql(),
        Chunking::none().to_sql(),
        Indexing::from_database_settings().to_sql(),
        Indexing::none().to_sql(),
        Indexing::hnsw()
            .min_rows(1)
            .opclass("vector_ip_ops")
            .m(2)
            .ef_construction(4)
            .create_when_queue_empty(true)
            .to_sql(),
        Indexing::diskann()
            .min_rows(1)
            .storage_layout("plain")
            .num_neighbors(1)
            .search_list_size(1)
            .max_alpha(1.0)
            .num_dimensions(1)
            .num_bits_per_dimension(1)
            .create_when_queue_empty(true)
            .to_sql(),
        Formatting::python_template("$chunk").to_sql(),
        Scheduling::from_database_settings().to_sql(),
        Scheduling::none().to_sql(),
        Scheduling::timescaledb()
            .schedule_interval(Duration::from_secs(1))
            .initial_start(chrono::DateTime::UNIX_EPOCH)
            .fixed_schedule(true)
            .timezone("UTC")
            .to_sql(),
        Processing::batches().batch_size(1).concurrency(1).to_sql(),
    ]
}

/// The call without the calls in its arguments: `f(a => g(b => 1))` becomes `f(a => )`.
fn outermost(sql: &str) -> String {
    let mut depth = 0;
    sql.trim_start_matches("SELECT ")
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '(') - i32::from(*c == ')');
            depth <= 1
        })
        .collect()
}

#[tokio::test]
async fn every_function_takes_the_arguments_that_the_builders_write() {
    on_both_catalogs(async |test| {
        // only our catalog has them
        let own = [
            Embedding::local("m", 1).to_sql(),
            outermost(&Destination::table().target_table("t").halfvec().to_sql()),
            outermost(&Destination::table().partitions(2).partition_by("k").halfvec().to_sql()),
            outermost(&Indexing::hnsw().m(8).binary().to_sql()),
        ];
        let own = own.into_iter().filter(|_| test.catalog == Catalog::Ours);
        for call in calls().into_iter().chain(own) {
            let function = call.trim_start_matches("ai.").split('(').next().unwrap();
            let written: BTreeSet<String> = call
                .split(" => ")
                .map(|part| part.rsplit(['(', ' ']).next().unwrap().to_owned())
                .take(call.matches(" => ").count())
                .collect();
            let taken: Vec<String> = test
                .values(&format!(
                    "select unnest(p.proargnames) from pg_proc p
                     where p.pronamespace = 'ai'::regnamespace and p.proname = '{function}'"
                ))
                .await?;
            let known: bool = test
                .value(&format!(
                    "select exists (select from pg_proc p
                     where p.pronamespace = 'ai'::regnamespace and p.proname = '{function}')"
                ))
                .await?;
            assert!(known, "there is no function {function}");
            assert_eq!(written, taken.into_iter().collect(), "arguments of {function}");
        }
        Ok(())
    })
    .await;
}

/// Those that migrations call with a vectorizer's id; by name there is another of each.
#[tokio::test]
async fn what_is_done_to_a_vectorizer_takes_the_arguments_that_are_written() {
    on_both_catalogs(async |test| {
        let drop = pgai_sea::DropVectorizer::id(1).drop_all(true).to_sql()?;
        assert!(
            drop.contains("drop_vectorizer(vectorizer_id => v.id, drop_all => true)"),
            "{drop}"
        );
        for (function, arguments) in [
            ("drop_vectorizer", "vectorizer_id, drop_all"),
            ("enable_vectorizer_schedule", "vectorizer_id"),
            ("disable_vectorizer_schedule", "vectorizer_id"),
            ("set_scheduling", "vectorizer_id, scheduling, indexing"),
        ] {
            let taken: Vec<String> = test
                .values(&format!(
                    "select array_to_string(proargnames, ', ') from pg_proc
                     where pronamespace = 'ai'::regnamespace and proname = '{function}'"
                ))
                .await?;
            assert!(taken.iter().any(|taken| taken == arguments), "{function}: {taken:?}");
        }
        Ok(())
    })
    .await;
}

/// The builders write no default, and their documentation says what the functions do without them.
const DEFAULTS: [(&str, &[&str]); 15] = [
    ("loading_column", &["retries integer DEFAULT 6"]),
    (
        "loading_uri",
        &["retries integer DEFAULT 6", "aws_role_arn text DEFAULT NULL::text"],
    ),
    (
        "embedding_openai",
        &[
            "api_key_name text DEFAULT 'OPENAI_API_KEY'::text",
            "base_url text DEFAULT NULL::text",
        ],
    ),
    (
        "embedding_voyageai",
        &[
            "api_key_name text DEFAULT 'VOYAGE_API_KEY'::text",
            "input_type text DEFAULT 'document'::text",
        ],
    ),
    ("embedding_litellm", &["api_key_name text DEFAULT NULL::text"]),
    (
        "chunking_character_text_splitter",
        &[
            "chunk_size integer DEFAULT 800",
            "chunk_overlap integer DEFAULT 400",
            "is_separator_regex boolean DEFAULT false",
        ],
    ),
    (
        "chunking_recursive_character_text_splitter",
        &[
            "chunk_size integer DEFAULT 800",
            "chunk_overlap integer DEFAULT 400",
            "is_separator_regex boolean DEFAULT false",
        ],
    ),
    (
        "indexing_hnsw",
        &[
            "min_rows integer DEFAULT 100000",
            "opclass text DEFAULT 'vector_cosine_ops'::text",
            "m integer DEFAULT NULL::integer",
            "ef_construction integer DEFAULT NULL::integer",
            "create_when_queue_empty boolean DEFAULT true",
        ],
    ),
    (
        "indexing_diskann",
        &[
            "min_rows integer DEFAULT 100000",
            "storage_layout text DEFAULT NULL::text",
            "max_alpha double precision DEFAULT NULL::double precision",
            "create_when_queue_empty boolean DEFAULT true",
        ],
    ),
    ("formatting_python_template", &["template text DEFAULT '$chunk'::text"]),
    (
        "scheduling_timescaledb",
        &[
            "schedule_interval interval DEFAULT '00:05:00'::interval",
            "fixed_schedule boolean DEFAULT NULL::boolean",
        ],
    ),
    (
        "processing_default",
        &[
            "batch_size integer DEFAULT NULL::integer",
            "concurrency integer DEFAULT NULL::integer",
        ],
    ),
    (
        "create_vectorizer",
        &[
            "destination jsonb DEFAULT ai.destination_table()",
            "parsing jsonb DEFAULT ai.parsing_auto()",
            "chunking jsonb DEFAULT ai.chunking_recursive_character_text_splitter()",
            "indexing jsonb DEFAULT ai.indexing_default()",
            "formatting jsonb DEFAULT ai.formatting_python_template()",
            "scheduling jsonb DEFAULT ai.scheduling_default()",
            "processing jsonb DEFAULT ai.processing_default()",
            "enqueue_existing boolean DEFAULT true",
            "if_not_exists boolean DEFAULT false",
        ],
    ),
    ("drop_vectorizer", &["drop_all boolean DEFAULT false"]),
    (
        "set_scheduling",
        &[
            "scheduling jsonb DEFAULT ai.scheduling_default()",
            "indexing jsonb DEFAULT ai.indexing_default()",
        ],
    ),
];

#[tokio::test]
async fn the_defaults_are_those_that_the_builders_document() {
    on_both_catalogs(async |test| {
        for (function, defaults) in DEFAULTS {
            let taken: Vec<String> = test
                .values(&format!(
                    "select pg_get_function_arguments(oid) from pg_proc
                     where pronamespace = 'ai'::regnamespace and proname = '{function}'"
                ))
                .await?;
            assert!(!taken.is_empty(), "there is no function {function}");
            for (default, taken) in defaults
                .iter()
                .flat_map(|default| taken.iter().map(move |taken| (default, taken)))
            {
                assert!(taken.contains(default), "{function}: no `{default}` in {taken}");
            }
        }
        Ok(())
    })
    .await;
}

/// A function that configures something, and that no builder calls, would be an option that cannot be asked for.
#[tokio::test]
async fn every_function_that_configures_has_a_builder() {
    on_both_catalogs(async |test| {
        let functions: Vec<String> = test
            .values(
                "select distinct proname::text from pg_proc where pronamespace = 'ai'::regnamespace
                 and proname ~ \
                 '^(destination|loading|parsing|embedding|chunking|indexing|formatting|scheduling|processing)_'
                 order by 1",
            )
            .await?;
        let mut calls = calls();
        if functions.iter().any(|function| function == "chunking_markdown") {
            // this crate's catalog has more
            let markdown = Chunking::markdown().chunk_size(1).chunk_overlap(0);
            calls.extend([markdown.to_sql(), Chunking::code("rust").to_sql()]);
            calls.push(Destination::table().halfvec().to_sql());
            calls.push(Destination::table().partitions(2).to_sql());
            calls.push(Indexing::hnsw().binary().to_sql());
        }
        let built: BTreeSet<&str> = calls
            .iter()
            .filter_map(|call| call.strip_prefix("ai.")?.split('(').next())
            .filter(|function| *function != "create_vectorizer")
            .collect();
        // pgai's is not one of a vectorizer, and ours is looked at above
        let beyond = ["embedding_sentence_transformers", "embedding_local"];
        let taken: BTreeSet<&str> = functions
            .iter()
            .map(String::as_str)
            .filter(|name| !beyond.contains(name))
            .collect();
        assert_eq!(taken, built);
        Ok(())
    })
    .await;
}

/// The builders leave defaults to the database, but check an overlap against them.
#[tokio::test]
async fn the_default_sizes_of_chunks_are_those_that_the_builders_check() {
    on_both_catalogs(async |test| {
        for function in [
            "chunking_character_text_splitter",
            "chunking_recursive_character_text_splitter",
        ] {
            let (size, overlap): (String, String) = (
                test.value(&format!("select ai.{function}() ->> 'chunk_size'")).await?,
                test.value(&format!("select ai.{function}() ->> 'chunk_overlap'"))
                    .await?,
            );
            let overlapping = |size: i32| {
                CreateVectorizer::new("posts")
                    .loading(Loading::column("c"))
                    .embedding(Embedding::ollama("m", 1))
                    .chunking(Chunking::character_text_splitter().chunk_size(size))
                    .to_sql()
            };
            let overlap: i32 = overlap.parse()?;
            assert!(
                overlapping(overlap).is_ok() && overlapping(overlap - 1).is_err(),
                "{function}: {overlap}"
            );
            let size: i32 = size.parse()?;
            let overlapping = |overlap: i32| {
                CreateVectorizer::new("posts")
                    .loading(Loading::column("c"))
                    .embedding(Embedding::ollama("m", 1))
                    .chunking(Chunking::recursive_character_text_splitter().chunk_overlap(overlap))
                    .to_sql()
            };
            assert!(
                overlapping(size).is_ok() && overlapping(size + 1).is_err(),
                "{function}: {size}"
            );
        }
        Ok(())
    })
    .await;
}

/// A configuration that does not say how to separate is cut as the functions' defaults say.
#[tokio::test]
async fn the_default_separators_are_those_of_the_functions() {
    on_both_catalogs(async |test| {
        for (function, option) in [
            ("chunking_character_text_splitter", "separator"),
            ("chunking_recursive_character_text_splitter", "separators"),
        ] {
            let stored: serde_json::Value = test.value(&format!("select ai.{function}(6, 0)")).await?;
            let mut bare = stored.clone();
            let separators = bare.as_object_mut().unwrap().remove(option).unwrap();
            let separators: Vec<String> = match separators {
                serde_json::Value::String(separator) => vec![separator],
                list => serde_json::from_value(list)?,
            };
            let (stored, bare): (Chunking, Chunking) = (serde_json::from_value(stored)?, serde_json::from_value(bare)?);
            let every: String = separators.iter().map(|separator| format!("ab{separator}")).collect();
            let texts = separators
                .iter()
                .map(|separator| format!("abcde{separator}fgh{separator}ijklmnop"));
            let others = [",", ";", ":", "-", "\t"].map(|other| format!("abcde{other}fgh{other}ijklmnop"));
            for text in texts.chain(others).chain([every.repeat(3)]) {
                assert_eq!(bare.split(&text)?, stored.split(&text)?, "{function}: {text:?}");
            }
        }
        Ok(())
    })
    .await;
}
