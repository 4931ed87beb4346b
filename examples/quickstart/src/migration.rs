//! The table and its vectorizer.

use examples_shared::{DIMENSIONS, MODEL};
use pgai_sea::migration::prelude::*;
use sea_orm_migration::schema::text;

use crate::entity;

/// The one migration of the quickstart.
pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateCrates)]
    }
}

struct CreateCrates;

impl MigrationName for CreateCrates {
    fn name(&self) -> &'static str {
        "m20260101_000001_create_crates"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateCrates {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.install_pgai().await?;
        manager
            .create_table(
                Table::create()
                    .table(entity::Entity)
                    .col(text(entity::Column::Name).primary_key())
                    .col(text(entity::Column::Version))
                    .col(text(entity::Column::Description))
                    .col(text(entity::Column::Readme))
                    .to_owned(),
            )
            .await?;
        manager
            .create_vectorizer(
                CreateVectorizer::new("crates")
                    .loading(Loading::column("readme"))
                    .embedding(Embedding::ollama(MODEL, DIMENSIONS))
                    // with the heading within the 256 tokens that the model reads
                    .chunking(
                        Chunking::recursive_character_text_splitter()
                            .chunk_size(600)
                            .chunk_overlap(60),
                    )
                    .formatting(Formatting::python_template(entity::TEMPLATE))
                    .processing(Processing::batches().batch_size(20)),
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_vectorizer(DropVectorizer::target_table("crates_embedding_store").drop_all(true))
            .await?;
        manager
            .drop_table(Table::drop().table(entity::Entity).to_owned())
            .await?;
        manager.uninstall_pgai().await
    }
}

#[cfg(test)]
mod tests {
    use pgai_sea_tests::{Catalog, Snapshot, TestResult, on_catalog};

    use super::*;

    #[tokio::test]
    async fn down_takes_back_what_up_brought() {
        for catalog in [Catalog::Bare, Catalog::Pgai] {
            on_catalog(catalog, async |test| -> TestResult {
                let before = Snapshot::of(&test.db).await?;
                Migrator::up(&test.db, None).await?;
                Migrator::down(&test.db, None).await?;
                let after = Snapshot::of(&test.db).await?;
                let lasting = |object: &str| !object.contains("seaql_migrations"); // SeaORM's own, which stays
                assert_eq!(after.added_since(&before).only(lasting).to_string(), "");
                assert_eq!(after.removed_since(&before).only(lasting).to_string(), "");
                Ok(())
            })
            .await;
        }
    }
}
