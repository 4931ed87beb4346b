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

/// What there is one of: sessions, clients, or both.
const TIGHT: [&str; 4] = [
    "default_pool_size = 1\nmax_client_conn = 200",
    "default_pool_size = 20\nmax_db_connections = 1\nmax_client_conn = 200",
    "default_pool_size = 1\nmax_client_conn = 1",
    "default_pool_size = 20\nmax_user_connections = 1\nmax_client_conn = 1",
];

async fn command(pooled: &TestDatabase, arguments: &[&str]) -> (bool, String) {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(arguments)
        .args(["-d", &pooled.url])
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

#[ignore = "needs pgbouncer"]
#[tokio::test]
async fn pgbouncer_with_one_connection_is_enough() {
    for limits in TIGHT {
        on_both_catalogs(async |test| -> TestResult {
            posts(&test).await?;
            test.execute(
                "update ai.vectorizer set config = jsonb_set(config, '{indexing}',
                    '{\"implementation\": \"hnsw\", \"config_type\": \"indexing\", \"min_rows\": 10}');
                 insert into posts select i, 'T', 'text ' || i from generate_series(1, 300) i",
            )
            .await?;
            let pooler = Pooler::start_with(&test.url, limits);
            let gate = Gate::new();
            let pooled = through(&pooler, &test).await?;
            let report = worker(&pooled, &gate).concurrency(3).run_once().await?;
            assert_eq!(
                (report.rows(), report.errors().count()),
                (300, 0),
                "{limits}: {report:?}"
            );
            assert!(report.vectorizers[0].index_built, "{limits}: {report:?}");
            let running = start(worker(&pooled, &gate).concurrency(3));
            for round in 0..5 {
                test.execute(&format!(
                    "update posts set body = 'edit {round} ' || id where id % 5 = {round}"
                ))
                .await?;
            }
            soon(async || queued(&test).await == 0).await;
            let report = running.stop().await;
            assert_eq!(report.errors().count(), 0, "{limits}: {report:?}");
            assert_in_sync(&test).await;
            pooled.db.clone().close().await?;
            // commands, one after the other
            for arguments in [
                &["status"][..],
                &["failed", "list"],
                &["errors"],
                &["check"],
                &["pause", "tested"],
                &["resume", "tested"],
                &["retry", "tested"],
                &["worker", "--once"],
            ] {
                let (is_well, said) = command(&pooled, arguments).await;
                assert!(is_well, "{limits}: {arguments:?}: {said}");
            }
            Ok(())
        })
        .await;
    }
}

/// Migrations and searches by themselves need no second connection.
#[ignore = "needs pgbouncer"]
#[tokio::test]
async fn pgbouncer_with_one_connection_takes_migrations_and_searches() {
    use pgai_sea::migration::prelude::{
        CreateVectorizer, Embedding, Loading, SchemaManager, VectorizerManagerExt as _,
    };
    use sea_orm::{ConnectionTrait as _, Statement, TransactionTrait as _};

    pgai_sea_tests::on_catalog(pgai_sea_tests::Catalog::Bare, async |test| -> TestResult {
        for limits in TIGHT {
            let pooler = Pooler::start_with(&test.url, limits);
            let options = ConnectOptions::new(pooler.url.clone()).max_connections(1).to_owned();
            // the look whether it listens may be a client still
            let pooled = std::cell::OnceCell::new();
            soon(async || match pgai_sea::Pooled::connect(options.clone()).await {
                Ok(connected) => pooled.set(connected).is_ok(),
                Err(_) => false,
            })
            .await;
            let pooled = pooled.into_inner().expect("a connection");
            let transaction = pooled.begin().await?;
            let manager = SchemaManager::new(&transaction);
            manager.install_pgai().await?;
            transaction
                .execute_unprepared(
                    "create table notes (id int primary key, body text); insert into notes values (1, 'a')",
                )
                .await?;
            let vectorizer = CreateVectorizer::new("notes")
                .loading(Loading::column("body"))
                .embedding(Embedding::ollama("gate", 8));
            manager.create_vectorizer(vectorizer).await?;
            transaction.commit().await?;
            let search = "select count(*) from notes_embedding where embedding <=> $1::text::vector < 2";
            let search =
                Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, search, ["[1,0,0,0,0,0,0,0]".into()]);
            for _ in 0..3 {
                assert!(pooled.query_one_raw(search.clone()).await?.is_some(), "{limits}");
                pgai_sea::catalog::statuses(&pooled).await?;
            }
            pooled.connection().clone().close().await?;
            test.execute(
                "drop table notes cascade; drop schema ai cascade; drop table if exists notes_embedding_store cascade",
            )
            .await?;
        }
        Ok(())
    })
    .await;
}

/// Where another client has the only place, it is said what is short.
#[ignore = "needs pgbouncer"]
#[tokio::test]
async fn pgbouncer_without_room_is_said_in_its_own_words() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text')").await?;
        let pooler = Pooler::start_with(&test.url, "default_pool_size = 1\nmax_client_conn = 1");
        let other = through(&pooler, &test).await?;
        for arguments in [&["status"][..], &["worker", "--once"], &["check"]] {
            let (is_well, said) = command(&other, arguments).await;
            assert!(
                !is_well && said.contains("no more connections allowed") && said.lines().count() == 1,
                "{arguments:?}: {said}"
            );
        }
        // a worker that runs on waits until there is room
        let mut running = tokio::process::Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
            .args(["worker", "-d", &other.url])
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut log = tokio::io::BufReader::new(running.stderr.take().expect("its log"));
        let mut line = String::new();
        tokio::time::timeout(
            Duration::from_mins(1),
            tokio::io::AsyncBufReadExt::read_line(&mut log, &mut line),
        )
        .await??;
        assert!(line.contains("no more connections allowed"), "{line}");
        other.db.close().await?;
        running.kill().await?;
        Ok(())
    })
    .await;
}
