//! What each operation does.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, TransactionTrait};
use sea_orm_migration::{SchemaManager, SchemaManagerConnection};

use super::VectorizerManagerExt;
use crate::catalog::{self, Installed, VectorizerRef};
use crate::change;
use crate::config::{ConfigError, Embedding, Indexing, Scheduling};
use crate::pgvector::{CreateVectorIndex, DropVectorIndex};
use crate::search::CreateTextIndex;
use crate::sql::Call;
use crate::vectorizer::{ChangeVectorizer, CreateVectorizer, DropVectorizer};

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
        let statement = create.statement().map_err(|error| {
            let source = create.regclass();
            DbErr::Migration(format!("the vectorizer of {source} cannot be created: {error}"))
        })?;
        let transaction = self.get_connection().begin().await?;
        if !catalog::has_catalog(&transaction).await? {
            return Err(DbErr::Migration(
                "the database has no `ai` schema with vectorizers: call `manager.install_pgai().await?` first, in this \
                 migration or an earlier one"
                    .to_owned(),
            ));
        }
        if matches!(create.get_embedding(), Some(Embedding::Local(_)))
            && !catalog::has_local_embedding(&transaction).await?
        {
            return Err(DbErr::Migration(format!(
                "the vectorizer of {} cannot be created: the database's `ai` schema has no ai.embedding_local. If it \
                 is ours and older, call `manager.install_pgai().await?` first. pgai's own has none, and its worker \
                 could not embed with a model of another process: name a server's model there, such as \
                 `Embedding::ollama(..)`, and give the worker yours in its place with `Worker::embedder`",
                create.regclass()
            )));
        }
        if create.is_by_structure() && !has_function(&transaction, "ai.chunking_markdown(integer, integer)").await? {
            return Err(DbErr::Migration(format!(
                "the vectorizer of {} cannot be created: pgai's catalog has no chunking by structure. Use \
                 `Chunking::recursive_character_text_splitter()`, or this crate's catalog",
                create.regclass()
            )));
        }
        if create.has_backfill() && !catalog::is_ours(&transaction).await? {
            return Err(DbErr::Migration(format!(
                "the vectorizer of {} cannot be created: backfill: only the schema that `install_pgai` brings queues \
                 rows in the background, and this database has pgai's: leave out .backfill(..)",
                create.regclass()
            )));
        }
        if create.is_halfvec() && !has_function(&transaction, "ai.destination_halfvec(jsonb)").await? {
            return Err(DbErr::Migration(format!(
                "the vectorizer of {} cannot be created: halfvec: the database's `ai` schema stores vectors as \
                 `vector` alone. If it is ours and older, call `manager.install_pgai().await?` first. In pgai's own, \
                 leave out .halfvec(), and use a `CreateVectorIndex` with .halfvec() for a smaller index",
                create.regclass()
            )));
        }
        if create.is_partitioned() && !has_function(&transaction, DESTINATION_PARTITIONED).await? {
            return Err(DbErr::Migration(format!(
                "the vectorizer of {} cannot be created: partitions: the database's `ai` schema has stores of one \
                 table alone. If it is ours and older, call `manager.install_pgai().await?` first. In pgai's own, \
                 leave out .partitions(..)",
                create.regclass()
            )));
        }
        if create.get_indexing().is_some_and(Indexing::is_binary)
            && !has_function(&transaction, INDEXING_BINARY).await?
        {
            return Err(no_bits(&format!(
                "the vectorizer of {} cannot be created",
                create.regclass()
            )));
        }
        catalog::drop_leftovers(&transaction, Some(create.regclass())).await?;
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

    async fn change_vectorizer(&self, change: ChangeVectorizer) -> Result<i32, DbErr> {
        Ok(change::start(self.get_connection(), &change).await?)
    }

    async fn cut_over<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
    {
        change::cut_over(self.get_connection(), vectorizer.into()).await?;
        Ok(())
    }

    async fn roll_back<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
    {
        change::roll_back(self.get_connection(), vectorizer.into()).await?;
        Ok(())
    }

    async fn finish_change<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
    {
        change::finish(self.get_connection(), vectorizer.into()).await?;
        Ok(())
    }

    async fn abort_change<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
    {
        change::abort(self.get_connection(), vectorizer.into()).await?;
        Ok(())
    }

    async fn refresh_vectorizer<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
    {
        let vectorizer = vectorizer.into();
        check_ours(self, &vectorizer, "refresh_vectorizer", "rename back what was renamed").await?;
        alter(self, vectorizer, Call::new("refresh_vectorizer")).await
    }

    async fn release_vectorizer<V>(&self, vectorizer: V) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
    {
        let vectorizer = vectorizer.into();
        if !is_transaction(self.get_connection()) {
            return Err(DbErr::Migration(format!(
                "vectorizer {vectorizer} is released in a transaction only, since rows that are written before \
                 `refresh_vectorizer` would be missed: let \
                 the migration's `use_transaction` return Some(true)"
            )));
        }
        check_ours(self, &vectorizer, "release_vectorizer", "leave the columns as they are").await?;
        alter(self, vectorizer, Call::new("release_vectorizer")).await
    }

    async fn grant_search<V>(&self, vectorizer: V, roles: &[&str]) -> Result<(), DbErr>
    where
        V: Into<VectorizerRef> + Send,
    {
        let granted = catalog::grant_search(self.get_connection(), vectorizer, roles).await;
        granted.map_err(|error| match error {
            catalog::CatalogError::Db(error) => error,
            error => DbErr::Migration(error.to_string()),
        })
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
        scheduling
            .check()
            .and_then(|()| indexing.check())
            .map_err(|error| DbErr::Migration(format!("vectorizer {vectorizer}: {error}")))?;
        if indexing.is_binary() && !has_function(self.get_connection(), INDEXING_BINARY).await? {
            return Err(no_bits(&format!("vectorizer {vectorizer} gets no index")));
        }
        let call = Call::new("set_scheduling")
            .arg("scheduling", scheduling.call())
            .arg("indexing", indexing.call());
        alter(self, vectorizer, call).await
    }

    async fn has_vectorizer<V>(&self, vectorizer: V) -> Result<bool, DbErr>
    where
        V: Into<VectorizerRef> + Send,
    {
        Ok(find(self.get_connection(), &vectorizer.into()).await?.is_some())
    }

    async fn create_vector_index(&self, create: CreateVectorIndex) -> Result<(), DbErr> {
        create.to_sql().map_err(|error| invalid(&error))?;
        let db = self.get_connection();
        if create.is_concurrent() {
            check_no_transaction(db)?;
        }
        let pgvector = catalog::hidden_pgvector(db).await?;
        let sql = create
            .to_sql_with(pgvector.as_deref())
            .map_err(|error| invalid(&error))?;
        db.execute_unprepared(&sql).await?;
        if create.may_exist() {
            check_valid(db, create.regclass()).await?;
        }
        Ok(())
    }

    async fn create_text_index(&self, create: CreateTextIndex) -> Result<(), DbErr> {
        let sql = create.to_sql().map_err(|error| invalid(&error))?;
        let db = self.get_connection();
        if create.is_concurrent() {
            check_no_transaction(db)?;
        }
        db.execute_unprepared(&sql).await?;
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
        "there are {} vectorizers {}, and none was dropped: {}. Say which with `.target_schema(..)`, or drop them by \
         `DropVectorizer::name(..)`",
        found.len(),
        drop.describe(),
        each.join(", ")
    )))
}

/// sea-orm-migration runs a migration in a transaction unless that says otherwise.
fn is_transaction(db: &SchemaManagerConnection<'_>) -> bool {
    match db {
        SchemaManagerConnection::Connection(_) => false,
        SchemaManagerConnection::Transaction(_) | SchemaManagerConnection::OwnedTransaction(_) => true,
    }
}

/// PostgreSQL would refuse too, without saying how.
fn check_no_transaction(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    if is_transaction(db) {
        return Err(invalid(&ConfigError::new(
            "concurrently",
            "PostgreSQL does it outside of transactions alone: let the migration's `use_transaction` return \
             Some(false)",
        )));
    }
    Ok(())
}

/// Refuses where the `ai` schema is pgai's own, which lacks `function`, and says what to do `instead`.
async fn check_ours(
    manager: &SchemaManager<'_>,
    vectorizer: &VectorizerRef,
    function: &str,
    instead: &str,
) -> Result<(), DbErr> {
    let has_function = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT pg_catalog.to_regprocedure($1) IS NOT NULL OR pg_catalog.to_regnamespace('ai') IS NULL",
        [format!("ai.{function}(integer)").into()],
    );
    let row = manager.get_connection().query_one_raw(has_function).await?;
    if row.is_some_and(|row| row.try_get_by_index(0).unwrap_or_default()) {
        return Ok(());
    }
    Err(DbErr::Migration(format!(
        "only the `ai` schema of pgai-sea has {function}, and this database has pgai's own: {instead}, or drop \
         vectorizer {vectorizer} and create it anew"
    )))
}

/// A concurrent build that fails or is interrupted leaves an index that serves no query, and that the next build takes
/// for its own.
async fn check_valid<C: ConnectionTrait>(db: &C, index: String) -> Result<(), DbErr> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass($1)::pg_catalog.oid",
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
        "index {index} is there but invalid, since a concurrent build of it did not end: drop it with \
         `drop_vector_index` first, \
         unless another session is still building it"
    )))
}

/// Calls a function on one vectorizer. Asks for it first: by name, pgai's functions accept what does not exist.
async fn alter(manager: &SchemaManager<'_>, vectorizer: VectorizerRef, call: Call) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let missing = || format!("there is no vectorizer {vectorizer}: create it first, or name another");
    let id = find(db, &vectorizer).await?;
    let id = id.ok_or_else(|| DbErr::Migration(missing()))?;
    let (sql, values) = call.arg("vectorizer_id", Some(id)).bind();
    db.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!("SELECT {sql}"),
        values,
    ))
    .await?;
    Ok(())
}

/// There is none without an `ai` schema either.
async fn find<C: ConnectionTrait>(db: &C, vectorizer: &VectorizerRef) -> Result<Option<i32>, DbErr> {
    if !catalog::has_catalog(db).await? {
        return Ok(None);
    }
    catalog::id(db, vectorizer).await
}

fn invalid(error: &ConfigError) -> DbErr {
    DbErr::Migration(error.to_string())
}

/// The function behind `Indexing::hnsw().binary()`.
const INDEXING_BINARY: &str = "ai.indexing_binary(jsonb)";
/// The function of our catalog for stores in partitions.
const DESTINATION_PARTITIONED: &str = "ai.destination_partitioned(integer, name, jsonb)";

fn no_bits(what: &str) -> DbErr {
    DbErr::Migration(format!(
        "{what}: indexing: the database's `ai` schema has no index of bits. If it is ours and older, call \
         `manager.install_pgai().await?` first. In pgai's own, leave out .binary(), create the index with \
         `CreateVectorIndex::hnsw_of(..).binary()`, and search with `.quantized(Quantized::binary())`"
    ))
}

/// Whether the catalog has a function of ours.
async fn has_function<C: ConnectionTrait>(db: &C, signature: &str) -> Result<bool, DbErr> {
    let sql = "SELECT to_regprocedure($1) IS NOT NULL";
    let row = db
        .query_one_raw(Statement::from_sql_and_values(
            DbBackend::Postgres,
            sql,
            [signature.into()],
        ))
        .await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default())
}
