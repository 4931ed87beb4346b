//! Migrations inside of SeaORM's transaction and without one, through to the end and not.

use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::{ConnectionTrait, DbErr};

/// One migration: a table, a vectorizer, and if it `FAILS` another that cannot be. `TRANSACTION`: 0 SeaORM's default, 1
/// with, 2 without.
#[derive(Clone, Copy, Debug)]
struct Migration<const TRANSACTION: u8, const FAILS: bool>;

impl<const TRANSACTION: u8, const FAILS: bool> MigrationName for Migration<TRANSACTION, FAILS> {
    fn name(&self) -> &'static str {
        "m0001_vectorize_posts"
    }
}

#[async_trait::async_trait]
impl<const TRANSACTION: u8, const FAILS: bool> MigrationTrait for Migration<TRANSACTION, FAILS> {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.install_pgai().await?;
        let db = manager.get_connection();
        db.execute_unprepared("create table posts (id int primary key, body text)")
            .await?;
        manager.create_vectorizer(posts("posts")).await?;
        if FAILS {
            manager.create_vectorizer(fails_halfway()).await?;
        }
        manager.disable_vectorizer_schedule("posts").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_vectorizer(DropVectorizer::name("posts").drop_all(true))
            .await?;
        manager.get_connection().execute_unprepared("drop table posts").await?;
        manager.uninstall_pgai().await
    }

    fn use_transaction(&self) -> Option<bool> {
        [None, Some(true), Some(false)][usize::from(TRANSACTION)]
    }
}

#[derive(Clone, Copy, Debug)]
struct Migrator<const TRANSACTION: u8, const FAILS: bool>;

impl<const TRANSACTION: u8, const FAILS: bool> MigratorTrait for Migrator<TRANSACTION, FAILS> {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Migration::<TRANSACTION, FAILS>)]
    }
}

fn posts(name: &str) -> CreateVectorizer {
    CreateVectorizer::new("posts")
        .name(name)
        .destination(Destination::table().destination(format!("{name}_found")))
        .loading(Loading::column("body"))
        .embedding(Embedding::ollama("m", 3))
}

/// The database notices after it has made the table of embeddings.
fn fails_halfway() -> CreateVectorizer {
    posts("second").queue_schema("no_such_schema")
}

/// SeaORM's own table is not part of what it guards.
async fn assert_as(before: &Snapshot, test: &TestDatabase) -> TestResult {
    let now = Snapshot::of(&test.db).await?;
    let others = |line: &str| !line.contains("seaql_migrations");
    assert_eq!(now.added_since(before).only(others).to_string(), "");
    assert_eq!(now.removed_since(before).only(others).to_string(), "");
    Ok(())
}

async fn up_and_down<M: MigratorTrait>(test: &TestDatabase) -> TestResult {
    let before = Snapshot::of(&test.db).await?;
    M::up(&test.db, None).await?;
    test.execute("insert into posts values (1, 'a')").await?;
    assert!(test.value::<bool>("select disabled from ai.vectorizer_status").await?);
    M::refresh(&test.db).await?;
    test.execute("insert into posts values (1, 'a')").await?;
    M::reset(&test.db).await?;
    assert_as(&before, test).await
}

#[tokio::test]
async fn up_and_down_with_and_without_a_transaction() {
    for catalog in [Catalog::Bare, Catalog::Pgai] {
        on_catalog(catalog, async |test| {
            up_and_down::<Migrator<0, false>>(&test).await?;
            up_and_down::<Migrator<1, false>>(&test).await?;
            up_and_down::<Migrator<2, false>>(&test).await
        })
        .await;
    }
}

async fn leaves_nothing<M: MigratorTrait>(test: &TestDatabase) -> TestResult {
    let before = Snapshot::of(&test.db).await?;
    assert!(M::up(&test.db, None).await.is_err());
    assert_as(&before, test).await
}

#[tokio::test]
async fn a_migration_that_fails_halfway_leaves_nothing() {
    for catalog in [Catalog::Bare, Catalog::Ours, Catalog::Pgai] {
        on_catalog(catalog, async |test| {
            leaves_nothing::<Migrator<0, true>>(&test).await?;
            leaves_nothing::<Migrator<1, true>>(&test).await
        })
        .await;
    }
}

/// Without a transaction what was done before stays, as with any migration; the operation that failed leaves nothing of
/// its own.
#[tokio::test]
async fn an_operation_that_fails_without_a_transaction_leaves_nothing() {
    on_both_catalogs(async |test| {
        let manager = SchemaManager::new(&test.db);
        assert!(Migrator::<2, true>::up(&test.db, None).await.is_err());
        assert!(manager.has_vectorizer("posts").await?);
        assert!(!manager.has_vectorizer("second").await?);
        let left = "select count(*) from pg_class where relname like 'second%' or relname like '%vectorizer_q%\\_2'";
        assert_eq!(test.value::<i64>(left).await?, 0);

        let before = Snapshot::of(&test.db).await?;
        assert!(manager.create_vectorizer(fails_halfway()).await.is_err());
        assert_eq!(Snapshot::of(&test.db).await?, before);
        // the view that the vectorizer made can go, the application's own on the same table is in the way
        test.execute("create view own as select chunk from posts_found_store")
            .await?;
        let before = Snapshot::of(&test.db).await?;
        let drop = DropVectorizer::name("posts").drop_all(true);
        assert!(manager.drop_vectorizer(drop).await.is_err());
        assert_eq!(Snapshot::of(&test.db).await?, before);
        assert!(manager.has_vectorizer("posts").await?);
        Ok(())
    })
    .await;
}
