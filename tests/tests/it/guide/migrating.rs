//! The page on migrations.

use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};

use crate::pages::Page;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/migrating.md"));

#[rustfmt::skip] // laid out as on the page
mod create {
    use pgai_sea::migration::prelude::*;

    #[derive(DeriveMigrationName)]
    pub struct Migration;

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            manager.install_pgai().await?; // once, usually in the first migration
            manager
                .create_vectorizer(
                    CreateVectorizer::new("blog_posts")
                        .name("blog")
                        .loading(Loading::column("content"))
                        .embedding(Embedding::openai("text-embedding-3-small", 768))
                        .formatting(Formatting::python_template("$title - $chunk"))
                        .indexing(Indexing::hnsw().min_rows(50_000))
                        .scheduling(Scheduling::none()),
                )
                .await?;
            Ok(())
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            manager.drop_vectorizer(DropVectorizer::name("blog").drop_all(true)).await
        }
    }
}

#[rustfmt::skip] // laid out as on the page
mod widen {
    use pgai_sea::migration::prelude::*;

    #[derive(DeriveMigrationName)]
    pub struct Widen;

    #[async_trait::async_trait]
    impl MigrationTrait for Widen {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            manager.release_vectorizer("blog").await?;
            let id = ColumnDef::new("id").big_integer().take();
            manager.alter_table(Table::alter().table("blog_posts").modify_column(id).to_owned()).await?;
            manager.refresh_vectorizer("blog").await
        }

        fn use_transaction(&self) -> Option<bool> {
            Some(true)
        }
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(create::Migration), Box::new(Later)]
    }
}

/// `DeriveMigrationName` names a migration after its file, and here two are in one.
struct Later;

impl MigrationName for Later {
    fn name(&self) -> &'static str {
        "widen"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Later {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        widen::Widen.up(manager).await
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        widen::Widen.use_transaction()
    }
}

async fn pause_and_index(manager: &SchemaManager<'_>) -> TestResult {
    use pgai_sea::migration::prelude::*;

    manager.disable_vectorizer_schedule("blog").await?; // workers pass it over; changes are still queued
    manager
        .create_vector_index(CreateVectorIndex::hnsw("blog_posts_embedding_store", "embedding").m(24))
        .await?;
    manager.enable_vectorizer_schedule("blog").await?;

    Ok(())
}

async fn stored(test: &TestDatabase) -> Result<Vec<i64>, sea_orm::DbErr> {
    test.values("select id::bigint from blog_posts_embedding_store order by id")
        .await
}

#[tokio::test]
async fn the_migrations_of_the_page() {
    on_catalog(Catalog::Bare, async |test| {
        test.execute(
            "create table blog_posts (id int primary key, title text not null, content text not null);
             insert into blog_posts values (1, 'one', 'text'), (2, 'two', 'text')",
        )
        .await?;
        Migrator::up(&test.db, Some(1)).await?;
        super::embed(&test).await?;
        assert_eq!(stored(&test).await?, [1, 2]);

        Migrator::up(&test.db, None).await?;
        test.execute("insert into blog_posts values (5000000000, 'late', 'text')")
            .await?;
        super::embed(&test).await?;
        assert_eq!(stored(&test).await?, [1, 2, 5_000_000_000]);

        pause_and_index(&SchemaManager::new(&test.db)).await?;
        let disabled: bool = test.value("select disabled from ai.vectorizer").await?;
        assert!(!disabled);
        let indexes: i64 = test
            .value("select count(*) from pg_indexes where indexdef like '%blog_posts_embedding_store USING hnsw%'")
            .await?;
        assert_eq!(indexes, 1);

        // what `sea-orm-cli generate entity` is told to leave out
        let [command] = &PAGE.blocks("sh")[..] else {
            panic!("a page with one block of shell")
        };
        assert!(
            command.contains("--ignore-tables \"$(pgai-sea managed-tables)\""),
            "{command}"
        );
        let mut managed = tokio::process::Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
        let output = managed.args(["managed-tables", "-d", &test.url]).output().await?;
        let tables = String::from_utf8(output.stdout)?;
        assert!(tables.contains("blog_posts_embedding_store"), "{tables}");

        Migrator::down(&test.db, None).await?;
        let left: i64 = test
            .value("select count(*) from pg_class where relname like 'blog_posts_embedding%'")
            .await?;
        assert_eq!(left, 0);
        Ok(())
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("migrating.rs"));
}
