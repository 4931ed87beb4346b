//! Batches, requests at once and hooks are what they were set to; what is recorded of trouble stays readable.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};
use pgai_sea::worker::{Event, Worker};
use pgai_sea_tests::on_both_catalogs;

use super::support::{Gate, assert_in_sync, posts, run, soon, start, vectorizer, worker};

/// Long enough for one request too many to come.
const A_WHILE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn as_many_requests_at_once_as_configured_or_as_the_worker_says() {
    on_both_catalogs(async |test| {
        test.execute(
            "create table posts (id int primary key, title text, body text);
             insert into posts select i, 'T', 'text ' || i from generate_series(1, 30) i",
        )
        .await?;
        let processing = ", processing => ai.processing_default(batch_size => 5, concurrency => 3)";
        vectorizer(&test, "posts", "body", "$title: $chunk", processing).await?;
        let gate = Gate::new();
        for (concurrency, requests) in [(None, 3), (Some(1), 1), (Some(2), 2)] {
            test.execute("update posts set body = body || '!'").await?;
            let mut worker = worker(&test, &gate);
            if let Some(concurrency) = concurrency {
                worker = worker.concurrency(concurrency);
            }
            let before = gate.calls().len();
            gate.hold();
            let running = start(worker);
            gate.wait_for(before + requests).await;
            tokio::time::sleep(A_WHILE).await;
            let sizes: Vec<usize> = gate.calls()[before..].iter().map(Vec::len).collect();
            assert_eq!(sizes, vec![5; requests], "concurrency {concurrency:?}");
            gate.release();
            soon(async || super::support::queued(&test).await == 0).await;
            running.stop().await;
            assert_in_sync(&test).await;
        }
        Ok(())
    })
    .await;
}

/// An owner may write any number into its row, and the worker's memory is not the owner's.
#[tokio::test]
async fn no_configuration_asks_for_more_than_fifty_requests_at_once() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 120) i")
            .await?;
        for (concurrency, requests) in [("1000000", 50), ("2147483647", 50), ("0", 1), ("-7", 1)] {
            test.execute(&format!(
                r#"update ai.vectorizer set config = jsonb_set(config, '{{processing}}', '{{"config_type": "processing",
                    "implementation": "default", "batch_size": 1, "concurrency": {concurrency}}}');
                 update posts set body = body || '!'"#
            ))
            .await?;
            let gate = Gate::new();
            gate.hold();
            let running = start(worker(&test, &gate));
            gate.wait_for(requests).await;
            tokio::time::sleep(A_WHILE).await;
            assert_eq!(gate.calls().len(), requests, "concurrency {concurrency}");
            gate.release();
            soon(async || super::support::queued(&test).await == 0).await;
            running.stop().await;
            assert_in_sync(&test).await;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_large_vectorizer_does_not_hold_up_a_small_one() {
    on_both_catalogs(async |test| {
        test.execute(
            "create table large (id int primary key, body text);
             insert into large select i, 'large ' || i from generate_series(1, 1000) i;
             select ai.create_vectorizer('large', name => 'large', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', 8))",
        )
        .await?;
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'small ' || i from generate_series(1, 10) i")
            .await?;
        let gate = Gate::new();
        gate.hold();
        let running = tokio::spawn({
            let worker = worker(&test, &gate);
            async move { worker.run_once().await }
        });
        // one request of each, whoever came first
        gate.wait_for(2).await;
        let firsts = gate.calls().concat();
        assert_eq!(
            firsts.iter().filter(|text| text.contains("small")).count(),
            10,
            "{firsts:?}"
        );
        gate.admit();
        gate.admit();
        let small = "select count(*) from posts_embedding_store";
        soon(async || test.value::<i64>(small).await.unwrap() == 10).await;
        assert!(test.value::<i64>("select count(*) from large_embedding_store").await? <= 128); // a batch
        gate.release();
        assert_eq!(running.await??.rows(), 1_010);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn progress_is_told_now_and_then_and_ends_with_the_report() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'some text, number ' || i from generate_series(1, 1000) i")
            .await?;
        let gate = Gate::new();
        let told = Arc::new(Mutex::new(Vec::new()));
        let hook = Arc::clone(&told);
        let worker = worker(&test, &gate).on_event(move |event| {
            if let Event::Progress(progress) = event {
                hook.lock().unwrap().push((Instant::now(), progress.clone()));
            }
        });
        let started = Instant::now();
        let report = worker.run_once().await?;
        let told = told.lock().unwrap().clone();
        let (_, last) = told.last().expect("some progress");
        assert_eq!((last.vectorizer.as_str(), last.pending), ("tested", 0));
        assert_eq!(last.counts, report.counts(), "{report:?}");
        assert_eq!(last.counts.rows, 1_000);
        // a few times a second, and the end whenever it comes
        let most = started.elapsed().as_millis() / 250 + 2;
        assert!(told.len() as u128 <= most, "{told:?}");
        assert!(
            told.is_sorted_by(|(_, earlier), (_, later)| earlier.counts.rows < later.counts.rows),
            "{told:?}"
        );
        Ok(())
    })
    .await;
}

/// Limits the rate, and says it in other words each time.
#[derive(Debug, Default)]
struct Busy(Mutex<u32>);

#[async_trait]
impl Embedder for Busy {
    async fn embed(&self, _: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        let mut asked = self.0.lock().unwrap();
        *asked += 1;
        Err(EmbedError::Unavailable {
            provider: "busy",
            status: 429,
            message: format!("limit 1000, used {}, try again in {}ms", 990 + *asked, 7 * *asked),
            retry_after: None,
        })
    }
}

#[tokio::test]
async fn a_rate_limit_is_recorded_once_whatever_its_numbers() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text')").await?;
        let busy = Arc::new(Busy::default());
        let worker = Worker::new(test.db.clone())
            .embedder("ollama", "gate", Arc::clone(&busy) as Arc<dyn Embedder>)
            .poll_interval(Duration::from_millis(50));
        let running = start(worker);
        soon(async || *busy.0.lock().unwrap() >= 4).await;
        running.stop().await;
        let recorded: Vec<String> = test
            .values("select details->>'error_reason' from ai.vectorizer_errors")
            .await?;
        assert!(
            recorded.len() == 1 && recorded[0].contains("limit 1000"),
            "{recorded:?}"
        );
        run(&test, &Gate::new()).await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}
