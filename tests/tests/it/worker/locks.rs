//! Locks that an application has, and those that it waits for.

use std::time::Duration;

use pgai_sea_tests::{TestDatabase, TestResult, on_both_catalogs};
use sea_orm::{ConnectionTrait, TransactionTrait};
use tokio::time::{Instant, sleep};

use super::support::{CLAIM, Gate, assert_in_sync, posts, queued, soon, start, statements, worker};

/// Who has waited for a lock for almost as long as PostgreSQL takes to look for deadlocks, and with what.
const LATE: &str = "select format('%s ms of %s', clock_timestamp() - l.waitstart, a.query)
    from pg_locks l join pg_stat_activity a using (pid)
    where not l.granted and a.datname = current_database() and a.backend_type = 'client backend'
    and clock_timestamp() - l.waitstart > interval '1 s' * 0.75";

/// Nobody waits for so long, for a while.
async fn nobody_waits_long(test: &TestDatabase, what: &str) -> Result<(), sea_orm::DbErr> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1_500) {
        let late: Vec<String> = test.values(LATE).await?;
        assert!(late.is_empty(), "{what}: {late:?}");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A transaction that has the source to itself, and then wants what a worker may have by then. The worker never waits
/// for long enough to leave the deadlock to it.
#[tokio::test]
async fn an_application_is_never_the_one_that_a_deadlock_ends() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 20) i")
            .await?;
        let gate = Gate::new();
        let running = start(worker(&test, &gate));
        soon(async || queued(&test).await == 0).await;
        for first in [
            "lock table posts",
            "lock table posts_embedding_store",
            "lock table ai._vectorizer_q_1",
            "update ai.vectorizer set disabled = disabled; lock table posts",
        ] {
            test.execute("update posts set body = body || '.'").await?;
            let application = test.db.begin().await?;
            application.execute_unprepared(first).await?;
            nobody_waits_long(&test, first).await?;
            // everything that a worker locks in its transactions
            application
                .execute_unprepared(
                    "lock table ai._vectorizer_q_1; lock table posts_embedding_store; lock table posts; lock table \
                     ai._vectorizer_errors; update ai.vectorizer set disabled = disabled",
                )
                .await?;
            application.commit().await?;
            soon(async || queued(&test).await == 0).await;
            assert_in_sync(&test).await;
        }
        let application = test.db.begin().await?;
        application
            .execute_unprepared("alter table posts rename body to text")
            .await?;
        nobody_waits_long(&test, "a column is renamed").await?;
        application
            .execute_unprepared("alter table posts rename text to body; select ai.drop_vectorizer('tested')")
            .await?;
        application.commit().await?;
        running.stop().await;
        Ok(())
    })
    .await;
}

/// Who keeps a lock for long is waited for, and then said.
#[tokio::test]
async fn a_lock_that_is_kept_is_waited_for() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text')").await?;
        let gate = Gate::new();
        let ours = worker(&test, &gate);
        let application = test.db.begin().await?;
        application.execute_unprepared("lock table posts").await?;
        let ours = tokio::spawn(async move { ours.run_once().await });
        statements(&test, CLAIM, 0).await;
        sleep(Duration::from_millis(900)).await;
        assert!(!ours.is_finished(), "it gave up");
        application.commit().await?;
        let report = ours.await??;
        assert_eq!((report.rows(), report.errors().count()), (1, 0), "{report:?}");
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}
