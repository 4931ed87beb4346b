//! Builds of an index that other transactions hold up, and the connection on which they are done.

use std::time::Duration;

use pgai_sea_tests::{TestResult, on_both_catalogs};
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::indexing::{INDEXES, indexed, insert};
use super::support::{Gate, run, soon, start, worker};

/// A transaction that writes and never ends does not keep the table from being vacuumed or altered for ever.
#[tokio::test]
async fn a_build_that_has_not_begun_gives_way_and_begins_anew() {
    on_both_catalogs(async |test| -> TestResult {
        indexed(&test, "ai.indexing_hnsw(min_rows => 5)").await?;
        insert(&test, 1, 10).await?;
        let writer = test.db.begin().await?;
        writer
            .execute_unprepared("delete from posts_embedding_store where false")
            .await?;
        let pid: i32 = own_pid(&writer).await?;
        let gate = Gate::new();
        let report = worker(&test, &gate)
            .statement_timeout(Duration::from_secs(4))
            .run_once()
            .await?;
        // rows are done, and it is said who is in the way
        assert_eq!(report.rows(), 10);
        let errors: Vec<String> = report.errors().map(|(_, error)| error.to_string()).collect();
        assert!(
            errors.len() == 1 && errors[0].contains(&format!("process {pid}")),
            "{errors:?}"
        );
        let recorded =
            "select details->>'error_reason' from ai.vectorizer_errors where message = 'index cannot be built'";
        assert!(
            test.value::<String>(recorded)
                .await?
                .contains(&format!("process {pid}"))
        );
        let locked = "select count(*) from pg_locks where mode = 'ShareUpdateExclusiveLock'
            and relation = 'posts_embedding_store'::regclass";
        assert_eq!(test.value::<i64>(locked).await?, 0, "nobody holds the table");
        writer.rollback().await?;
        assert!(run(&test, &gate).await.vectorizers[0].index_built);
        assert!(test.values::<String>(INDEXES).await?[0].starts_with("true"));
        Ok(())
    })
    .await;
}

async fn own_pid(db: &impl ConnectionTrait) -> Result<i32, sea_orm::DbErr> {
    let pid = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, "select pg_backend_pid()");
    let row = db.query_one_raw(pid).await?;
    row.ok_or_else(|| sea_orm::DbErr::RecordNotFound("a process".to_owned()))?
        .try_get_by_index(0)
}

/// What was built is not thrown away. Who is waited for is said.
#[tokio::test]
async fn status_says_whose_transaction_a_build_waits_for() {
    on_both_catalogs(async |test| -> TestResult {
        indexed(&test, "ai.indexing_hnsw(min_rows => 5)").await?;
        insert(&test, 1, 10).await?;
        let reader = test.db.begin().await?;
        // a snapshot that is older than the index, and nothing else
        reader
            .execute_unprepared("set transaction isolation level repeatable read; select 1")
            .await?;
        let pid = own_pid(&reader).await?;
        let gate = Gate::new();
        let running = start(worker(&test, &gate).statement_timeout(Duration::from_secs(5)));
        let build = async || pgai_sea::catalog::status(&test.db, "tested").await.unwrap().index_build;
        soon(async || {
            build()
                .await
                .is_some_and(|build| build.phase == "waiting for old snapshots" && build.waits_for == Some(pid))
        })
        .await;
        let said = tokio::process::Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
            .args(["status", "-d", &test.url])
            .output()
            .await?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(
            said.contains(&format!("for the transaction of process {pid}")),
            "{said}"
        );
        // it waits for longer than a statement may take, and is built as soon as it can be
        let waits = "select clock_timestamp() - query_start > interval '7 seconds' from pg_stat_activity
            where datname = current_database() and query like 'CREATE INDEX CONCURRENTLY%'";
        soon(async || test.values::<bool>(waits).await.unwrap() == [true]).await;
        reader.rollback().await?;
        soon(async || test.values::<String>(INDEXES).await.unwrap()[0].starts_with("true")).await;
        running.stop().await;
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer_errors").await?, 0);
        Ok(())
    })
    .await;
}

/// An index is built on a connection of its own, which has the server's defaults but for those that are in its way.
#[tokio::test]
async fn it_is_built_where_transactions_are_read_only_by_default() {
    on_both_catalogs(async |test| -> TestResult {
        indexed(&test, "ai.indexing_hnsw(min_rows => 5)").await?;
        insert(&test, 1, 10).await?;
        for setting in [
            "statement_timeout = ''1s''",
            "lock_timeout = ''1ms''",
            "default_transaction_isolation = ''serializable''",
            "default_transaction_read_only = on",
        ] {
            test.execute(&format!(
                "do $$ begin execute format('alter database %I set {setting}', current_database()); end $$"
            ))
            .await?;
        }
        let mut anew = test.clone();
        anew.db = sea_orm::Database::connect(
            sea_orm::ConnectOptions::new(test.url.clone())
                .max_connections(4)
                .sqlx_logging(false)
                .to_owned(),
        )
        .await?;
        let report = worker(&anew, &Gate::new()).run_once().await?;
        assert_eq!(report.errors().count(), 0, "{report:?}");
        assert!(report.vectorizers[0].index_built, "{report:?}");
        anew.db.close().await?;
        Ok(())
    })
    .await;
}
