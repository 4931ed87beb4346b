//! Defaults of server, database and role that the worker was not made for.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use pgai_sea_tests::{Catalog, TestDatabase, TestResult, Version, on_both_catalogs, on_catalog, on_version};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, TransactionTrait};

use super::support::{Gate, assert_in_sync, posts, queued, run, soon, start, worker};

/// Connections of a new role that is a superuser but for the limits that `options` set.
async fn login(test: &TestDatabase, options: &str, connections: u32) -> Result<(String, DatabaseConnection), DbErr> {
    let role = test.role("worker").await?;
    test.execute(&format!(
        "alter role {role} login password 'secret' {options};
         grant all on schema public to {role}; grant usage on schema ai to {role};
         grant all on all tables in schema public to {role}; grant all on all tables in schema ai to {role};
         grant all on all sequences in schema ai to {role}"
    ))
    .await?;
    let host = test.url.split('@').nth(1).unwrap_or_default();
    let db = Database::connect(
        ConnectOptions::new(format!("postgres://{role}:secret@{host}"))
            .max_connections(connections)
            .sqlx_logging(false)
            .to_owned(),
    )
    .await?;
    Ok((role, db))
}

#[tokio::test]
async fn one_connection_or_two_are_enough() {
    for (limit, connections) in [(1, 8), (2, 8), (-1, 1)] {
        on_both_catalogs(async |test| -> TestResult {
            posts(&test).await?;
            test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 500) i")
                .await?;
            let (role, db) = login(&test, &format!("connection limit {limit}"), connections).await?;
            let mut limited = test.clone();
            limited.db = db;
            let gate = Gate::new();
            let running = start(worker(&limited, &gate).concurrency(3));
            soon(async || queued(&test).await == 0).await;
            test.execute("update posts set body = 'new ' || id where id < 20")
                .await?;
            soon(async || queued(&test).await == 0).await;
            let report = running.stop().await;
            assert_eq!(report.errors().count(), 0, "{report:?}");
            assert_in_sync(&test).await;
            limited.db.close().await?;
            test.drop_role(&role).await?;
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_short_is_said_in_the_servers_words() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text')").await?;
        let (role, application) = login(&test, "connection limit 1", 1).await?;
        let held = application.begin().await?;
        let host = test.url.split('@').nth(1).unwrap_or_default();
        let options = ConnectOptions::new(format!("postgres://{role}:secret@{host}"))
            .acquire_timeout(Duration::from_secs(4))
            .connect_lazy(true)
            .sqlx_logging(false)
            .to_owned();
        let mut limited = test.clone();
        limited.db = Database::connect(options).await?;
        let error = worker(&limited, &Gate::new()).run_once().await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("too many connections for role \"{role}\"")),
            "{error}"
        );
        assert!(!error.contains("is the schema"), "{error}");
        held.rollback().await?;
        application.close().await?;
        limited.db.close().await?;
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}

/// The settings hold for the sessions that a worker opens.
async fn with_default(test: &TestDatabase, setting: &str) -> Result<TestDatabase, DbErr> {
    test.execute(&format!(
        "do $$ begin execute format('alter database %I set {setting}', current_database()); end $$"
    ))
    .await?;
    let mut anew = test.clone();
    let options = ConnectOptions::new(test.url.clone())
        .max_connections(6)
        .sqlx_logging(false)
        .to_owned();
    anew.db = Database::connect(options).await?;
    Ok(anew)
}

#[tokio::test]
async fn any_isolation_and_any_mode_will_do() {
    for setting in [
        "default_transaction_isolation = ''serializable''",
        "default_transaction_isolation = ''repeatable read''",
        "default_transaction_deferrable = on",
        "default_transaction_read_only = on",
        "lock_timeout = ''1ms''",
        "idle_in_transaction_session_timeout = ''1ms''",
        "search_path = ''nowhere''",
    ] {
        on_catalog(Catalog::Ours, async |test| -> TestResult {
            posts(&test).await?;
            test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 400) i")
                .await?;
            let anew = with_default(&test, setting).await?;
            let gate = Gate::new();
            let workers: Vec<_> = (0..4).map(|_| start(worker(&anew, &gate))).collect();
            for round in 0..10 {
                test.execute(&format!(
                    "begin read write; update public.posts set body = 'edit {round} ' || id where id % 10 = {round}; \
                    commit"
                ))
                .await?;
            }
            soon(async || queued(&test).await == 0).await;
            for running in workers {
                let report = running.stop().await;
                assert_eq!(report.errors().count(), 0, "{setting}: {report:?}");
            }
            assert_in_sync(&test).await;
            anew.db.close().await?;
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_transactions_time_limit_is_set_aside_where_work_takes_long() {
    on_version(Version::V18, async |test| -> TestResult {
        if test.catalog == Catalog::Pgai {
            return Ok(());
        }
        posts(&test).await?;
        test.execute(
            "update ai.vectorizer set config = jsonb_set(config, '{indexing}',
                '{\"implementation\": \"hnsw\", \"config_type\": \"indexing\", \"min_rows\": 10}');
             insert into posts select i, 'T', 'text ' || i from generate_series(1, 20) i;
             create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(0.5); return null; \
                end $$;
             create trigger dawdle after insert on posts_embedding_store for each statement execute function dawdle()",
        )
        .await?;
        let anew = with_default(&test, "transaction_timeout = 200").await?;
        let report = worker(&anew, &Gate::new()).run_once().await?;
        assert_eq!((report.rows(), report.errors().count()), (20, 0), "{report:?}");
        assert!(report.vectorizers[0].index_built, "{report:?}");
        anew.db.close().await?;
        Ok(())
    })
    .await;
}

/// A session that its server has made read-only is of no use, even though it answers.
#[tokio::test]
async fn a_session_that_may_not_write_is_thrown_away() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text')").await?;
        let one = ConnectOptions::new(test.url.clone())
            .max_connections(1)
            .sqlx_logging(false)
            .to_owned();
        let mut limited = test.clone();
        limited.db = Database::connect(one).await?;
        // as on a replica: the transaction cannot be made one that writes
        test.execute(
            "create function read_only() returns trigger language plpgsql as $$ begin
                raise exception 'cannot execute INSERT in a read-only transaction' using errcode = '25006'; end $$;
             create trigger read_only before insert on posts_embedding_store for each row execute function read_only()",
        )
        .await?;
        let backend = "select pg_backend_pid()";
        let before: i32 = limited.value(backend).await?;
        let gate = Gate::new();
        worker(&limited, &gate).run_once().await.unwrap_err();
        assert_ne!(
            before,
            limited.value::<i32>(backend).await?,
            "the session is still in use"
        );
        test.execute("drop trigger read_only on posts_embedding_store").await?;
        soon(async || run(&limited, &gate).await.rows() > 0 || queued(&test).await == 0).await;
        assert_in_sync(&test).await;
        limited.db.close().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn rows_that_cannot_be_locked_are_found_before_anything_is_paid() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        posts(&test).await?;
        test.execute(
            "insert into posts select i, 'T', 'text ' || i from generate_series(1, 20) i;
             do $$ begin execute 'create or replace view ai._vectorizer_src_1 as select distinct * from ('
                || rtrim(pg_get_viewdef('ai._vectorizer_src_1'::regclass), ';') || ') s'; end $$",
        )
        .await?;
        let gate = Gate::new();
        let report = run(&test, &gate).await;
        let errors: Vec<_> = report.errors().map(|(_, error)| error.to_owned()).collect();
        assert!(
            errors.iter().any(|error| error.contains("cannot be locked")),
            "{errors:?}"
        );
        assert_eq!(gate.calls().len(), 0, "{:?}", gate.calls());
        assert_eq!(queued(&test).await, 20);
        Ok(())
    })
    .await;
}

/// Every word of the SQL that is made per vectorizer.
fn words() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pgai-sea/src");
    let files = [
        "worker/queue/claim.rs",
        "worker/queue/mod.rs",
        "worker/queue/key_sql.rs",
        "worker/queue/dead_letters.rs",
        "worker/write/source.rs",
        "worker/write/store.rs",
        "worker/write/embedding_column.rs",
        "worker/maintenance/orphans.rs",
        "catalog/sql/functions/triggers.sql",
        "catalog/sql/functions/queue.sql",
        "catalog/sql/functions/store.sql",
        "catalog/sql/functions/source.sql",
    ];
    let mut words = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let text: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"))
            .collect::<Vec<_>>()
            .join("\n");
        let found = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
        words.extend(
            found
                .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase() || c == '_'))
                .map(str::to_owned),
        );
    }
    words
}

#[tokio::test]
async fn a_key_may_be_called_as_anything_in_our_statements() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        // what stores and queues have themselves, and what every table has
        let taken = [
            "embedding_uuid",
            "chunk_seq",
            "chunk",
            "embedding",
            "queued_at",
            "created_at",
            "loading_retries",
            "loading_retry_after",
            "failure_step",
            "failed_at",
            "ctid",
            "xmin",
            "xmax",
            "cmin",
            "cmax",
            "tableoid",
            "attempts",
            "id",
            "body",
        ];
        let words: Vec<String> = words()
            .into_iter()
            .filter(|word| !taken.contains(&word.as_str()))
            .collect();
        assert!(words.len() > 300, "{} words", words.len());
        for words in words.chunks(30) {
            let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            let columns: Vec<String> = quoted.iter().map(|word| format!("{word} int default 1")).collect();
            let created = test
                .execute(&format!(
                    "create table posts (id int, {}, body text, primary key (id, {}));
                     insert into posts (id, body) values (1, 'one'), (2, 'two'), (3, 'three');
                     select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body'),
                        embedding => ai.embedding_ollama('gate', 8))",
                    columns.join(", "),
                    quoted.join(", ")
                ))
                .await;
            created.unwrap_or_else(|error| panic!("{words:?}: {error}"));
            let gate = Gate::new();
            let report = run(&test, &gate).await;
            assert_eq!(
                (report.rows(), report.errors().count()),
                (3, 0),
                "{words:?}: {report:?}"
            );
            test.execute(&format!(
                "update posts set body = 'new' where id = 1; delete from posts where id = 2;
                 update posts set {} = 2 where id = 3",
                quoted[0]
            ))
            .await
            .unwrap_or_else(|error| panic!("{words:?}: {error}"));
            let report = run(&test, &gate).await;
            assert_eq!(report.errors().count(), 0, "{words:?}: {report:?}");
            assert_eq!(queued(&test).await, 0);
            let stored: String = test
                .value("select string_agg(id || ' ' || chunk, ',' order by id) from posts_embedding_store")
                .await?;
            assert_eq!(stored, "1 new,3 three", "{words:?}");
            test.execute("select ai.drop_vectorizer('tested', drop_all => true); drop table posts")
                .await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_key_of_an_extensions_type_is_compared_as_the_type_does() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        test.execute(
            "create schema own; create type own.pair as enum ('a', 'b'); create domain own.name as text;
             create table posts (kind own.pair, called own.name collate \"C\", code char(5), body text, primary key \
             (kind, \
                called, code));
             insert into posts values ('a', 'x', 'ab', 'one'), ('b', 'X', 'ab', 'two')",
        )
        .await?;
        super::support::vectorizer(&test, "posts", "body", "$chunk", "").await?;
        let gate = Gate::new();
        assert_eq!(run(&test, &gate).await.rows(), 2);
        test.db
            .execute_unprepared("update posts set body = 'new' where called = 'X'")
            .await?;
        assert_eq!(run(&test, &gate).await.rows(), 1);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}
