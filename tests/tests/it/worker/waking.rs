//! An idle worker learns of what is committed at once, on this crate's catalog. It polls every ten minutes here:
//! whatever is embedded was not found by polling. On pgai's catalog it polls.

use std::sync::Arc;
use std::time::Duration;

use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, on_catalog};
use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};

use super::support::{Gate, Running, assert_in_sync, posts, queued, soon, start, worker};

/// A worker that nothing but a commit brings to work.
fn sleepy(test: &TestDatabase, gate: &Arc<Gate>) -> Worker {
    worker(test, gate).poll_interval(Duration::from_mins(10))
}

/// Starts a worker and waits until it sleeps.
async fn asleep(test: &TestDatabase, gate: &Arc<Gate>) -> Result<Running, DbErr> {
    let before = sleepers(test).await?;
    let running = start(sleepy(test, gate));
    soon(async || sleepers(test).await.unwrap() > before).await;
    Ok(running)
}

/// Sessions that wait for notifications, or have the lock that makes writers notify.
async fn sleepers(test: &TestDatabase) -> Result<i64, DbErr> {
    test.value(
        "select count(*) from pg_stat_activity where datname = current_database() and query ~ \
        'pg_try_advisory_lock[(]'",
    )
    .await
}

async fn insert(test: &TestDatabase, id: i32) -> Result<(), DbErr> {
    test.execute(&format!("insert into posts values ({id}, 'T', 'text {id}')"))
        .await
}

async fn embedded(test: &TestDatabase) {
    soon(async || queued(test).await == 0).await;
    assert_in_sync(test).await;
}

#[tokio::test]
async fn a_commit_wakes_it() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test).await?;
        let gate = Gate::new();
        let running = asleep(&test, &gate).await?;
        for id in 1..=3 {
            insert(&test, id).await?;
            embedded(&test).await;
            // until it sleeps again, or before
            tokio::time::sleep(Duration::from_millis(u64::from(id.unsigned_abs() % 2) * 400)).await;
        }
        test.execute("update posts set body = 'new ' || id").await?;
        embedded(&test).await;
        running.stop().await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_was_open_when_it_went_to_sleep_wakes_it() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test).await?;
        let gate = Gate::new();
        let writer = test.db.begin().await?;
        writer
            .execute_unprepared("insert into posts values (1, 'T', 'text')")
            .await?;
        let running = start(sleepy(&test, &gate));
        tokio::time::sleep(Duration::from_secs(1)).await;
        writer.commit().await?;
        embedded(&test).await;
        running.stop().await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn it_wakes_after_its_connections_broke() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test).await?;
        let gate = Gate::new();
        let running = asleep(&test, &gate).await?;
        test.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and \
            pid <> pg_backend_pid()",
        )
        .await?;
        insert(&test, 1).await?;
        embedded(&test).await;
        // and not only because its sleep was broken
        tokio::time::sleep(Duration::from_secs(3)).await;
        insert(&test, 2).await?;
        embedded(&test).await;
        running.stop().await;
        Ok(())
    })
    .await;
}

/// Every notification is committed under a lock that the whole server shares.
#[tokio::test]
async fn who_writes_notifies_only_a_worker_that_sleeps() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test).await?;
        let mut listener = PgListener::connect(&test.url).await?;
        listener.listen("pgai_sea_wake").await?;
        // waits long for the first, where there has to be one
        let mut heard = async |is_expected: bool| -> Result<Vec<String>, DbErr> {
            let mut payloads = Vec::new();
            let wait = |heard: usize| Duration::from_millis(if is_expected && heard == 0 { 10_000 } else { 300 });
            while let Ok(notification) = tokio::time::timeout(wait(payloads.len()), listener.recv()).await {
                payloads.push(
                    notification
                        .map_err(|error| DbErr::Custom(error.to_string()))?
                        .payload()
                        .to_owned(),
                );
            }
            Ok(payloads)
        };
        insert(&test, 1).await?;
        assert!(heard(false).await?.is_empty());

        let gate = Gate::new();
        let running = asleep(&test, &gate).await?;
        heard(true).await?;
        let id: i32 = test.value("select id from ai.vectorizer").await?;
        test.execute(
            "insert into posts select i, 'T', 'text' from generate_series(2, 9) i; update posts set body = 'new'",
        )
        .await?;
        assert_eq!(heard(true).await?, [id.to_string()]);
        // where there is always something to do it needs no waking
        for id in 10..110 {
            insert(&test, id).await?;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let notifications = heard(true).await?.len();
        assert!(notifications < 20, "{notifications} of 100 commits notified");
        embedded(&test).await;
        running.stop().await;
        heard(false).await?;
        test.execute("update posts set body = 'newer'").await?;
        assert!(heard(false).await?.is_empty(), "a worker that is gone left its lock");
        Ok(())
    })
    .await;
}

/// Writers notify for as long as the first sleeps. When it has gone nothing wakes the second, which finds what there is
/// when it polls.
#[tokio::test]
async fn one_that_slept_beside_another_polls_when_that_is_gone() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test).await?;
        let gate = Gate::new();
        let first = asleep(&test, &gate).await?;
        let second = start(worker(&test, &gate).poll_interval(Duration::from_secs(2)));
        tokio::time::sleep(Duration::from_secs(1)).await;
        insert(&test, 1).await?;
        embedded(&test).await;
        first.abort().await;
        insert(&test, 2).await?;
        embedded(&test).await;
        second.stop().await;
        Ok(())
    })
    .await;
}

/// One connection listens for all vectorizers. Those that come or go meanwhile are woken by what comes after.
#[tokio::test]
async fn vectorizers_fall_asleep_and_wake_one_by_one() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test).await?;
        test.execute(
            "create table notes (id int primary key, body text not null);
             select ai.create_vectorizer('notes', loading => ai.loading_column('body'), embedding => \
             ai.embedding_ollama('gate', 8))",
        )
        .await?;
        let gate = Gate::new();
        let running = asleep(&test, &gate).await?;
        let left = async |table: &str| -> i64 {
            let sql = format!("select count(*) from {table} where id not in (select id from {table}_embedding_store)");
            test.value(&sql).await.unwrap()
        };
        for id in 1..=12 {
            let (table, insert) = match id % 3 {
                0 => ("notes", "notes (body, id) values ('text'"),
                _ => ("posts", "posts (title, body, id) values ('T', 'text'"),
            };
            test.execute(&format!("insert into {insert}, {id})")).await?;
            soon(async || left(table).await == 0).await;
            // at another moment on the runner's way to sleep each time
            tokio::time::sleep(Duration::from_millis(37 * (id * id % 17))).await;
        }
        running.stop().await;
        Ok(())
    })
    .await;
}

/// Where nobody notifies it holds no connection to listen.
#[tokio::test]
async fn on_pgais_catalog_it_polls() {
    on_catalog(Catalog::Pgai, async |test| {
        posts(&test).await?;
        let gate = Gate::new();
        let running = start(worker(&test, &gate).poll_interval(Duration::from_millis(100)));
        for id in 1..=3 {
            insert(&test, id).await?;
            embedded(&test).await;
        }
        let listeners =
            "select count(*) from pg_stat_activity where datname = current_database() and query ~* '^listen'";
        assert_eq!(test.value::<i64>(listeners).await?, 0);
        assert_eq!(sleepers(&test).await?, 0);
        running.stop().await;
        Ok(())
    })
    .await;
}
