//! An embedder of one's own that panics, or gives another number of vectors than texts.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pgai_sea::catalog;
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};
use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::embedding_of;
use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs, on_catalog};

use super::support::{DIMENSIONS, posts, queued, soon};

/// What it does to a request with the word in it.
#[derive(Clone, Copy, Debug)]
enum Way {
    Panic,
    TooFew,
    TooMany,
}

#[derive(Debug)]
struct Broken {
    word: &'static str,
    way: Way,
}

#[async_trait]
impl Embedder for Broken {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        let mut vectors: Vec<_> = texts
            .iter()
            .map(|text| embedding_of("gate", text, DIMENSIONS))
            .collect();
        if texts.iter().any(|text| text.contains(self.word)) {
            match self.way {
                Way::Panic => panic!("no idea what {} is", self.word),
                Way::TooFew => drop(vectors.pop()),
                Way::TooMany => vectors.push(vec![0.0; DIMENSIONS]),
            }
        }
        Ok(vectors.into())
    }
}

fn worker(test: &TestDatabase, word: &'static str, way: Way) -> Worker {
    let embedder = Arc::new(Broken { word, way });
    Worker::new(test.db.clone())
        .embedder("ollama", "gate", embedder)
        .retry_delay(Duration::from_millis(1))
}

const WAYS: [(Way, &str); 3] = [
    (Way::Panic, "no idea what poison is"),
    (Way::TooFew, "0 vectors for 1 texts"),
    (Way::TooMany, "2 vectors for 1 texts"),
];

#[tokio::test]
async fn a_text_on_which_it_breaks_holds_up_no_other() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        for (round, (way, said)) in (1..).zip(WAYS) {
            test.execute(
                "insert into posts select i, 'T', case i when 13 then 'poison' else 'text ' || i end from \
                generate_series(1, 30) i",
            )
            .await?;
            soon(async || {
                let report = worker(&test, "poison", way).run_once().await.unwrap();
                assert_eq!(report.errors().count(), 0, "{report:?}");
                queued(&test).await == 0
            })
            .await;
            let vectorizer = catalog::vectorizer(&test.db, "tested").await?;
            let dead = catalog::failed(&test.db, &vectorizer, 10).await?;
            let [letter] = dead.as_slice() else {
                panic!("{round}: {dead:?}")
            };
            assert_eq!(
                (letter.key["id"].as_str(), letter.step.as_str()),
                (Some("13"), "embedding")
            );
            let reason = letter.reason.as_deref().unwrap_or_default();
            assert!(reason.contains(said), "{reason}");
            let embedded = "select count(distinct id) from posts_embedding_store";
            assert_eq!(test.value::<i64>(embedded).await?, 29);
            test.execute("update posts set body = null where id = 13; delete from posts")
                .await?;
            worker(&test, "poison", way).run_once().await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn one_that_breaks_on_everything_is_no_rows_fault() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 3) i")
            .await?;
        for (way, _) in WAYS {
            let report = worker(&test, "", way).run_once().await?;
            assert_eq!(
                (report.rows(), report.vectorizers[0].counts.deferred),
                (0, 0),
                "{report:?}"
            );
            assert_eq!((report.errors().count(), queued(&test).await), (1, 3), "{report:?}");
        }
        Ok(())
    })
    .await;
}

/// What was logged, one line each.
#[derive(Clone, Debug, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines_with(&self, words: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .filter(|line| line.contains(words))
            .map(str::to_owned)
            .collect()
    }
}

/// A slip in the name would leave the vectorizer to a server that is not there.
#[tokio::test]
async fn one_that_serves_no_vectorizer_is_said() {
    // one after the other: the log is the thread's
    for catalog in [Catalog::Ours, Catalog::Pgai] {
        on_catalog(catalog, async |test| {
            posts(&test).await?;
            let log = Log::default();
            let writer = log.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_env_filter("pgai_sea=trace")
                .with_writer(move || writer.clone())
                .with_ansi(false)
                .finish();
            let given = || {
                let gate = super::support::Gate::new();
                worker(&test, "none", Way::Panic)
                    .embedder("ollama", "Gate", gate.clone())
                    .embedder("openai", "gate", gate)
            };
            let logging = tracing::subscriber::set_default(subscriber);
            given().run_once().await?;
            let said = log.lines_with("serves no vectorizer");
            assert_eq!(said.len(), 2, "{said:?}");
            assert!(
                said[0].contains("WARN") && said[0].contains("`ollama`, `Gate`"),
                "{said:?}"
            );
            assert!(said[1].contains("`openai`, `gate`"), "{said:?}");
            assert!(
                said.iter().all(|line| line.contains("they name `ollama`, `gate`")),
                "{said:?}"
            );
            // a worker that runs on says it once, however often it looks
            let looks = || log.lines_with(r#"FROM \"ai\".\"vectorizer\""#).len();
            let before = looks();
            given().run_until(soon(async || looks() >= before + 3)).await?;
            assert_eq!(log.lines_with("serves no vectorizer").len(), 4);
            drop(logging);
            Ok(())
        })
        .await;
    }
}
