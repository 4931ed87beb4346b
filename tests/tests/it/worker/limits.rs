//! Providers with limits that nobody wrote down, and texts on which they break.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};
use pgai_sea::worker::{Event, Worker};
use pgai_sea_tests::providers::{Fault, Provider, embedding_of};
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};

use super::support::{DIMENSIONS, queued, soon, start};

/// Takes only so many texts in a request, and breaks on some.
#[derive(Debug)]
struct Limited {
    inputs: usize,
    breaks_on: &'static str,
    sizes: Mutex<Vec<usize>>,
}

#[async_trait]
impl Embedder for Limited {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        self.sizes.lock().unwrap().push(texts.len());
        let provider = "limited";
        if texts.len() > self.inputs {
            return Err(EmbedError::Refused {
                provider,
                status: 413,
                message: "too much".into(),
            });
        }
        if texts.iter().any(|text| text.contains(self.breaks_on)) {
            return Err(EmbedError::Unavailable {
                provider,
                status: 500,
                message: "slot 3 is in a bad mood".into(),
                retry_after: None,
            });
        }
        Ok(Embeddings::new(
            texts
                .iter()
                .map(|text| embedding_of("gate", text, DIMENSIONS))
                .collect(),
        ))
    }
}

async fn texts(test: &TestDatabase, rows: u32) -> Result<(), sea_orm::DbErr> {
    test.execute(&format!(
        "create table posts (id int primary key, body text);
         insert into posts select i, case when i % 4 = 0 then 'odd ' else 'even ' end || i from generate_series(1, \
         {rows}) i;
         select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body', retries => 0),
            embedding => ai.embedding_ollama('gate', {DIMENSIONS}))"
    ))
    .await
}

fn worker(test: &TestDatabase, embedder: &Arc<Limited>) -> Worker {
    Worker::new(test.db.clone())
        .embedder("ollama", "gate", Arc::clone(embedder) as Arc<dyn Embedder>)
        .poll_interval(Duration::from_millis(50))
}

#[tokio::test]
async fn how_many_texts_a_request_takes_is_learnt_once() {
    for inputs in [1, 10, 100] {
        on_catalog(Catalog::Ours, async |test| -> TestResult {
            texts(&test, 512).await?;
            let embedder = Arc::new(Limited {
                inputs,
                breaks_on: "no such text",
                sizes: Mutex::default(),
            });
            let report = worker(&test, &embedder).run_once().await?;
            assert_eq!((report.rows(), report.errors().count()), (512, 0), "{report:?}");
            let sizes = embedder.sizes.lock().unwrap().clone();
            // two batches may find out at the same time
            let refused = sizes.iter().filter(|size| **size > inputs).count();
            assert!(refused <= 16, "{sizes:?}");
            assert!(sizes.iter().sum::<usize>() <= 512 * 2, "{sizes:?}");
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn texts_on_which_a_provider_breaks_become_dead_letters_and_hold_up_no_other() {
    on_both_catalogs(async |test| -> TestResult {
        texts(&test, 200).await?;
        let embedder = Arc::new(Limited {
            inputs: 2048,
            breaks_on: "odd",
            sizes: Mutex::default(),
        });
        let running = start(worker(&test, &embedder));
        let stored = "select count(distinct id) from posts_embedding_store";
        soon(async || test.value::<i64>(stored).await.unwrap() == 150).await;
        soon(async || queued(&test).await == 0).await;
        running.stop().await;
        let dead = "select count(*) from ai._vectorizer_q_failed_1";
        assert_eq!(test.value::<i64>(dead).await?, 50);
        let said = "select bool_and(details->>'error_reason' like '%bad mood%') from ai.vectorizer_errors where \
        message \
                    like 'embedding failed%'";
        assert!(test.value::<bool>(said).await?);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_wait_without_end_is_cut_short_and_said() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let provider = Provider::start();
        provider.install("m", DIMENSIONS);
        provider.always(Fault::TooManyRequests(Some(1_000_000_000)));
        test.execute(&format!(
            "create table posts (id int primary key, body text);
             insert into posts values (1, 'text');
             select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('m', {DIMENSIONS}, base_url => '{}'))",
            provider.ollama_url()
        ))
        .await?;
        let reasons = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&reasons);
        let waiting = Worker::new(test.db.clone()).on_event(move |event| {
            if let Event::Waiting { reason, .. } = event {
                heard.lock().unwrap().push(reason.clone());
            }
        });
        let running = start(waiting);
        let recorded = "select count(*) from ai.vectorizer_errors where details->>'error_reason' like '%asks to wait \
        for \
                        1000000000 s; the worker waits for 3600 s%'";
        soon(async || test.value::<i64>(recorded).await.unwrap() > 0).await;
        running.stop().await;
        let reasons = reasons.lock().unwrap();
        assert!(reasons[0].contains("the worker waits for 3600 s"), "{reasons:?}");
        Ok(())
    })
    .await;
}
