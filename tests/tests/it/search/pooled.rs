//! Searches, migrations and commands on a connection whose statements outlive no transaction.

use migration::{Migrator, MigratorTrait};
use pgai_sea::Pooled;
use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, Pooler, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::entity::prelude::*;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr, Statement, TransactionError, TransactionTrait};
use tokio::process::Command;

use super::notes::{create, note, vector};

/// The statements that the session has by name.
const PREPARED: &str = "select count(*) from pg_prepared_statements";

fn options(url: &str, connections: u32) -> ConnectOptions {
    ConnectOptions::new(url.to_owned())
        .max_connections(connections)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|options| options.extra_float_digits(None))
        .to_owned()
}

async fn count<C: ConnectionTrait>(db: &C, sql: &str) -> Result<i64, DbErr> {
    let row = db
        .query_one_raw(Statement::from_string(db.get_database_backend(), sql))
        .await?;
    row.unwrap().try_get_by_index(0)
}

/// The ids of the nearest notes of an author.
async fn nearest<C: ConnectionTrait>(db: &C, to: i32, author: &str) -> Result<Vec<i32>, SearchError> {
    let hits = note::embeddings::Entity::search(vector(to).to_vec())
        .filter(note::Column::Author.eq(author))
        .limit(5)
        .with_source()
        .all(db)
        .await?;
    Ok(hits.iter().map(|hit| hit.source.id).collect())
}

/// A transaction of several statements, one of which returns vectors.
async fn in_a_transaction(db: &Pooled) -> Result<u64, TransactionError<DbErr>> {
    db.transaction::<_, u64, DbErr>(|transaction| {
        Box::pin(async move {
            let stored = note::embeddings::Entity::find().all(transaction).await?;
            let notes = note::Entity::find().count(transaction).await?;
            assert_eq!(stored.len() as u64, notes);
            Ok(notes)
        })
    })
    .await
}

#[tokio::test]
async fn prepared_statements_do_not_grow() {
    on_both_catalogs(async |test| -> TestResult {
        create(&test).await?;
        let db = Pooled::connect(options(&test.url, 1)).await?;
        for id in 1..=60 {
            assert_eq!(
                nearest(&db, id, "common").await?,
                nearest(&test.db, id, "common").await?
            );
            // each a statement of its own
            note::Entity::find()
                .filter(Expr::cust(format!("id = {id}")))
                .one(&db)
                .await?;
        }
        in_a_transaction(&db).await.unwrap();
        // this one itself
        assert_eq!(count(&db, PREPARED).await?, 1);
        // what is wrong is said as ever, and leaves the connection as it was
        let error = count(&db, "select 1 / 0").await.unwrap_err().to_string();
        assert!(error.contains("division by zero"), "{error}");
        let undone = db.transaction::<_, (), DbErr>(|transaction| {
            Box::pin(async move {
                note::Entity::delete_many().exec(transaction).await?;
                Err(DbErr::Custom("no".to_owned()))
            })
        });
        assert!(matches!(undone.await, Err(TransactionError::Transaction(_))));
        assert_eq!(in_a_transaction(&db).await.unwrap(), 2_000);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_pooled_connection_says_what_it_cannot_connect_to() {
    let refused = Pooled::connect(
        options("postgres://nobody@127.0.0.1:1/none", 1)
            .connect_timeout(std::time::Duration::from_millis(200))
            .to_owned(),
    );
    assert!(refused.await.is_err());
    let lazy = options("postgres://nobody@127.0.0.1:1/none", 1)
        .connect_lazy(true)
        .to_owned();
    assert!(Pooled::connect(lazy).await.is_ok(), "it connects when it is used");
}

/// A client of SeaORM's that has left a statement with a name on each of the pooler's sessions.
async fn leave_names(pooler: &Pooler, sessions: u32) -> Result<(), DbErr> {
    let held = Database::connect(options(&pooler.url, sessions)).await?;
    let mut transactions = Vec::new();
    for _ in 0..sessions {
        let transaction = held.begin().await?;
        assert_eq!(count(&transaction, "select 1::bigint").await?, 1);
        transactions.push(transaction);
    }
    for transaction in transactions {
        transaction.commit().await?;
    }
    Ok(())
}

#[ignore = "needs pgbouncer"]
#[tokio::test]
async fn pgbouncer_lets_applications_search() {
    on_both_catalogs(async |test| -> TestResult {
        create(&test).await?;
        let pooler = Pooler::start(&test.url, 2);
        leave_names(&pooler, 2).await?;
        let applications = (0..3).map(|_| async {
            let db = Pooled::connect(options(&pooler.url, 3)).await?;
            let searches = (1..=30).map(|id| {
                let (db, test) = (&db, &test);
                async move {
                    let author = if id % 3 == 0 { "rare" } else { "common" };
                    let found = nearest(db, id, author).await.map_err(DbErr::from)?;
                    assert_eq!(found, nearest(&test.db, id, author).await.map_err(DbErr::from)?);
                    Ok::<(), DbErr>(())
                }
            });
            futures::future::try_join_all(searches).await?;
            assert_eq!(in_a_transaction(&db).await.unwrap(), 2_000);
            Ok::<(), DbErr>(())
        });
        futures::future::try_join_all(applications).await?;
        // whoever has the sessions next finds what one transaction prepared, at most
        let direct = Pooled::connect(options(&pooler.url, 1)).await?;
        assert_eq!(count(&direct, PREPARED).await?, 1);
        Ok(())
    })
    .await;
}

#[ignore = "needs pgbouncer"]
#[tokio::test]
async fn pgbouncer_lets_migrations_run() {
    on_catalog(Catalog::Bare, async |test| -> TestResult {
        let pooler = Pooler::start(&test.url, 1);
        leave_names(&pooler, 1).await?;
        let is_there = "select count(*) from pg_class where relname = 'blog_posts_embedding_store'";
        for round in 0..2 {
            // each deployment is a process of its own, and finds what the one before left on the session
            let db = Pooled::connect(options(&pooler.url, 2)).await?;
            let transaction = db.begin().await?;
            Migrator::up(&transaction, None).await?;
            transaction.commit().await?;
            assert_eq!(count(&db, is_there).await?, 1, "{round}");
            let transaction = db.begin().await?;
            Migrator::down(&transaction, None).await?;
            transaction.commit().await?;
            assert_eq!(count(&db, is_there).await?, 0, "{round}");
        }
        Ok(())
    })
    .await;
}

async fn command(pooler: &Pooler, arguments: &[&str]) -> std::io::Result<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(arguments)
        .args(["-d", &pooler.url])
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    Ok(said.into_owned())
}

#[ignore = "needs pgbouncer"]
#[tokio::test]
async fn pgbouncer_lets_every_command_run() {
    on_both_catalogs(async |test: TestDatabase| -> TestResult {
        create(&test).await?;
        let pooler = Pooler::start(&test.url, 1);
        leave_names(&pooler, 1).await?;
        for _ in 0..2 {
            command(&pooler, &["install"]).await?;
            let said = command(&pooler, &["status"]).await?;
            assert!(said.contains("notes"), "{said}");
            command(&pooler, &["pause", "1"]).await?;
            command(&pooler, &["resume", "1"]).await?;
            command(&pooler, &["failed", "list"]).await?;
            command(&pooler, &["errors"]).await?;
        }
        Ok(())
    })
    .await;
}
