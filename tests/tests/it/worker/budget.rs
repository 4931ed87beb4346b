//! Requests and tokens per minute.

use std::time::{Duration, Instant};

use pgai_sea::worker::{Budget, Worker};
use pgai_sea_tests::providers::{Fault, Provider, Request};
use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs, on_catalog};

use super::support::{queued, soon};

const DIMENSIONS: usize = 8;

/// A table of rows, each of which is a request of its own to `model`.
async fn one_by_one(
    test: &TestDatabase,
    provider: &Provider,
    table: &str,
    model: &str,
    rows: usize,
) -> Result<(), sea_orm::DbErr> {
    provider.install(model, DIMENSIONS);
    test.execute(&format!(
        "create table {table} (id int primary key, body text);
         insert into {table} select i, '{table} ' || i from generate_series(1, {rows}) i;
         select ai.create_vectorizer('{table}', name => '{table}', loading => ai.loading_column('body'),
            embedding => ai.embedding_ollama('{model}', {DIMENSIONS}, base_url => '{}'),
            processing => ai.processing_default(batch_size => 1, concurrency => 4))",
        provider.ollama_url()
    ))
    .await
}

/// The most requests that came within `window`.
fn most_within(requests: &[Request], window: Duration) -> usize {
    let within = |first: usize| {
        requests[first..]
            .iter()
            .take_while(move |request| request.at - requests[first].at < window)
    };
    (0..requests.len())
        .map(|first| within(first).count())
        .max()
        .unwrap_or_default()
}

#[tokio::test]
async fn vectorizers_of_a_provider_share_its_requests() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        one_by_one(&test, &provider, "one", "a", 15).await?;
        one_by_one(&test, &provider, "two", "b", 15).await?;
        // 10 in two seconds
        let window = Duration::from_secs(2);
        let worker = Worker::new(test.db.clone()).budget(Budget::new().requests_per_minute(300).window(window));
        let started = Instant::now();
        let report = worker.run_once().await?;
        assert!(started.elapsed() >= 2 * window, "{:?}", started.elapsed());
        assert_eq!((report.rows(), report.errors().count()), (30, 0), "{report:?}");
        assert!(
            report
                .vectorizers
                .iter()
                .all(|vectorizer| vectorizer.counts.deferred == 0)
        );
        let requests = provider.requests();
        assert_eq!(requests.len(), 30);
        // a request may be a little later on its way than the one before
        let most = most_within(&requests, window.mul_f32(0.75));
        assert!(most <= 10, "{most}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn tokens_make_requests_smaller_and_wait() {
    on_catalog(Catalog::Ours, async |test| {
        let provider = Provider::start();
        provider.install("a", DIMENSIONS);
        // 40 texts of 100 bytes, 25 tokens each
        test.execute(&format!(
            "create table texts (id int primary key, body text);
             insert into texts select i, rpad('text ' || i || ' ', 100, 'x') from generate_series(1, 40) i;
             select ai.create_vectorizer('texts', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('a', {DIMENSIONS}, base_url => '{}'))",
            provider.ollama_url()
        ))
        .await?;
        // 250 in half a second
        let budget = Budget::new()
            .tokens_per_minute(30_000)
            .window(Duration::from_millis(500));
        let started = Instant::now();
        let report = Worker::new(test.db.clone())
            .budget_of("ollama", budget)
            .run_once()
            .await?;
        assert!(
            started.elapsed() >= Duration::from_millis(1_500),
            "{:?}",
            started.elapsed()
        );
        assert_eq!(report.rows(), 40, "{report:?}");
        let sizes: Vec<usize> = provider.requests().iter().map(|request| request.texts.len()).collect();
        assert_eq!(sizes, [10; 4]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn leases_hold_as_long_as_the_budget_makes_wait() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        one_by_one(&test, &provider, "one", "a", 3).await?;
        // one in eight seconds, and rows that are another's after four without a sign of life
        let budget = Budget::new().requests_per_minute(7).window(Duration::from_secs(8));
        let worker = || {
            Worker::new(test.db.clone())
                .lease(Duration::from_secs(4))
                .poll_interval(Duration::from_millis(50))
        };
        let bounded = worker().budget(budget);
        let (slow, idle) = tokio::join!(bounded.run_once(), async {
            provider.wait_for_requests(1).await;
            worker().run_once().await
        });
        let (slow, idle) = (slow?, idle?);
        assert_eq!(slow.rows() + idle.rows(), 3, "{slow:?} {idle:?}");
        assert!(slow.rows() >= 2, "what it had claimed was its own: {slow:?} {idle:?}");
        let mut texts = provider.texts();
        texts.sort();
        assert_eq!(texts, ["one 1", "one 2", "one 3"], "each was paid once");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_request_is_spent_when_it_is_made() {
    on_catalog(Catalog::Ours, async |test| {
        let provider = Provider::start();
        one_by_one(&test, &provider, "one", "a", 6).await?;
        // Two in two seconds; the first takes most of that, and the others wait for it.
        let window = Duration::from_secs(2);
        provider.next(Fault::Delay(window.mul_f32(0.9)));
        let worker = Worker::new(test.db.clone())
            .concurrency(1)
            .budget(Budget::new().requests_per_minute(60).window(window));
        let report = worker.run_once().await?;
        assert_eq!((report.rows(), report.errors().count()), (6, 0), "{report:?}");
        let most = most_within(&provider.requests(), window.mul_f32(0.9));
        assert!(most <= 2, "{most}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_the_budget() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        one_by_one(&test, &provider, "tested", "a", 10).await?;
        let worker = Worker::new(test.db.clone())
            .budget(Budget::new().requests_per_minute(1))
            .poll_interval(Duration::from_millis(50));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(async move { worker.run_until(stopped).await });
        provider.wait_for_requests(1).await;
        soon(async || queued(&test).await == 9).await;
        let asked = Instant::now();
        stop.send(()).ok();
        let report = running.await??;
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        assert_eq!((report.rows(), report.errors().count()), (1, 0), "{report:?}");
        assert_eq!(queued(&test).await, 9);
        // and nobody has to wait for a lease to run out
        let report = Worker::new(test.db.clone()).run_once().await?;
        assert_eq!(report.rows(), 9, "{report:?}");
        Ok(())
    })
    .await;
}
