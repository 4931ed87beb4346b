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

mod operations;

use sea_orm::DbErr;

use crate::catalog::{Installed, VectorizerRef};
use crate::config::{Indexing, Scheduling};
use crate::pgvector::{CreateVectorIndex, DropVectorIndex};
use crate::vectorizer::{CreateVectorizer, DropVectorizer};

/// What a migration with vectorizers needs: `sea_orm_migration`'s prelude, the operations, the builders and their options.
pub mod prelude {
    pub use sea_orm_migration::prelude::*;

    pub use super::VectorizerManagerExt;
    pub use crate::config::{
        Chunking, Destination, Embedding, Formatting, Indexing, Loading, Parsing, Processing, Scheduling,
    };
    pub use crate::entity::VectorizedTrait;
    pub use crate::pgvector::Metric;
    pub use crate::pgvector::{CreateVectorIndex, DropVectorIndex, VectorType};
    pub use crate::vectorizer::{CreateVectorizer, DropVectorizer};
}

/// Vectorizer operations of a [`SchemaManager`](sea_orm_migration::SchemaManager).
///
/// Each does all or nothing, inside of a migration's transaction as well as without one.
#[async_trait::async_trait]
pub trait VectorizerManagerExt {
    /// Brings the `ai` schema: see [`catalog::install`](crate::catalog::install). A database that has pgai's own is left as it is.
    ///
    /// Its vectorizers follow what happens to rows, and renames. Rows that come or go with a whole partition pass no trigger: embeddings
    /// of a partition that was dropped, detached or truncated by its own name are removed by a worker's sweep, which comes every hour, and
    /// after an `ATTACH PARTITION` of one that has rows [`refresh_vectorizer`](Self::refresh_vectorizer) queues them; it does the
    /// other at once as well.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] with what to do: rights that are missing, pgvector missing, a pgai that does not serve.
    async fn install_pgai(&self) -> Result<Installed, DbErr>;

    /// Removes what [`install_pgai`](Self::install_pgai) brought: see [`catalog::uninstall`](crate::catalog::uninstall). pgai's own schema, or none, is
    /// left as it is, as `install_pgai` left it.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] while vectorizers exist, with their names.
    async fn uninstall_pgai(&self) -> Result<(), DbErr>;

    /// Creates a vectorizer and returns its id.
    ///
    /// What is left over of a vectorizer whose table was dropped makes way, with its embeddings, where a table of that name is embedded
    /// again: `migrate fresh` drops tables and knows nothing of vectorizers.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] for what the builder refuses, the database's error for what the database does.
    async fn create_vectorizer(&self, create: CreateVectorizer) -> Result<i32, DbErr>;

    /// Drops a vectorizer.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none, unless the builder says [`if_exists`](DropVectorizer::if_exists), and where several
    /// have the target table's name: none is dropped then.
    async fn drop_vectorizer(&self, drop: DropVectorizer) -> Result<(), DbErr>;

    /// Lets workers serve a vectorizer again, by its name or id.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none.
    async fn enable_vectorizer_schedule<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Makes workers pass a vectorizer over, by its name or id. Changes are still queued.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none.
    async fn disable_vectorizer_schedule<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Changes the schedule and the indexing of a vectorizer, by its name or id. Both are replaced: what is to stay has to be said
    /// again.
    ///
    /// pgai's own schema needs the extension timescaledb for this, also to say that there is no schedule.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none, and for what a builder refuses; the database's error for what the database does.
    async fn set_scheduling<V, S, I>(&self, vectorizer: V, scheduling: S, indexing: I) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
        S: Into<Scheduling> + Send,
        I: Into<Indexing> + Send;

    /// Writes a renamed source's names into a vectorizer, by its name or id, and into its queue and store; and queues rows that came or
    /// went with a partition. Nothing is embedded again for a new name.
    ///
    /// Triggers and workers follow a rename by themselves. This is for those who go by names: [`check`](crate::check()), queries on the store's
    /// key, and pgai's worker.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none, and on pgai's own schema, which has no such function; the database's where the source
    /// was dropped.
    async fn refresh_vectorizer<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Lets go of the columns that a vectorizer reads, by its name or id, so that their types can change, which PostgreSQL refuses otherwise;
    /// [`refresh_vectorizer`](Self::refresh_vectorizer) takes hold of them again. The embeddings stay, and who writes to the table meanwhile waits:
    ///
    /// ```
    /// # use pgai_sea::migration::prelude::*;
    /// # async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    /// manager.release_vectorizer("blog_posts").await?;
    /// let id = ColumnDef::new("id").big_integer().take();
    /// manager.alter_table(Table::alter().table("blog_posts").modify_column(id).to_owned()).await?;
    /// manager.refresh_vectorizer("blog_posts").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The types of a key's columns change in the queue and the table of the embeddings too. What a change makes of the texts is not embedded anew.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none, on pgai's own schema, which has no such function, and outside of a transaction, where rows
    /// that are written before the refresh would be missed; the database's where the source was dropped.
    async fn release_vectorizer<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Whether there is a vectorizer of this name. There is none without an `ai` schema either.
    ///
    /// # Errors
    ///
    /// The database's.
    async fn has_vectorizer(&self, name: &str) -> Result<bool, DbErr>;

    /// Creates an index over vectors.
    ///
    /// ```
    /// # use pgai_sea::migration::prelude::*;
    /// # async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    /// manager
    ///     .create_vector_index(CreateVectorIndex::hnsw("items", "embedding").metric(Metric::L2).m(24))
    ///     .await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] for what the builder refuses, for [`concurrently`](CreateVectorIndex::concurrently) inside a transaction,
    /// and where [`if_not_exists`](CreateVectorIndex::if_not_exists) finds an index that a build left unfinished. The database's error
    /// for what the database does.
    async fn create_vector_index(&self, create: CreateVectorIndex) -> Result<(), DbErr>;

    /// Drops an index over vectors.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] for what the builder refuses and for [`concurrently`](DropVectorIndex::concurrently) inside a transaction,
    /// the database's error where there is none, unless the builder says [`if_exists`](DropVectorIndex::if_exists).
    async fn drop_vector_index(&self, drop: DropVectorIndex) -> Result<(), DbErr>;
}
