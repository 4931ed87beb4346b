//! Behind a pooler that shares sessions by the transaction and keeps no prepared statements.

use std::sync::Arc;
use std::time::Duration;

use pgai_sea::catalog::VectorizerState;
use pgai_sea::worker::Event;
use pgai_sea_tests::{Pooler, TestDatabase, TestResult, on_both_catalogs};
use sea_orm::{ConnectOptions, Database, DbErr};

use super::support::{Gate, assert_in_sync, posts, queued, soon, start, worker};

/// The same database through the pooler.
async fn through(pooler: &Pooler, test: &TestDatabase) -> Result<TestDatabase, DbErr> {
    let mut pooled = test.clone();
    pooled.url.clone_from(&pooler.url);
    let options = ConnectOptions::new(pooler.url.clone())
        .max_connections(4)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|options| options.extra_float_digits(None))
        .to_owned();
    pooled.db = Database::connect(options).await?;
    Ok(pooled)
}

#[ignore = "needs pgbouncer"]
#[tokio::test]
async fn pgbouncer_workers_and_writers_share_two_sessions() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 300) i")
            .await?;
        let pooler = Pooler::start(&test.url, 2);
        let gate = Gate::new();
        let mut workers = Vec::new();
        for _ in 0..3 {
            let pooled = through(&pooler, &test).await?;
            workers.push(start(worker(&pooled, &gate).concurrency(3)));
        }
        for round in 0..20 {
            let body = format!("edited {round} ");
            test.execute(&format!(
                "update posts set body = '{body}' || id where id % 7 = {}",
                round % 7
            ))
            .await?;
        }
        test.execute("delete from posts where id % 11 = 0").await?;
        soon(async || queued(&test).await == 0).await;
        assert_in_sync(&test).await;
        // a worker that sleeps polls, and leaves no lock and no setting to whoever has the session next
        test.execute("insert into posts values (1000, 'T', 'late')").await?;
        soon(async || queued(&test).await == 0).await;
        for worker in workers {
            let report = worker.stop().await;
            assert_eq!(report.errors().count(), 0, "{report:?}");
        }
        let held =
            "select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database
            where datname = current_database())";
        assert_eq!(test.value::<i64>(held).await?, 0);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[ignore = "needs pgbouncer"]
#[tokio::test]
async fn pgbouncer_lets_an_index_be_built() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        test.execute(
            "update ai.vectorizer set config = jsonb_set(config, '{indexing}',
                '{\"implementation\": \"hnsw\", \"config_type\": \"indexing\", \"min_rows\": 10}');
             insert into posts select i, 'T', 'text ' || i from generate_series(1, 20) i",
        )
        .await?;
        let pooler = Pooler::start(&test.url, 2);
        let pooled = through(&pooler, &test).await?;
        let report = worker(&pooled, &Gate::new()).run_once().await?;
        assert_eq!((report.rows(), report.errors().count()), (20, 0), "{report:?}");
        assert!(report.vectorizers[0].index_built, "{report:?}");
        Ok(())
    })
    .await;
}

#[ignore = "needs pgbouncer"]
#[tokio::test]
async fn pgbouncer_and_a_named_statement_say_which_connection_to_use() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        let pooler = Pooler::start(&test.url, 1);
        let (one, other) = (through(&pooler, &test).await?, through(&pooler, &test).await?);
        pgai_sea::catalog::vectorizer(&one.db, "tested").await?;
        let error = pgai_sea::catalog::vectorizer(&other.db, "tested")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("pgai_sea::Pooled"), "{error}");
        assert!(!error.contains("is the schema"), "{error}");
        let gate: Arc<Gate> = Gate::new();
        let running = start(worker(&other, &gate).poll_interval(Duration::from_millis(20)));
        test.execute("insert into posts values (1, 'T', 'text')").await?;
        soon(async || queued(&test).await == 0).await;
        running.stop().await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// The queues of a worker that looks at them, for metrics, are looked at as well.
#[ignore = "needs pgbouncer"]
#[tokio::test]
async fn pgbouncer_lets_queues_be_observed() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text')").await?;
        let pooler = Pooler::start(&test.url, 1);
        let (one, other) = (through(&pooler, &test).await?, through(&pooler, &test).await?);
        // a name is taken on the one session
        pgai_sea::catalog::vectorizer(&one.db, "tested").await?;
        let (seen, mut sees) = tokio::sync::mpsc::unbounded_channel();
        let observing = worker(&other, &Gate::new())
            .observe_every(Duration::from_secs(1))
            .on_event(move |event| {
                if let Event::Observed(statuses) = event {
                    seen.send(statuses[0].state).ok();
                }
            });
        let running = start(observing);
        for _ in 0..2 {
            let state = tokio::time::timeout(Duration::from_secs(30), sees.recv())
                .await?
                .unwrap();
            assert_ne!(state, VectorizerState::Unreadable);
        }
        running.stop().await;
        Ok(())
    })
    .await;
}
