//! A configuration that is edited in place: the store never passes for one model's while it has vectors of two.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pgai_sea::catalog::{self, StoreState};
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs, on_catalog};
use sea_orm::DbErr;

use super::support::{Gate, posts, queued, soon, start};

/// Says with the first number of every vector which model made it, and keeps what it was asked.
#[derive(Debug)]
struct Model(f32, Mutex<Vec<String>>);

#[async_trait]
impl Embedder for Model {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        self.1.lock().unwrap().extend(texts.iter().map(|&text| text.to_owned()));
        let mut vector = vec![1.0; 8];
        vector[0] = self.0;
        Ok(Embeddings::new(vec![vector; texts.len()]))
    }
}

struct Models {
    first: Arc<Model>,
    second: Arc<Model>,
}

impl Models {
    fn new() -> Self {
        let model = |number| Arc::new(Model(number, Mutex::default()));
        Self {
            first: model(1.0),
            second: model(2.0),
        }
    }

    fn worker(&self, test: &TestDatabase) -> Worker {
        Worker::new(test.db.clone())
            .embedder("ollama", "gate", Arc::clone(&self.first) as Arc<dyn Embedder>)
            .embedder("ollama", "other", Arc::clone(&self.second) as Arc<dyn Embedder>)
            .poll_interval(Duration::from_millis(50))
    }
}

impl Model {
    fn texts(&self) -> usize {
        self.1.lock().unwrap().len()
    }

    /// A text of two batches is paid for by each.
    fn different_texts(&self) -> usize {
        self.1.lock().unwrap().iter().collect::<HashSet<_>>().len()
    }
}

/// The models that made the vectors, without repetition.
async fn makers(test: &TestDatabase) -> Result<Vec<f32>, DbErr> {
    test.values("select distinct (embedding::real[])[1] from posts_embedding_store order by 1")
        .await
}

async fn store(test: &TestDatabase) -> StoreState {
    catalog::status(&test.db, "tested").await.unwrap().store
}

const OTHER: &str = r#"update ai.vectorizer set config = jsonb_set(config, '{embedding,model}', '"other"')"#;
const FIRST: &str = r#"update ai.vectorizer set config = jsonb_set(config, '{embedding,model}', '"gate"')"#;
const ROWS: &str = "insert into posts select i, 'T', 'some text, number ' || i from generate_series(1, 300) i";

#[tokio::test]
async fn another_model_embeds_every_row_anew() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute(ROWS).await?;
        let models = Models::new();
        models.worker(&test).run_once().await?;
        assert_eq!(
            (makers(&test).await?, store(&test).await),
            (vec![1.0], StoreState::Current)
        );

        test.execute(OTHER).await?;
        assert_eq!(store(&test).await, StoreState::Edited);
        test.execute("update posts set body = body || '!' where id = 1").await?;
        models.worker(&test).run_once().await?;
        assert_eq!(
            (makers(&test).await?, store(&test).await),
            (vec![2.0], StoreState::Current)
        );
        let paid = models.second.texts();

        // from here on chunks keep their vectors again, and requeueing changes nothing
        test.execute("update posts set likes = 1; update posts set title = title")
            .await?;
        test.execute("update posts set body = body || ' and more' where id = 2")
            .await?;
        models.worker(&test).run_once().await?;
        assert!(
            (1..=2).contains(&(models.second.texts() - paid)),
            "{}",
            models.second.texts() - paid
        );

        // back again
        test.execute(FIRST).await?;
        models.worker(&test).run_once().await?;
        assert_eq!(
            (makers(&test).await?, store(&test).await),
            (vec![1.0], StoreState::Current)
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_was_interrupted_goes_on_where_it_was() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute(ROWS).await?;
        let models = Models::new();
        models.worker(&test).run_once().await?;
        test.execute(OTHER).await?;
        let gate = Gate::new();
        let held = |gate: &Arc<Gate>| {
            Worker::new(test.db.clone())
                .embedder("ollama", "other", Arc::clone(gate) as Arc<dyn Embedder>)
                .lease(Duration::from_secs(5))
        };
        gate.hold();
        let running = start(held(&gate));
        gate.admit();
        gate.wait_for(2).await;
        assert!(matches!(store(&test).await, StoreState::EmbeddingAnew(_)));
        running.abort().await;
        assert!(matches!(store(&test).await, StoreState::EmbeddingAnew(_)));
        models.worker(&test).run_once().await?;
        soon(async || queued(&test).await == 0).await;
        assert_eq!(store(&test).await, StoreState::Current);
        assert!(
            !makers(&test).await?.contains(&1.0),
            "a vector of the first model is left"
        );
        Ok(())
    })
    .await;
}

/// The worker runs on while the configuration changes under it, and holds a batch that the first model made.
#[tokio::test]
async fn a_batch_of_the_model_before_is_not_written() {
    for column in [false, true] {
        on_both_catalogs(async |test| {
            if column {
                test.execute(
                    "create table posts (id int primary key, body text);
                     select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body'),
                        destination => ai.destination_column('embedding'), chunking => ai.chunking_none(),
                        embedding => ai.embedding_ollama('gate', 8))",
                )
                .await?;
                test.execute("insert into posts select i, 'text ' || i from generate_series(1, 10) i")
                    .await?;
            } else {
                posts(&test).await?;
                test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 10) i")
                    .await?;
            }
            let gate = Gate::new();
            let models = Models::new();
            gate.hold();
            let running = start(models.worker(&test).embedder(
                "ollama",
                "gate",
                Arc::clone(&gate) as Arc<dyn Embedder>,
            ));
            gate.wait_for(1).await;
            test.execute(OTHER).await?;
            gate.release();
            soon(async || queued(&test).await == 0 && store(&test).await == StoreState::Current).await;
            let report = running.stop().await;
            assert_eq!(report.errors().count(), 0, "{report:?}");
            let table = if column { "posts" } else { "posts_embedding_store" };
            let makers: Vec<f32> = test
                .values(&format!("select distinct (embedding::real[])[1] from {table}"))
                .await?;
            assert_eq!(makers, [2.0]);
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn another_template_and_another_chunk_size_reach_every_row_and_pay_for_what_is_new() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute(ROWS).await?;
        let models = Models::new();
        models.worker(&test).run_once().await?;
        let (paid, different) = (models.first.texts(), models.first.different_texts());
        let template = "update ai.vectorizer set config = jsonb_set(config, '{formatting,template}', ";
        test.execute(&format!("{template}'\"${{title}}: $chunk\"')")).await?;
        assert_eq!(store(&test).await, StoreState::Edited);
        models.worker(&test).run_once().await?;
        assert_eq!(models.first.texts(), paid, "the same texts are not paid for again");
        test.execute(&format!("{template}'\"$title - $chunk\"')")).await?;
        models.worker(&test).run_once().await?;
        assert_eq!(models.first.different_texts(), 2 * different);
        assert!(models.first.texts() < 2 * paid + 5, "a text is paid for once a batch");
        let before: i64 = test
            .value("select count(*) from posts_embedding_store where chunk not like 'T - %'")
            .await?;
        assert_eq!((before, store(&test).await), (0, StoreState::Current));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn other_dimensions_are_refused_with_the_operation_that_changes_them() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text')").await?;
        let models = Models::new();
        models.worker(&test).run_once().await?;
        test.execute("update ai.vectorizer set config = jsonb_set(config, '{embedding,dimensions}', '4')")
            .await?;
        let report = models.worker(&test).run_once().await?;
        let error = report.errors().next().unwrap().1.to_owned();
        assert!(
            error.contains("edited to 4 dimensions") && error.contains("change_vectorizer"),
            "{error}"
        );
        assert_eq!(makers(&test).await?, [1.0]);
        Ok(())
    })
    .await;
}

/// Where the provider is and with which key it is asked makes no other vectors.
#[tokio::test]
async fn another_address_is_no_other_model() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute(ROWS).await?;
        let models = Models::new();
        models.worker(&test).run_once().await?;
        let paid = models.first.texts();
        test.execute(
            "update ai.vectorizer set config = jsonb_set(jsonb_set(jsonb_set(config, '{embedding,base_url}', \
             '\"http://elsewhere\"'), '{loading,retries}', '1'), '{processing,batch_size}', '7')",
        )
        .await?;
        assert_eq!(store(&test).await, StoreState::Current);
        models.worker(&test).run_once().await?;
        assert_eq!(models.first.texts(), paid);
        Ok(())
    })
    .await;
}

/// The catalog's function and the library say the same of every configuration.
#[tokio::test]
async fn sql_and_rust_say_the_same_of_a_configuration() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table posts (id int primary key, title text, body text);
             select ai.create_vectorizer('posts', name => v.name, destination => ai.destination_table(v.name),
                loading => ai.loading_column('body'), embedding => v.embedding, chunking => v.chunking,
                formatting => ai.formatting_python_template(v.template))
             from (values
                ('a', ai.embedding_openai('m', 8, base_url => 'http://x', chat_user => 'u'), ai.chunking_none(), \
                '$chunk'),
                ('b', ai.embedding_ollama('m', 8, keep_alive => '5m', options => '{\"num_ctx\": 1.50}'),
                    ai.chunking_recursive_character_text_splitter(100, 20), '$title $chunk'),
                ('c', ai.embedding_voyageai('m', 8), ai.chunking_character_text_splitter(), '$chunk'),
                ('d', ai.embedding_litellm('m', 8, extra_options => '{\"api_base\": \"x\", \"input_type\": \"y\"}'),
                    ai.chunking_none(), '$chunk')
             ) v (name, embedding, chunking, template)",
        )
        .await?;
        for name in ["a", "b", "c", "d"] {
            let state = catalog::status(&test.db, name).await?.store;
            assert_eq!(state, StoreState::Current, "{name}");
        }
        Ok(())
    })
    .await;
}
