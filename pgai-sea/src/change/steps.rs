//! The steps of a change.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, RuntimeErr, Statement, TransactionSession, TransactionTrait, Value};

use super::configs::Configs;
use super::error::ChangeError;
use crate::catalog::identity::identity;
use crate::catalog::{self, CatalogError, Vectorizer};
use crate::config::{Destination, Embedding, Indexing};
use crate::pgvector::VectorType;
use crate::vectorizer::{ChangeVectorizer, VectorizerRef};

/// A step waits so long for a lock. Everybody who comes after it waits as long.
const LOCK_TIMEOUT: Duration = Duration::from_millis(50);
/// After each of these times it waits twice as long: where statements are slow, it never had its locks otherwise.
const DOUBLED_AFTER: Duration = Duration::from_secs(10);
/// Between two tries everybody else goes on.
const PAUSE: Duration = Duration::from_millis(100);
/// A step is tried for so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A change that is under way.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// The generation before.
    pub before: Vectorizer,
    /// The new generation.
    pub new: Vectorizer,
    /// Whether the new one answers.
    pub is_cut_over: bool,
    /// Why the new one should not answer yet, if it should not.
    pub unready: Option<String>,
}

impl Change {
    /// The generation that answers.
    #[must_use]
    pub fn active(&self) -> &Vectorizer {
        if self.is_cut_over { &self.new } else { &self.before }
    }

    /// The other generation.
    #[must_use]
    pub fn other(&self) -> &Vectorizer {
        if self.is_cut_over { &self.before } else { &self.new }
    }
}

/// The change that a vectorizer is in, if any. Name either generation.
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is no such vectorizer, and the database's.
pub async fn find<C: ConnectionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
) -> Result<Option<Change>, ChangeError> {
    let id = catalog::vectorizer(db, vectorizer).await?.id;
    let ours = is_ours(db).await?;
    let sql = if ours {
        "SELECT g.replaces, g.vectorizer_id, g.cut_over_at IS NOT NULL, ai._vectorizer_unready(g)
         FROM ai.vectorizer_generation g WHERE g.replaces IS NOT NULL AND $1 IN (g.vectorizer_id, g.replaces)"
    } else {
        "SELECT o.id, n.id, false, CASE WHEN ai.vectorizer_queue_pending(n.id) > 0 THEN 'rows of it wait to be \
        embedded' END
         FROM ai.vectorizer o
         JOIN ai.vectorizer n ON n.name = o.name || '_new'
         AND n.source_schema = o.source_schema AND n.source_table = o.source_table
         AND n.config #>> '{destination,target_table}' = (o.config #>> '{destination,target_table}') || '_new'
         WHERE $1 IN (o.id, n.id)"
    };
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.into()]);
    let Some(row) = db.query_one_raw(statement).await? else {
        return Ok(None);
    };
    let (before, new): (i32, i32) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let is_cut_over = row.try_get_by_index(2)?;
    Ok(Some(Change {
        before: catalog::vectorizer(db, before).await?,
        new: catalog::vectorizer(db, new).await?,
        is_cut_over,
        unready: row.try_get_by_index::<Option<String>>(3)?.filter(|_| !is_cut_over),
    }))
}

/// Begins a change. Returns the id of the new generation, or of the vectorizer where it could be changed in place.
/// Called again, it returns the same.
///
/// # Errors
///
/// What the builder or the database refuses: above all a change of something else that is under way.
pub async fn start<C>(db: &C, change: &ChangeVectorizer) -> Result<i32, ChangeError>
where
    C: ConnectionTrait + TransactionTrait,
{
    let vectorizer = catalog::vectorizer(db, change.vectorizer().clone()).await?;
    if is_ours(db).await? {
        let row = step(db, &vectorizer.name, change.statement()?).await?;
        return row.ok_or_else(|| CatalogError::NotFound(vectorizer.name).into());
    }
    if matches!(change.get_embedding(), Some(Embedding::Local(_))) {
        return Err(ChangeError::Pgai {
            step: "name a model of the worker's process (Embedding::local)",
            instead: "its worker could not embed with it; name a server's model, such as Embedding::ollama(..), and \
                      give the worker yours in its place with Worker::embedder or --local-model",
        });
    }
    if change.get_vector_type() == Some(VectorType::HalfVec) {
        return Err(ChangeError::Pgai {
            step: "store vectors as halfvec",
            instead: "use a `CreateVectorIndex` with .halfvec() for a smaller index, or this crate's `ai` schema",
        });
    }
    if change.changes_partitions() {
        return Err(ChangeError::Pgai {
            step: "partition a store",
            instead: "use this crate's `ai` schema",
        });
    }
    if change.get_indexing().is_some_and(Indexing::is_binary) {
        return Err(ChangeError::Pgai {
            step: "build an index of bits",
            instead: "use a `CreateVectorIndex` with .binary() and searches with Quantized::binary(), or this crate's \
                      `ai` schema",
        });
    }
    let Configs { was, becomes } = Configs::of(db, change, vectorizer.id).await?;
    if identity(&was) == identity(&becomes) {
        let sql = "UPDATE ai.vectorizer v SET config = $2::jsonb WHERE v.id = $1 RETURNING v.id";
        let values = [vectorizer.id.into(), becomes.to_string().into()];
        let update = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        step::<i32, _>(db, &vectorizer.name, update).await?;
        return Ok(vectorizer.id);
    }
    if let Some(under_way) = find(db, vectorizer.id).await? {
        return Ok(under_way.new.id);
    }
    if !matches!(vectorizer.config.destination, Destination::Table(_)) {
        return Err(ChangeError::Pgai {
            step: "change a vectorizer whose destination is a column",
            instead: "its triggers would queue a row for each generation whenever the other is written; create another \
                      vectorizer with a table",
        });
    }
    let row = step(db, &vectorizer.name, change.beside(vectorizer.id)?).await?;
    row.ok_or_else(|| CatalogError::NotFound(vectorizer.name).into())
}

/// Lets the new generation answer. Returns whether there was anything to do.
///
/// # Errors
///
/// Where nothing is being changed, and where the new generation is not ready: rows wait to be embedded, more rows were
/// given up than before, or an index is missing. [`ChangeError::Locked`] if there was no moment for it within a minute.
pub async fn cut_over<C>(db: &C, vectorizer: impl Into<VectorizerRef>) -> Result<bool, ChangeError>
where
    C: ConnectionTrait + TransactionTrait,
{
    call(db, vectorizer.into(), "SELECT ai.cut_over($1)", "cut over").await
}

/// Lets the new generation answer even if it is not ready.
///
/// # Errors
///
/// As [`cut_over`], apart from that.
pub async fn cut_over_unready<C>(db: &C, vectorizer: impl Into<VectorizerRef>) -> Result<bool, ChangeError>
where
    C: ConnectionTrait + TransactionTrait,
{
    call(
        db,
        vectorizer.into(),
        "SELECT ai.cut_over($1, force => true)",
        "cut over",
    )
    .await
}

/// Lets the generation before answer again. Returns whether there was anything to do.
///
/// # Errors
///
/// Where there is none any more. [`ChangeError::Locked`] if there was no moment for it within a minute.
pub async fn roll_back<C>(db: &C, vectorizer: impl Into<VectorizerRef>) -> Result<bool, ChangeError>
where
    C: ConnectionTrait + TransactionTrait,
{
    call(db, vectorizer.into(), "SELECT ai.roll_back($1)", "roll back").await
}

/// Drops the generation before. Returns whether there was anything to do.
///
/// # Errors
///
/// Where the new one does not answer yet, and where something else depends on the tables of the one before.
pub async fn finish<C>(db: &C, vectorizer: impl Into<VectorizerRef>) -> Result<bool, ChangeError>
where
    C: ConnectionTrait + TransactionTrait,
{
    call(db, vectorizer.into(), "SELECT ai.finish_change($1)", "finish a change").await
}

/// Gives a change up: drops the new generation. Returns whether there was anything to do.
///
/// # Errors
///
/// Where the new one answers: roll back first.
pub async fn abort<C>(db: &C, vectorizer: impl Into<VectorizerRef>) -> Result<bool, ChangeError>
where
    C: ConnectionTrait + TransactionTrait,
{
    let vectorizer = vectorizer.into();
    if is_ours(db).await? {
        return call(db, vectorizer, "SELECT ai.abort_change($1)", "abort").await;
    }
    let Some(change) = find(db, vectorizer).await? else {
        return Ok(false);
    };
    let sql = "SELECT ai.drop_vectorizer($1, drop_all => true) IS NOT NULL";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [change.new.id.into()]);
    step::<bool, _>(db, &change.new.name, statement).await?;
    Ok(true)
}

async fn call<C>(db: &C, vectorizer: VectorizerRef, sql: &str, name: &'static str) -> Result<bool, ChangeError>
where
    C: ConnectionTrait + TransactionTrait,
{
    let vectorizer = catalog::vectorizer(db, vectorizer).await?;
    if !is_ours(db).await? {
        return Err(ChangeError::Pgai {
            step: name,
            instead: "its triggers name their store; let the entity say the new `target_table`, and drop the \
            vectorizer \
                      before when no program uses it any more",
        });
    }
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [vectorizer.id.into()]);
    Ok(step(db, &vectorizer.name, statement).await?.unwrap_or_default())
}

/// Whether the catalog knows generations.
pub(crate) async fn is_ours<C: ConnectionTrait>(db: &C) -> Result<bool, DbErr> {
    let sql = "SELECT to_regclass('ai.vectorizer_generation') IS NOT NULL";
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    row.map_or(Ok(false), |row| row.try_get_by_index(0))
}

/// Runs a statement in a transaction that waits for locks for a moment only, again and again.
async fn step<T, C>(db: &C, vectorizer: &str, statement: Statement) -> Result<Option<T>, ChangeError>
where
    T: sea_orm::TryGetable,
    C: ConnectionTrait + TransactionTrait,
{
    let began = Instant::now();
    loop {
        let doubled = began.elapsed().as_secs() / DOUBLED_AFTER.as_secs();
        let lock_timeout = LOCK_TIMEOUT * 2_u32.pow(u32::try_from(doubled).unwrap_or_default().min(5));
        match try_step(db, statement.clone(), lock_timeout).await {
            Err(error) if has_state(&error, &["55P03", "40P01"]) => {
                let waited = began.elapsed();
                if waited >= PATIENCE {
                    return Err(ChangeError::Locked {
                        vectorizer: vectorizer.to_owned(),
                        waited,
                        holders: holders(db).await?,
                    });
                }
                pause(db, PAUSE).await?;
            }
            other => return Ok(other?),
        }
    }
}

async fn try_step<T, C>(db: &C, statement: Statement, lock_timeout: Duration) -> Result<Option<T>, DbErr>
where
    T: sea_orm::TryGetable,
    C: ConnectionTrait + TransactionTrait,
{
    let transaction = db.begin().await?;
    let setting = |value: Value| {
        let sql = "SELECT current_setting('lock_timeout'), set_config('lock_timeout', $1, true)";
        Statement::from_sql_and_values(DbBackend::Postgres, sql, [value])
    };
    let before = transaction
        .query_one_raw(setting(format!("{}ms", lock_timeout.as_millis()).into()))
        .await?;
    let before: String = before.map_or_else(|| Ok("0".to_owned()), |row| row.try_get_by_index(0))?;
    let row = transaction.query_one_raw(statement).await?;
    // in a migration, the rest of its transaction waits as before
    transaction.query_one_raw(setting(before.into())).await?;
    let value = row.map(|row| row.try_get_by_index(0)).transpose()?;
    transaction.commit().await?;
    Ok(value)
}

/// Those who were in a transaction for longest.
async fn holders<C: ConnectionTrait>(db: &C) -> Result<String, DbErr> {
    let sql = "SELECT coalesce(string_agg(pg_catalog.format('process %s since %s', pid, \
    xact_start::timestamp(0)), ', '), 'none \
    is seen now')
         FROM (SELECT pid, xact_start FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
             ORDER BY xact_start LIMIT 3) a";
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    row.map_or(Ok(String::new()), |row| row.try_get_by_index(0))
}

/// In the server: whoever waits may run on any async runtime.
async fn pause<C: ConnectionTrait>(db: &C, pause: Duration) -> Result<(), DbErr> {
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_sleep($1)", [pause.as_secs_f64().into()]);
    db.query_one_raw(statement).await.map(drop)
}

fn has_state(error: &DbErr, states: &[&str]) -> bool {
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) = error else {
        return false;
    };
    let state = error
        .as_database_error()
        .and_then(sea_orm::sqlx::error::DatabaseError::code);
    state.is_some_and(|state| states.contains(&&*state))
}
