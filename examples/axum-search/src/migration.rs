//! The table and its vectorizer.

use examples_shared::{DIMENSIONS, MODEL};
use pgai_sea::migration::prelude::*;
use sea_orm_migration::schema::{pk_auto, string, text};

/// What the vectorizer is called.
pub(crate) const VECTORIZER: &str = "articles";

/// The service's migrations.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateArticles)]
    }
}

struct CreateArticles;

impl MigrationName for CreateArticles {
    fn name(&self) -> &'static str {
        "m20260101_000001_create_articles"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateArticles {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.install_pgai().await?;
        manager
            .create_table(
                Table::create()
                    .table("articles")
                    .col(pk_auto("id"))
                    .col(string("title"))
                    .col(text("body"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_vectorizer(
                CreateVectorizer::new("articles")
                    .name(VECTORIZER)
                    .loading(Loading::column("body"))
                    .embedding(Embedding::ollama(MODEL, DIMENSIONS))
                    // a chunk is the passage that is shown: a few whole sentences
                    .chunking(
                        Chunking::recursive_character_text_splitter()
                            .chunk_size(240)
                            .chunk_overlap(0)
                            .separators(["\n\n", r"(?<=[.?!])\s+", r"\s+", ""])
                            .is_separator_regex(true),
                    )
                    .formatting(Formatting::python_template("$title\n$chunk"))
                    // small, so that one sees how far it is
                    .processing(Processing::batches().batch_size(10)),
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_vectorizer(DropVectorizer::name(VECTORIZER).drop_all(true))
            .await?;
        manager.drop_table(Table::drop().table("articles").to_owned()).await?;
        manager.uninstall_pgai().await
    }
}
