//! The table and its vectorizer.

use examples_shared::{DIMENSIONS, MODEL};
use pgai_sea::migration::prelude::*;
use sea_orm_migration::schema::{pk_auto, text_uniq};

/// What the vectorizer is called.
pub(crate) const VECTORIZER: &str = "documents";

/// The library's migrations.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateDocuments)]
    }
}

struct CreateDocuments;

impl MigrationName for CreateDocuments {
    fn name(&self) -> &'static str {
        "m20260101_000001_create_documents"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateDocuments {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.install_pgai().await?;
        manager
            .create_table(
                Table::create()
                    .table("documents")
                    .col(pk_auto("id"))
                    .col(text_uniq("address"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_vectorizer(
                CreateVectorizer::new("documents")
                    .name(VECTORIZER)
                    // what the addresses lead to
                    .loading(Loading::uri("address").retries(1))
                    .embedding(Embedding::ollama(MODEL, DIMENSIONS))
                    // a chunk is the passage that is shown
                    .chunking(
                        Chunking::recursive_character_text_splitter()
                            .chunk_size(400)
                            .chunk_overlap(0),
                    ),
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_vectorizer(DropVectorizer::name(VECTORIZER).drop_all(true))
            .await?;
        manager.drop_table(Table::drop().table("documents").to_owned()).await?;
        manager.uninstall_pgai().await
    }
}
