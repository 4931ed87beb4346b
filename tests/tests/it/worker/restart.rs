//! A server that stops and starts, connections that break, a database that is away: waited for, with few attempts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, OwnServer, TestDatabase, TestResult, on_own_server, on_own_servers};
use tokio::time::sleep;

use super::support::{Gate, LOOK, PREPARE, assert_in_sync, begun, posts, queued, soon, start, statements, worker};

/// Attempts to reach a database in so many seconds: runners, the reader of vectorizers, the heartbeat and the
/// listener have one each, and each waits longer every time.
const CONNECTIONS_A_SECOND: u64 = 20;

/// Leases end soon: a worker that cannot reach the database cannot give anything back.
fn brief(test: &TestDatabase, gate: &Arc<Gate>) -> Worker {
    worker(test, gate).lease(Duration::from_secs(2))
}

async fn insert(test: &TestDatabase, ids: std::ops::RangeInclusive<i32>) {
    let sql = format!(
        "insert into posts select i, 'T', 'text ' || i from generate_series({}, {}) i",
        ids.start(),
        ids.end()
    );
    // the test's own connections broke, too
    soon(async || test.execute(&sql).await.is_ok()).await;
}

async fn is_reachable(test: &TestDatabase) {
    soon(async || test.value::<i32>("select 1").await.is_ok()).await;
}

/// The database is away for this long; answers how many connections were attempted meanwhile.
async fn away(server: &OwnServer, time: Duration) -> u64 {
    let before = server.connections();
    sleep(time).await;
    server.connections() - before
}

async fn is_embedded(test: &TestDatabase) {
    soon(async || queued(test).await == 0).await;
    assert_in_sync(test).await;
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_batch() {
    on_own_servers(async |test, server| -> TestResult {
        posts(&test).await?;
        insert(&test, 1..=30).await;
        let gate = Gate::new();
        gate.hold();
        let running = start(brief(&test, &gate));
        gate.wait_for(1).await;
        server.stop().await;
        // what comes back from the provider cannot be written
        gate.release();
        let attempts = away(server, Duration::from_secs(3)).await;
        assert!(attempts <= 3 * CONNECTIONS_A_SECOND, "{attempts} connections in 3 s");
        server.start().await;
        is_reachable(&test).await;
        insert(&test, 31..=40).await;
        is_embedded(&test).await;
        // what was paid for is not paid for again, and nobody is blamed
        let mut texts = gate.texts();
        let sent = texts.len();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), sent, "texts were sent twice");
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer_errors").await?, 0);
        let report = running.stop().await;
        assert_eq!(report.rows(), 40, "{report:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn restarts_again_and_again_under_writes() {
    on_own_servers(async |test, server| -> TestResult {
        posts(&test).await?;
        let gate = Gate::with_inputs(5);
        let workers = [start(brief(&test, &gate)), start(brief(&test, &gate))];
        for round in 0..3 {
            insert(&test, round * 100..=round * 100 + 60).await;
            sleep(Duration::from_millis(u64::try_from(round)? * 40)).await;
            server.stop().await;
            server.start().await;
            is_reachable(&test).await;
            test.execute("update posts set body = 'new ' || body where id % 7 = 0")
                .await?;
        }
        is_embedded(&test).await;
        for running in workers {
            running.stop().await;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_away_from_the_start_and_for_a_while() {
    on_own_servers(async |test, server| -> TestResult {
        posts(&test).await?;
        insert(&test, 1..=5).await;
        let gate = Gate::new();
        server.cut();
        let running = start(brief(&test, &gate));
        let attempts = away(server, Duration::from_secs(2)).await;
        assert!(attempts <= 2 * CONNECTIONS_A_SECOND, "{attempts} connections in 2 s");
        server.mend().await;
        is_reachable(&test).await;
        is_embedded(&test).await;
        // and again while it is idle
        server.cut();
        let attempts = away(server, Duration::from_secs(4)).await;
        assert!(attempts <= 4 * CONNECTIONS_A_SECOND, "{attempts} connections in 4 s");
        server.mend().await;
        is_reachable(&test).await;
        insert(&test, 6..=7).await;
        is_embedded(&test).await;
        running.stop().await;
        Ok(())
    })
    .await;
}

/// What the worker sends while something stands in its way that only a person can move.
#[tokio::test]
async fn what_cannot_work_is_not_tried_without_end() {
    on_own_servers(async |test, server| -> TestResult {
        posts(&test).await?;
        insert(&test, 1..=5).await;
        let gate = Gate::new();
        let running = start(brief(&test, &gate).poll_interval(Duration::from_secs(1)));
        is_embedded(&test).await;
        let stages = [
            "alter table posts_embedding_store rename to elsewhere",
            "alter table elsewhere rename to posts_embedding_store; update ai.vectorizer set disabled = true",
            "update ai.vectorizer set disabled = false; alter table posts rename body to text",
            "alter table posts rename text to body; select ai.drop_vectorizer('tested')",
        ];
        for stage in stages {
            test.execute("update posts set likes = likes, title = title || '.'")
                .await
                .ok();
            if let Err(error) = test.execute(stage).await {
                // the server names relations of a deadlock by their numbers
                let relations = "select string_agg(oid::text || ' ' || relname, ', ') from pg_class where oid >= 16384";
                panic!("{stage}: {error:?}; {}", test.value::<String>(relations).await?);
            }
            // until it has noticed, and then for a while
            statements(&test, LOOK, 2).await;
            let before = (server.messages(), begun(&test, PREPARE));
            sleep(Duration::from_secs(4)).await;
            let messages = server.messages() - before.0;
            let attempts = begun(&test, PREPARE) - before.1;
            // the waits are half a second at least, then one, then two
            assert!(attempts <= 4, "{attempts} attempts in 4 s after {stage}");
            // an attempt is some 22 statements in transactions of their own, and one more may have begun before; the
            // rest tells looks with pauses from a loop
            let most = 4 * 30 + 150 * (attempts as u64 + 1);
            assert!(
                messages < most,
                "{messages} messages and {attempts} attempts in 4 s after {stage}"
            );
        }
        let report = running.stop().await;
        assert!(report.errors().next().is_some(), "nothing was ever in its way");
        assert!(report.errors().all(|(name, _)| name == "tested"), "{report:?}");
        Ok(())
    })
    .await;
}

/// Neither a claim nor what was in hand is waited for without end.
#[tokio::test]
async fn it_stops_soon_while_the_database_is_away() {
    on_own_server(Catalog::Ours, async |test, server| -> TestResult {
        posts(&test).await?;
        insert(&test, 1..=30).await;
        let gate = Gate::new();
        gate.hold();
        let running = start(brief(&test, &gate));
        gate.wait_for(1).await;
        server.cut();
        let before = server.connections();
        soon(async || server.connections() > before).await;
        gate.release();
        let stopping = Instant::now();
        running.stop().await;
        // the pool would wait for half a minute, each time
        assert!(stopping.elapsed() < Duration::from_secs(12), "{:?}", stopping.elapsed());
        Ok(())
    })
    .await;
}
