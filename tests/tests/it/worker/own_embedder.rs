//! An embedder of one's own that panics, or gives another number of vectors than texts.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pgai_sea::catalog;
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};
use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::embedding_of;
use pgai_sea_tests::{TestDatabase, on_both_catalogs};

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
