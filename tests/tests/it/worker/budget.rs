//! Requests and tokens per minute, and tokens per day.

use std::time::{Duration, Instant};

use pgai_sea::catalog::{self, VectorizerState};
use pgai_sea::worker::{Budget, Worker};
use pgai_sea_tests::providers::{Fault, Provider, Request};
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use tokio::time::sleep;

use super::support::{queued, soon, start};

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

/// The rows that wait, of all vectorizers.
async fn pending(test: &TestDatabase) -> i64 {
    let pending = "select coalesce(sum(ai.vectorizer_queue_pending(id)), 0)::bigint from ai.vectorizer";
    test.value(pending).await.unwrap()
}

/// What the catalog has counted, without the day's sum.
const COUNTED: &str =
    "select coalesce(sum(requests), 0)::bigint from ai.vectorizer_worker_spending where step <> '1 day'";

#[tokio::test]
async fn workers_share_what_the_catalog_counts() {
    on_catalog(Catalog::Ours, async |test| {
        let provider = Provider::start();
        one_by_one(&test, &provider, "one", "a", 50).await?;
        one_by_one(&test, &provider, "two", "a", 50).await?;
        // 60 in an hour
        let budget = Budget::new().requests_per_minute(1).window(Duration::from_hours(1));
        let worker = || start(Worker::new(test.db.clone()).budget(budget));
        let workers = [worker(), worker(), worker()];
        provider.wait_for_requests(60).await;
        soon(async || test.value::<i64>(COUNTED).await.unwrap() == 60).await;
        let passed = Instant::now();
        test.execute(
            "update ai.vectorizer_worker_spending set since = since - interval '2 hours' where step <> '1 day'",
        )
        .await?;
        soon(async || pending(&test).await == 0).await;
        let requests = provider.requests();
        let early = requests.iter().filter(|request| request.at < passed).count();
        assert_eq!((early, requests.len()), (60, 100));
        for worker in workers {
            worker.stop().await;
        }
        Ok(())
    })
    .await;
}

/// Ten texts of 25 tokens, each of which is a request.
async fn ten(test: &TestDatabase, provider: &Provider) -> Result<(), sea_orm::DbErr> {
    one_by_one(test, provider, "one", "a", 10).await?;
    test.execute("update one set body = rpad(body, 100, 'x')").await
}

#[tokio::test]
async fn a_day_has_its_tokens() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        ten(&test, &provider).await?;
        let worker = || Worker::new(test.db.clone()).budget_of("ollama", Budget::new().tokens_per_day(100));
        let report = worker().run_once().await?;
        let errors: Vec<String> = report.errors().map(|(_, error)| error.to_string()).collect();
        assert_eq!((report.rows(), errors.len()), (4, 1), "{report:?}");
        assert!(
            errors[0].starts_with("ollama may be sent 100 tokens a day: they are spent. It goes on at 00:00 UTC"),
            "{errors:?}"
        );
        assert_eq!(report.counts().deferred, 0, "no row is charged: {report:?}");
        assert_eq!(provider.texts().len(), 4);
        Ok(())
    })
    .await;
}

/// Waits for tomorrow if today is over before a test is.
async fn within_a_day(test: &TestDatabase) -> TestResult {
    let left = "select extract(epoch from date_trunc('day', now(), 'UTC') + interval '1 day' - now())::float8";
    let left = Duration::from_secs_f64(test.value::<f64>(left).await?);
    if left < Duration::from_mins(1) {
        sleep(left).await;
    }
    Ok(())
}

#[tokio::test]
async fn workers_share_a_day_and_another_day_has_its_own_tokens() {
    on_catalog(Catalog::Ours, async |test| {
        within_a_day(&test).await?;
        let provider = Provider::start();
        ten(&test, &provider).await?;
        let worker = || Worker::new(test.db.clone()).budget(Budget::new().tokens_per_day(100));
        let (one, two) = (worker(), worker());
        let (one, two) = tokio::join!(one.run_once(), two.run_once());
        assert_eq!(one?.rows() + two?.rows(), 4);
        // a worker that starts now spends no more, and says what it waits for
        let running = start(worker());
        let status = async || catalog::statuses(&test.db).await.unwrap().remove(0);
        soon(async || status().await.error.is_some_and(|error| error.next_attempt.is_some())).await;
        let waiting = status().await;
        assert_eq!(waiting.state, VectorizerState::Waiting);
        let error = waiting.error.expect("a reason");
        assert!(error.message.contains("100 tokens a day"), "{error:?}");
        assert!(error.since.is_none(), "nothing failed: {error:?}");
        running.stop().await;
        assert_eq!(provider.texts().len(), 4);
        test.execute("update ai.vectorizer_worker_spending set since = since - interval '3 days' where step = '1 day'")
            .await?;
        assert_eq!(worker().run_once().await?.rows(), 4);
        assert_eq!(
            Worker::new(test.db.clone()).run_once().await?.rows(),
            2,
            "without a limit"
        );
        assert_eq!(pending(&test).await, 0);
        assert_eq!(status().await.state, VectorizerState::InSync);
        // what is over is forgotten: today's sum and what was asked lately are left
        let old = "select count(*) from ai.vectorizer_worker_spending where since < now() - interval '1 day'";
        assert_eq!(test.value::<i64>(old).await?, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_backfill_takes_half() {
    on_catalog(Catalog::Ours, async |test| {
        // tokens, backfill, limits: requests and tokens in an hour, tokens in a day
        let spend = async |provider: &str, tokens: i64, is_backfill: bool, limits: &str| {
            let sql = format!(
                "select case when wait is null then 'spent' when is_day then 'day' else 'full' end
                 from ai._worker_spend('{provider}', {tokens}, {is_backfill}, '1 hour', {limits})"
            );
            test.value::<String>(&sql).await.unwrap()
        };
        let requests = "4, null, null";
        for expected in ["spent", "spent", "full"] {
            assert_eq!(spend("a", 0, true, requests).await, expected);
        }
        for expected in ["spent", "spent", "full"] {
            assert_eq!(spend("a", 0, false, requests).await, expected);
        }
        assert_eq!(spend("b", 0, false, requests).await, "spent", "another provider");
        let tokens = "null, 100, null";
        assert_eq!(spend("c", 50, true, tokens).await, "spent");
        assert_eq!(spend("c", 1, true, tokens).await, "full");
        assert_eq!(spend("c", 50, false, tokens).await, "spent");
        assert_eq!(spend("c", 1, false, tokens).await, "full");
        assert_eq!(spend("d", 500, false, tokens).await, "spent", "alone");
        let day = "null, null, 101";
        assert_eq!(spend("e", 50, true, day).await, "spent");
        assert_eq!(spend("e", 2, true, day).await, "day");
        assert_eq!(spend("e", 51, false, day).await, "spent");
        assert_eq!(spend("e", 1, false, day).await, "day");
        assert_eq!(spend("e", 1, true, day).await, "day");
        // another role counts for itself
        let role = test.role("other").await?;
        test.execute(&format!("select ai.grant_vectorizer_usage('{role}', admin => true)"))
            .await?;
        let other = test.connect_as(&role).await?;
        let sql = "select count(*) from ai.vectorizer_worker_spending";
        let seen = sea_orm::ConnectionTrait::query_one_raw(
            &other,
            sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql),
        )
        .await?;
        assert_eq!(seen.expect("a row").try_get_by_index::<i64>(0)?, 0);
        other.close().await?;
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}
