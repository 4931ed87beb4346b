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

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryResult, QuerySelect,
    Statement, TransactionTrait,
};
use sea_orm_migration::{SchemaManager, SchemaManagerConnection};

use crate::catalog::{self, Installed, VectorizerRef, entities};
use crate::config::{ConfigError, Indexing, Scheduling};
use crate::index::{CreateVectorIndex, DropVectorIndex};
use crate::sql::Call;
use crate::vectorizer::{CreateVectorizer, DropVectorizer};

/// What a migration with vectorizers needs: `sea_orm_migration`'s prelude, the operations, the builders and their options.
pub mod prelude {
    pub use sea_orm_migration::prelude::*;

    pub use super::VectorizerManagerExt;
    pub use crate::config::{
        Chunking, Destination, Embedding, Formatting, Indexing, Loading, Parsing, Processing, Scheduling,
    };
    pub use crate::entity::VectorizedTrait;
    pub use crate::index::{CreateVectorIndex, DropVectorIndex, VectorType};
    pub use crate::search::Metric;
    pub use crate::vectorizer::{CreateVectorizer, DropVectorizer};
}

/// Vectorizer operations of a [`SchemaManager`].
///
/// Each does all or nothing, inside of a migration's transaction as well as without one.
#[async_trait::async_trait]
pub trait VectorizerManagerExt {
    /// Brings the `ai` schema: see [`catalog::install`]. A database that has pgai's own is left as it is.
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

    /// Removes what [`install_pgai`](Self::install_pgai) brought: see [`catalog::uninstall`]. pgai's own schema, or none, is
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

#[async_trait::async_trait]
impl VectorizerManagerExt for SchemaManager<'_> {
    async fn install_pgai(&self) -> Result<Installed, DbErr> {
        let transaction = self.get_connection().begin().await?;
        let installed = catalog::install(&transaction).await?;
        // all tables may have been dropped since it was installed, which `migrate fresh` does
        catalog::drop_leftovers(&transaction, None).await?;
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
        if !catalog::has_catalog(&transaction).await? {
            return Err(DbErr::Migration(
                "the database has no `ai` schema with vectorizers: call `manager.install_pgai().await?` first, in this migration or an earlier one"
                    .to_owned(),
            ));
        }
        catalog::drop_leftovers(&transaction, create.regclass()).await?;
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
        let candidates = drop.candidates().map_err(|error| invalid(&error))?;
        let transaction = self.get_connection().begin().await?;
        let found = if catalog::has_catalog(&transaction).await? {
            transaction.query_all_raw(candidates).await?
        } else {
            Vec::new()
        };
        match found.len() {
            0 if drop.may_be_missing() => return transaction.commit().await,
            0 => {
                return Err(DbErr::Migration(format!(
                    "there is no vectorizer {}: if that is fine, say `.if_exists(true)`",
                    drop.describe()
                )));
            }
            1 => {}
            _ => return Err(ambiguous(&drop, &found)?),
        }
        transaction.query_all_raw(statement).await?;
        transaction.commit().await
    }

    async fn refresh_vectorizer<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
    {
        let has_function = Statement::from_string(
            DbBackend::Postgres,
            "SELECT to_regprocedure('ai.refresh_vectorizer(integer)') IS NOT NULL OR to_regnamespace('ai') IS NULL",
        );
        let row = self.get_connection().query_one_raw(has_function).await?;
        if !row.is_some_and(|row| row.try_get_by_index(0).unwrap_or_default()) {
            return Err(DbErr::Migration(
                "only the `ai` schema of pgai-sea has refresh_vectorizer, and this database has pgai's own: rename back what was \
                 renamed, or drop the vectorizer and create it anew"
                    .to_owned(),
            ));
        }
        alter(self, vectorizer.into(), Call::new("refresh_vectorizer")).await
    }

    async fn enable_vectorizer_schedule<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
    {
        alter(self, vectorizer.into(), Call::new("enable_vectorizer_schedule")).await
    }

    async fn disable_vectorizer_schedule<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
    {
        alter(self, vectorizer.into(), Call::new("disable_vectorizer_schedule")).await
    }

    async fn set_scheduling<V, S, I>(&self, vectorizer: V, scheduling: S, indexing: I) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
        S: Into<Scheduling> + Send,
        I: Into<Indexing> + Send,
    {
        let (vectorizer, scheduling, indexing) = (vectorizer.into(), scheduling.into(), indexing.into());
        scheduling.check().map_err(|error| invalid(&error))?;
        indexing.check().map_err(|error| invalid(&error))?;
        let call = Call::new("set_scheduling")
            .arg("scheduling", scheduling.call())
            .arg("indexing", indexing.call());
        alter(self, vectorizer, call).await
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

    async fn create_vector_index(&self, create: CreateVectorIndex) -> Result<(), DbErr> {
        let sql = create.to_sql().map_err(|error| invalid(&error))?;
        let db = self.get_connection();
        if create.is_concurrent() {
            check_no_transaction(db)?;
        }
        db.execute_unprepared(&sql).await?;
        if create.may_exist() {
            check_valid(db, create.regclass()).await?;
        }
        Ok(())
    }

    async fn drop_vector_index(&self, drop: DropVectorIndex) -> Result<(), DbErr> {
        let sql = drop.to_sql().map_err(|error| invalid(&error))?;
        let db = self.get_connection();
        if drop.is_concurrent() {
            check_no_transaction(db)?;
        }
        db.execute_unprepared(&sql).await?;
        Ok(())
    }
}

/// Several vectorizers have what one was to be dropped by.
fn ambiguous(drop: &DropVectorizer, found: &[QueryResult]) -> Result<DbErr, DbErr> {
    let mut each = Vec::new();
    for row in found {
        let (name, schema): (String, Option<String>) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        each.push(format!("{name:?} (schema {:?})", schema.unwrap_or_default()));
    }
    Ok(DbErr::Migration(format!(
        "{} vectorizers are there {}, and none was dropped: {}. Say which with `.target_schema(..)`, or drop them by `DropVectorizer::name(..)`",
        found.len(),
        drop.describe(),
        each.join(", ")
    )))
}

/// sea-orm-migration runs a migration in a transaction unless that says otherwise. PostgreSQL would refuse too, without saying how.
fn check_no_transaction(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    match db {
        SchemaManagerConnection::Connection(_) => Ok(()),
        SchemaManagerConnection::Transaction(_) | SchemaManagerConnection::OwnedTransaction(_) => {
            Err(invalid(&ConfigError::new(
                "concurrently",
                "PostgreSQL does it outside of transactions alone: let the migration's `use_transaction` return Some(false)",
            )))
        }
    }
}

/// A concurrent build that fails or is interrupted leaves an index that serves no query, and that the next build takes for its own.
async fn check_valid<C: ConnectionTrait>(db: &C, index: String) -> Result<(), DbErr> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass($1)",
        [index.as_str().into()],
    );
    let is_valid = match db.query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => true, // dropped meanwhile
    };
    if is_valid {
        return Ok(());
    }
    Err(DbErr::Migration(format!(
        "index {index} is there but invalid, since a concurrent build of it did not end: drop it with `drop_vector_index` first, \
         unless another session is still building it"
    )))
}

/// Calls a function on one vectorizer. Asks for it first: by name, pgai's functions accept what does not exist.
async fn alter(manager: &SchemaManager<'_>, vectorizer: VectorizerRef, call: Call) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let missing = || {
        let what = match &vectorizer {
            VectorizerRef::Id(id) => format!("with id {id}"),
            VectorizerRef::Name(name) => format!("called {name:?}"),
        };
        DbErr::Migration(format!("there is no vectorizer {what}"))
    };
    if !catalog::has_catalog(db).await? {
        return Err(missing());
    }
    let condition = match &vectorizer {
        VectorizerRef::Id(id) => entities::vectorizer::Column::Id.eq(*id),
        VectorizerRef::Name(name) => entities::vectorizer::Column::Name.eq(name),
    };
    let found: Option<i32> = entities::vectorizer::Entity::find()
        .select_only()
        .column(entities::vectorizer::Column::Id)
        .filter(condition)
        .into_tuple()
        .one(db)
        .await?;
    let id = found.ok_or_else(missing)?;
    let (sql, values) = call.arg("vectorizer_id", Some(id)).bind();
    db.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!("SELECT {sql}"),
        values,
    ))
    .await?;
    Ok(())
}

fn invalid(error: &ConfigError) -> DbErr {
    DbErr::Migration(error.to_string())
}
