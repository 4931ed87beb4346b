//! A fresh edit does not wait behind a backfill.

use std::sync::Arc;

use pgai_sea::embedder::Embedder;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbErr, TransactionTrait as _};
use tokio::task::JoinSet;

use super::support::{DIMENSIONS, Gate, assert_in_sync, posts, queued, soon, start, worker};

const BACKLOG: i64 = 6_000;

#[tokio::test]
async fn rows_that_come_during_a_backfill_are_searchable_before_its_end() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        test.execute(&format!(
            "insert into posts select i, 'T', 'text ' || i from generate_series(1, {BACKLOG}) i"
        ))
        .await?;
        let gate = Gate::new();
        let running = start(worker(&test, &gate));
        gate.wait_for(2).await;
        gate.hold();
        // a new row, an edit of one that is still to be done, and a key that changes
        test.execute(&format!(
            "insert into posts values (100000, 'T', 'new');
             update posts set body = 'edited' where id = {BACKLOG};
             update posts set id = -1 where id = {}",
            BACKLOG - 1
        ))
        .await?;
        let fresh = "select count(*) from posts_embedding_store where chunk in ('T: new', 'T: edited') or id = -1";
        // request by request, however fast the backfill would go
        soon(async || {
            gate.admit();
            test.value::<i64>(fresh).await.unwrap() == 3
        })
        .await;
        let left = queued(&test).await;
        gate.release();
        assert!(left > BACKLOG / 4, "{left} rows of the backfill were left");
        // the backfill goes on, and everything else that comes does too
        test.execute("update posts set body = body || '.' where id % 50 = 0")
            .await?;
        soon(async || queued(&test).await == 0).await;
        running.stop().await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// Batches of one row: the backlog has its turn all the same.
#[tokio::test]
async fn what_keeps_coming_does_not_hold_up_a_backfill() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        test.execute(
            "update ai.vectorizer set config = jsonb_set(config, '{processing,batch_size}', '2');
             insert into posts select i, 'T', 'text ' || i from generate_series(1, 200) i",
        )
        .await?;
        let gate = Gate::new();
        let running = start(worker(&test, &gate));
        gate.wait_for(2).await;
        let done = "select count(distinct id) from posts_embedding_store";
        let mut edit = 0;
        while test.value::<i64>(done).await? < 200 {
            edit += 1;
            test.execute(&format!(
                "update posts set body = 'edit {edit}' where id = 1 + {edit} % 5"
            ))
            .await?;
        }
        soon(async || queued(&test).await == 0).await;
        running.stop().await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// Many vectorizers with a backlog do not claim more than is written: an edit would wait behind all of it.
#[tokio::test]
async fn what_is_embedded_is_written_before_more_is_claimed() {
    const TABLES: usize = 20;
    const CONNECTIONS: u32 = 3;
    const BATCH: u32 = 5;
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let queues: Vec<String> = (1..=TABLES)
            .map(|n| format!("select loading_retry_after from ai._vectorizer_q_{n}"))
            .collect();
        let queues = queues.join(" union all ");
        for n in 1..=TABLES {
            test.execute(&format!(
                "create table posts_{n} (id int primary key, body text);
                 insert into posts_{n} select i, 'text ' || i from generate_series(1, 20) i;
                 select ai.create_vectorizer('posts_{n}', loading => ai.loading_column('body'),
                     embedding => ai.embedding_ollama('gate', {DIMENSIONS}), chunking => ai.chunking_none(),
                     processing => ai.processing_default(batch_size => {BATCH}))"
            ))
            .await?;
        }
        // each write says how many rows are in hand, and takes its time
        test.execute(&format!(
            "create table in_hand (rows int8);
             create function writes() returns trigger language plpgsql as $$
             begin
                 insert into public.in_hand select count(*) from ({queues}) q where loading_retry_after > now();
                 perform pg_sleep(0.02);
                 return null;
             end $$"
        ))
        .await?;
        for n in 1..=TABLES {
            test.execute(&format!(
                "create trigger writes after insert on posts_{n}_embedding_store execute function writes()"
            ))
            .await?;
        }
        let db = connect(&test, CONNECTIONS).await?;
        let report = worker_on(&db).run_once().await?;
        assert_eq!(report.rows(), 20 * TABLES as u64, "{report:?}");
        let most: i64 = test.value("select max(rows) from in_hand").await?;
        // a batch for each connection, and those that come from the provider
        assert!(most <= i64::from(4 * CONNECTIONS * BATCH), "{most} rows were in hand");
        db.close().await?;
        Ok(())
    })
    .await;
}

/// Batches of other vectorizers that cannot be written keep one from its turn. What is edited meanwhile is embedded.
#[tokio::test]
async fn an_edit_does_not_wait_for_the_backlogs_of_others() {
    const BATCH: i64 = 5;
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        for n in 1..=3 {
            test.execute(&format!(
                "create table posts_{n} (id int primary key, body text);
                 select ai.create_vectorizer('posts_{n}', loading => ai.loading_column('body'),
                     embedding => ai.embedding_ollama('gate', {DIMENSIONS}), chunking => ai.chunking_none(),
                     processing => ai.processing_default(batch_size => {BATCH}))"
            ))
            .await?;
        }
        let fill = async |n: i32, from: i64, to: i64| {
            let sql = format!("insert into posts_{n} select i, 'text ' || i from generate_series({from}, {to}) i");
            test.execute(&sql).await
        };
        let leased = async |n: i32| {
            let sql = format!("select count(*) from ai._vectorizer_q_{n} where loading_retry_after > now()");
            test.value::<i64>(&sql).await.unwrap()
        };
        let done = async || {
            let sql = "select count(*) from posts_3_embedding_store";
            test.value::<i64>(sql).await.unwrap()
        };
        // as many connections as batches that will not be written
        let db = connect(&test, 4).await?;
        let running = start(worker_on(&db));
        fill(3, 1, 1).await?;
        soon(async || done().await == 1).await;
        let locked = test.db.begin().await?;
        locked
            .execute_unprepared("lock table posts_1_embedding_store, posts_2_embedding_store in share mode")
            .await?;
        fill(1, 1, 20).await?;
        fill(2, 1, 20).await?;
        soon(async || leased(1).await + leased(2).await == 4 * BATCH).await;
        // one that had nothing to do needs no turn for its first claim
        fill(3, 2, 100).await?;
        soon(async || done().await == 1 + BATCH).await;
        for edit in ["an edit", "and another"] {
            test.execute(&format!("update posts_3 set body = '{edit}' where id = 90"))
                .await?;
            let is_found = format!("select exists (select from posts_3_embedding_store where chunk = '{edit}')");
            soon(async || test.value::<bool>(&is_found).await.unwrap()).await;
        }
        assert_eq!(done().await, 1 + BATCH + 1, "the backlog had its turn");
        locked.rollback().await?;
        soon(async || done().await == 100).await;
        running.stop().await;
        db.close().await?;
        Ok(())
    })
    .await;
}

/// A worker has a pool of its own or shares the application's, which may always be in use.
#[tokio::test]
async fn an_application_on_the_same_pool_does_not_hold_up_a_backfill() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 500) i")
            .await?;
        let db = connect(&test, 3).await?;
        let mut application = JoinSet::new();
        for _ in 0..8 {
            let db = db.clone();
            application.spawn(async move {
                loop {
                    db.execute_unprepared("select pg_sleep(0.002)").await.unwrap();
                }
            });
        }
        let report = worker_on(&db).run_once().await?;
        assert_eq!(report.rows(), 500, "{report:?}");
        application.shutdown().await;
        db.close().await?;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

async fn connect(test: &TestDatabase, connections: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(&test.url);
    options.max_connections(connections).sqlx_logging(false);
    Database::connect(options).await
}

fn worker_on(db: &DatabaseConnection) -> Worker {
    Worker::new(db.clone()).embedder("ollama", "gate", Gate::new() as Arc<dyn Embedder>)
}
