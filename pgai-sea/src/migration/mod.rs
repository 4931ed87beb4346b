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
use crate::search::CreateTextIndex;
use crate::vectorizer::{ChangeVectorizer, CreateVectorizer, DropVectorizer};

/// What a migration with vectorizers needs: `sea_orm_migration`'s prelude, the operations, the builders and their
/// options. `use schema::*` brings its short words for columns, `pk_auto` and others.
pub mod prelude {
    pub use sea_orm_migration::prelude::*;
    pub use sea_orm_migration::schema;

    pub use super::VectorizerManagerExt;
    pub use crate::config::{
        Chunking, Destination, Embedding, Formatting, Indexing, Loading, Parsing, Processing, Scheduling,
    };
    pub use crate::entity::EmbeddingTrait;
    pub use crate::pgvector::{CreateVectorIndex, DropVectorIndex, Metric, VectorType};
    pub use crate::search::CreateTextIndex;
    pub use crate::vectorizer::{
        Backfill, ChangeVectorizer, CreateVectorizer, DropVectorizer, SourceTable, VectorizerRef,
    };
}

/// Vectorizer operations of a [`SchemaManager`](sea_orm_migration::SchemaManager).
///
/// Each does all or nothing, inside of a migration's transaction as well as without one. Where an operation is about a
/// vectorizer that exists, name it by its name, by its id, or by the entity that declares it ([`VectorizerRef`]):
/// `manager.refresh_vectorizer(content_embeddings::Entity)`.
#[async_trait::async_trait]
pub trait VectorizerManagerExt {
    /// Installs or upgrades the `ai` schema: see [`catalog::install`](crate::catalog::install). A database that has
    /// pgai's own is left as it is.
    ///
    /// Vectorizers follow what happens to rows, and renames. No trigger sees rows that come or go with a whole
    /// partition. After an `ATTACH PARTITION` of one with rows, [`refresh_vectorizer`](Self::refresh_vectorizer) queues
    /// them. The embeddings of a partition that was dropped, detached or truncated by its own name are removed by the
    /// refresh too, or by a worker within the hour.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] with what to do: privileges that are missing, pgvector missing, a pgai of another version.
    async fn install_pgai(&self) -> Result<Installed, DbErr>;

    /// Removes what [`install_pgai`](Self::install_pgai) installed: see
    /// [`catalog::uninstall`](crate::catalog::uninstall). pgai's own schema stays.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] while vectorizers exist, with their names.
    async fn uninstall_pgai(&self) -> Result<(), DbErr>;

    /// Creates a vectorizer and returns its id.
    ///
    /// If a vectorizer is left over of a dropped table with the source's name, it is removed first, with its
    /// embeddings: `migrate fresh` drops tables and knows nothing of vectorizers.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] for what the builder refuses, the database's error for what the database does.
    async fn create_vectorizer(&self, create: CreateVectorizer) -> Result<i32, DbErr>;

    /// Drops a vectorizer.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none, unless the builder says [`if_exists`](DropVectorizer::if_exists), and
    /// where several have the target table's name. None is dropped then.
    async fn drop_vectorizer(&self, drop: DropVectorizer) -> Result<(), DbErr>;

    /// Changes a vectorizer in use: in place where every vector stays as it is, otherwise by a second generation beside
    /// the first, which a worker fills; see [`change`](crate::change). Returns the id of the new generation, or of the
    /// vectorizer itself.
    ///
    /// ```
    /// # use pgai_sea::migration::prelude::*;
    /// # async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    /// manager
    ///     .change_vectorizer(
    ///         ChangeVectorizer::new("public_blog_posts_embedding_store")
    ///             .embedding(Embedding::openai("text-embedding-3-large", 1024)),
    ///     )
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none and for what the builder refuses; the database's error for what the
    /// database does.
    async fn change_vectorizer(&self, change: ChangeVectorizer) -> Result<i32, DbErr>;

    /// Lets the new generation of a vectorizer answer: see [`change::cut_over`](crate::change::cut_over). It is fine if
    /// it answers already.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where nothing is being changed, and while the new generation is not ready.
    async fn cut_over<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Lets the generation before answer again.
    ///
    /// # Errors
    ///
    /// The database's where there is none any more.
    async fn roll_back<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Drops the generation before.
    ///
    /// # Errors
    ///
    /// The database's where the new one does not answer yet.
    async fn finish_change<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Gives a change up: drops the new generation.
    ///
    /// # Errors
    ///
    /// The database's where the new one answers.
    async fn abort_change<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Lets roles search what a vectorizer embeds: see [`catalog::grant_search`](crate::catalog::grant_search).
    ///
    /// ```
    /// # use pgai_sea::migration::prelude::*;
    /// # async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    /// manager.grant_search("public_blog_posts_embedding_store", &["website"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none; the database's where this role may not grant something.
    async fn grant_search<V>(&self, vectorizer: V, roles: &[&str]) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Lets workers serve a vectorizer again.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none.
    async fn enable_vectorizer_schedule<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Makes workers skip a vectorizer. Changes are still queued.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none.
    async fn disable_vectorizer_schedule<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Replaces the schedule and the indexing of a vectorizer. Say again what is to stay.
    ///
    /// pgai's own schema needs the extension timescaledb for this, even to say that there is no schedule.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none, and for what a builder refuses; the database's error for what the
    /// database does.
    async fn set_scheduling<V, S, I>(&self, vectorizer: V, scheduling: S, indexing: I) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
        S: Into<Scheduling> + Send,
        I: Into<Indexing> + Send;

    /// Writes a renamed source's names into a vectorizer, its queue and its target table, and queues rows that came or
    /// went with a partition. Nothing is embedded again for a new name.
    ///
    /// Triggers and workers follow a rename by themselves. Call this for those who go by names:
    /// [`check`](crate::check()), queries on the target table's key, and pgai's worker. An entity with a column
    /// destination is found by its table's name, so after a rename of that table name the vectorizer by its name.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none, and on pgai's own schema, which has no such function; the database's
    /// where the source was dropped.
    async fn refresh_vectorizer<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Lets the types of the source's columns change. PostgreSQL refuses it otherwise ("cannot alter type of a column
    /// used by a view or rule"), also for columns that the vectorizer does not read: the view beside the table of
    /// embeddings names them all. Call [`refresh_vectorizer`](Self::refresh_vectorizer) after the change, in the same
    /// migration. The embeddings stay. Whoever writes to the table meanwhile waits:
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
    /// The refresh changes the types of a key's columns in the queue and the target table too. Texts that the change
    /// alters are not embedded anew.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] where there is none, on pgai's own schema, which has no such function, and outside of a
    /// transaction, where rows that are written before the refresh would be missed; the database's where the source was
    /// dropped.
    async fn release_vectorizer<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send;

    /// Whether there is a vectorizer of this name or id, or the one that an entity declares. There is none without an
    /// `ai` schema either.
    ///
    /// # Errors
    ///
    /// The database's.
    async fn has_vectorizer<V>(&self, vectorizer: V) -> Result<bool, DbErr>
    where
        V: Into<VectorizerRef> + Send;

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
    /// [`DbErr::Migration`] for what the builder refuses, for [`concurrently`](CreateVectorIndex::concurrently) inside
    /// a transaction, and where [`if_not_exists`](CreateVectorIndex::if_not_exists) finds an index that a build left
    /// unfinished. The database's error for what the database does.
    async fn create_vector_index(&self, create: CreateVectorIndex) -> Result<(), DbErr>;

    /// Creates an index for full-text searches. [`drop_vector_index`](Self::drop_vector_index) drops it.
    ///
    /// ```
    /// # use pgai_sea::migration::prelude::*;
    /// # async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    /// manager.create_text_index(CreateTextIndex::new("blog_posts_embedding_store", "chunk")).await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create_vector_index`](Self::create_vector_index).
    async fn create_text_index(&self, create: CreateTextIndex) -> Result<(), DbErr>;

    /// Drops an index over vectors.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] for what the builder refuses and for [`concurrently`](DropVectorIndex::concurrently) inside
    /// a transaction, the database's error where there is none, unless the builder says
    /// [`if_exists`](DropVectorIndex::if_exists).
    async fn drop_vector_index(&self, drop: DropVectorIndex) -> Result<(), DbErr>;
}
