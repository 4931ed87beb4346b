//! The table whose content is made searchable.

use pgai_sea::migration::prelude::*;
use sea_orm_migration::schema::{pk_auto, string, text};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(BlogPosts::Table)
                    .col(pk_auto(BlogPosts::Id))
                    .col(string(BlogPosts::Title))
                    .col(text(BlogPosts::Content))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(BlogPosts::Table).to_owned())
            .await
    }
}

#[derive(DeriveIden)]
enum BlogPosts {
    Table,
    Id,
    Title,
    Content,
}
