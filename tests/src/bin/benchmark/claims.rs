//! A worker whose provider takes no time: what is left is the database's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};
use pgai_sea::worker::Worker;
use pgai_sea_tests::{TestDatabase, TestResult};

use crate::table::median;

/// Short queues are worked off so often, as that takes less than a second.
const REPEATED: usize = 5;
/// A long one is worked on for so long.
const FOR: Duration = Duration::from_secs(10);

/// Rows in front of a queue that are not due.
const DEFERRED: u32 = 1_000_000;

pub(crate) async fn run(test: &TestDatabase) -> TestResult {
    println!("A worker's rows in a second by the rows that wait");
    let mut short = Vec::new();
    for _ in 0..REPEATED {
        short.push(rate(test, 1_000, None, 0).await?);
    }
    let short = median(short.into_iter()).unwrap_or(f64::NAN);
    println!("{:>10}{short:>10.0}", 1_000);
    let long = rate(test, 1_000_000, Some(FOR), 0).await?;
    println!("{:>10}{long:>10.0}  ({:.2} of that)", 1_000_000, long / short);
    let behind = rate(test, 100_000, Some(FOR), DEFERRED).await?;
    println!(
        "{:>10}{behind:>10.0}  ({:.2} of that) behind {DEFERRED} that wait for another attempt",
        100_000,
        behind / short
    );
    Ok(())
}

async fn rate(
    test: &TestDatabase,
    pending: u32,
    time: Option<Duration>,
    deferred: u32,
) -> Result<f64, Box<dyn std::error::Error + Send + Sync>> {
    test.execute("truncate posts, posts_embedding_store, ai._vectorizer_q_1")
        .await?;
    // below zero, so that none of them is a row of the table's
    test.execute(&format!(
        "insert into ai._vectorizer_q_1 (id, loading_retries, loading_retry_after)
         select -i, 1, date_trunc('milliseconds', now() + interval '1 day') from generate_series(1, {deferred}) i"
    ))
    .await?;
    test.execute(&format!(
        "insert into posts select i, 't', 'b' from generate_series(1, {pending}) i"
    ))
    .await?;
    test.execute("vacuum analyze ai._vectorizer_q_1").await?;
    test.execute("checkpoint").await?;
    let worker = Worker::new(test.db.clone()).embedder("ollama", "none", Arc::new(Instantly));
    let start = Instant::now();
    let report = match time {
        None => worker.run_once().await?,
        Some(time) => worker.run_until(tokio::time::sleep(time)).await?,
    };
    let rows = u32::try_from(report.rows()).unwrap_or(u32::MAX);
    Ok(f64::from(rows) / start.elapsed().as_secs_f64())
}

/// Answers at once.
#[derive(Debug)]
pub(crate) struct Instantly;

#[async_trait]
impl Embedder for Instantly {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        Ok(Embeddings::new(vec![vec![1.0, 2.0, 3.0]; texts.len()]))
    }
}
