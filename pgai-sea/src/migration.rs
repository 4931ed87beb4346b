//! Vectorizers in migrations: operations on SeaORM's `SchemaManager`.
//!
//! ```
//! use pgai_sea::migration::prelude::*; // sea_orm_migration's prelude and the vectorizer operations
//!
//! #[derive(DeriveMigrationName)]
//! pub struct Migration;
//!
//! #[async_trait::async_trait]
//! impl MigrationTrait for Migration {
//!     async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
//!         manager.install_pgai().await?; // once, usually in the first migration
//!         manager
//!             .create_vectorizer(
//!                 CreateVectorizer::new("blog_posts")
//!                     .loading(Loading::column("content"))
//!                     .embedding(Embedding::openai("text-embedding-3-small", 768)),
//!             )
//!             .await?;
//!         Ok(())
//!     }
//!
//!     async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
//!         manager
//!             .drop_vectorizer(DropVectorizer::target_table("blog_posts_embedding_store").drop_all(true))
//!             .await
//!     }
//! }
//! ```

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, TransactionTrait};
use sea_orm_migration::SchemaManager;

use crate::catalog::{self, Installed, entities};
use crate::config::ConfigError;
use crate::vectorizer::{CreateVectorizer, DropVectorizer};

/// What a migration with vectorizers needs: `sea_orm_migration`'s prelude, the operations, the builders and their options.
pub mod prelude {
    pub use sea_orm_migration::prelude::*;

    pub use super::VectorizerManagerExt;
    pub use crate::config::{
        Chunking, Destination, Embedding, Formatting, Indexing, Loading, Parsing, Processing, Scheduling,
    };
    pub use crate::entity::VectorizedTrait;
    pub use crate::vectorizer::{CreateVectorizer, DropVectorizer};
}

/// Vectorizer operations of a [`SchemaManager`].
///
/// Each does all or nothing, inside of a migration's transaction as well as without one.
#[async_trait::async_trait]
pub trait VectorizerManagerExt {
    /// Brings the `ai` schema: see [`catalog::install`]. A database that has pgai's own is left as it is.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] with what to do: rights that are missing, pgvector missing, a pgai that does not serve.
    async fn install_pgai(&self) -> Result<Installed, DbErr>;

    /// Removes what [`install_pgai`](Self::install_pgai) brought: see [`catalog::uninstall`]. pgai's own schema, or none, is
    /// left as it is, as `install_pgai` left it.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] while vectorizers exist, with their names.
    async fn uninstall_pgai(&self) -> Result<(), DbErr>;

    /// Creates a vectorizer and returns its id.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] for what the builder refuses, the database's error for what the database does.
    async fn create_vectorizer(&self, create: CreateVectorizer) -> Result<i32, DbErr>;

    /// Drops a vectorizer.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none, unless the builder says [`if_exists`](DropVectorizer::if_exists).
    async fn drop_vectorizer(&self, drop: DropVectorizer) -> Result<(), DbErr>;

    /// Whether there is a vectorizer of this name. There is none without an `ai` schema either.
    ///
    /// # Errors
    ///
    /// The database's.
    async fn has_vectorizer(&self, name: &str) -> Result<bool, DbErr>;
}

#[async_trait::async_trait]
impl VectorizerManagerExt for SchemaManager<'_> {
    async fn install_pgai(&self) -> Result<Installed, DbErr> {
        let transaction = self.get_connection().begin().await?;
        let installed = catalog::install(&transaction).await?;
        // all tables may have been dropped since it was installed, which `migrate fresh` does
        catalog::drop_leftovers(&transaction).await?;
        transaction.commit().await?;
        Ok(installed)
    }

    async fn uninstall_pgai(&self) -> Result<(), DbErr> {
        match catalog::uninstall(self.get_connection()).await {
            Err(catalog::CatalogError::NotOurs) => Ok(()),
            other => Ok(other?),
        }
    }

    async fn create_vectorizer(&self, create: CreateVectorizer) -> Result<i32, DbErr> {
        let statement = create.statement().map_err(|error| invalid(&error))?;
        let transaction = self.get_connection().begin().await?;
        catalog::drop_leftovers(&transaction).await?;
        let id = transaction
            .query_one_raw(statement)
            .await?
            .ok_or_else(|| DbErr::RecordNotFound("ai.create_vectorizer returned no row".to_owned()))?
            .try_get_by_index(0)?;
        transaction.commit().await?;
        Ok(id)
    }

    async fn drop_vectorizer(&self, drop: DropVectorizer) -> Result<(), DbErr> {
        let statement = drop.statement().map_err(|error| invalid(&error))?;
        let db = self.get_connection();
        if drop.may_be_missing() && !catalog::has_catalog(db).await? {
            return Ok(());
        }
        let dropped = db.query_all_raw(statement).await?;
        if dropped.is_empty() && !drop.may_be_missing() {
            return Err(DbErr::Migration(format!(
                "there is no vectorizer {}: if that is fine, say `.if_exists(true)`",
                drop.describe()
            )));
        }
        Ok(())
    }

    async fn has_vectorizer(&self, name: &str) -> Result<bool, DbErr> {
        let db = self.get_connection();
        if !catalog::has_catalog(db).await? {
            return Ok(false);
        }
        let found = entities::vectorizer::Entity::find()
            .filter(entities::vectorizer::Column::Name.eq(name))
            .count(db)
            .await?;
        Ok(found > 0)
    }
}

fn invalid(error: &ConfigError) -> DbErr {
    DbErr::Migration(error.to_string())
}
