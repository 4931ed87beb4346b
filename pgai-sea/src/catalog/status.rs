//! How far vectorizers are: what waits, what is done, how fast it goes, and what keeps workers from it. Large tables
//! are not counted but estimated.

mod advice;
mod counting;
mod index;
pub(crate) mod reports;
mod sample;
mod state;

use std::time::Duration;

use sea_orm::prelude::DateTimeWithTimeZone;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, QuerySelect, RuntimeErr, Statement, TransactionSession,
    TransactionTrait, sqlx,
};
use serde::Serialize;

#[cfg(feature = "worker")]
pub(crate) use self::index::LONGEST_WAIT as LONGEST_INDEX_WAIT;
pub use self::index::{IndexBuild, IndexStatus};
pub use self::state::{StatusError, VectorizerState};

use self::counting::{backlog, coverage, natural, queue};
use self::reports::{Reports, reports};
use self::sample::why_unreadable;
pub(super) use self::sample::{relation, source};
use super::backfill::{self, BackfillStatus};
use super::entities::{vectorizer, vectorizer_worker_usage};
use super::failed::count;
use super::identity::StoreState;
use super::presence::scalar;
use super::{CatalogError, Vectorizer, VectorizerRef};
use crate::config::Destination;
use crate::pooled::is_of_a_pooler;
use crate::sql::{qualified, quote_identifier};

/// A table that somebody has locked is not waited for, and a large one not read for ever. Nobody's functions and
/// operators are found but PostgreSQL's own. Whatever the role's default is, what policies hide is no error.
pub(super) const LIMITS: &str = "SELECT pg_catalog.set_config('lock_timeout', '2s', true),
    pg_catalog.set_config('statement_timeout', '15s', true),
    pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
    pg_catalog.set_config('row_security', 'on', true)";

/// How far a vectorizer is. What cannot be known is `None`, not 0: a table that the role may not read, a figure that
/// the catalog has no place for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct VectorizerStatus {
    /// Its number.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// The table that is embedded, quoted where it has to be.
    pub source: String,
    /// The table of embeddings, or the column.
    pub embeddings: String,
    /// What it does.
    pub state: VectorizerState,
    /// What keeps workers from it, if something does.
    pub error: Option<StatusError>,
    /// What to do about its state, if there is something to do.
    pub advice: Option<String>,
    /// When this was read, by the server's clock. Ages are the time from a moment here to this one.
    pub read_at: DateTimeWithTimeZone,
    /// Whether workers pass it over.
    pub disabled: bool,
    /// Workers, of all vectorizers, that have reported lately: within three times of what they say they do. `None` for
    /// who may not read it.
    pub workers: Option<i64>,
    /// Whether the vectors in the store are those of the configuration.
    pub store: StoreState,
    /// How far rows that were there before the vectorizer are queued. `None` where all are, or nobody asked for it.
    pub backfill: Option<BackfillStatus>,
    /// Rows in the queue: a row that was edited twice may be there twice, and one that a worker is at still is.
    pub pending: Option<Count>,
    /// Those of them that a worker may claim now, counted up to 10,000. The others are held by a worker, or have failed
    /// and wait for their next attempt.
    pub due: Option<u64>,
    /// When the oldest of them was written. If `pending` is no exact number, there may be an older one.
    pub oldest_pending: Option<DateTimeWithTimeZone>,
    /// Rows that were given up.
    pub failed: Option<i64>,
    /// How many of the source's rows have their embeddings.
    pub coverage: Option<Coverage>,
    /// Source rows done in a second, by all of this crate's workers together, over the last minute or so. `None` on
    /// pgai's catalog, and while nobody works.
    pub rows_per_second: Option<f64>,
    /// How long it takes until nothing is pending and the backfill is over, if it goes on as fast and nothing is added.
    #[serde(rename = "seconds_left", serialize_with = "seconds")]
    pub time_left: Option<Duration>,
    /// What becomes of the index that the configuration asks for. `None` if it asks for none, and for who may not read
    /// the embeddings.
    pub index: Option<IndexStatus>,
    /// How far a build of it is. `None` while nobody builds it, and for who may not see what others do
    /// (`pg_read_all_stats`).
    pub index_build: Option<IndexBuild>,
    /// Tokens that were sent to the provider since the vectorizer was created, as far as the provider says so. `None`
    /// on pgai's catalog.
    pub input_tokens: Option<u64>,
}

/// A number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Count {
    /// The number.
    pub rows: u64,
    /// Whether it was counted, and not estimated from a part of the table.
    pub exact: bool,
}

/// How many rows have embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Coverage {
    /// Source rows that have a text, be it only blanks, which give no embedding.
    pub rows: Count,
    /// Those of them that have embeddings, of whatever version of their text.
    pub embedded: Count,
}

impl Coverage {
    /// The share of rows that have embeddings, from 0 to 1; 1 if there are no rows.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn share(&self) -> f64 {
        match self.rows.rows {
            0 => 1.0,
            rows => self.embedded.rows as f64 / rows as f64,
        }
    }
}

/// How far a vectorizer is. It costs a few milliseconds, however large the tables are: up to 10,000 rows of a table are
/// counted, beyond that a part of its pages is.
///
/// ```no_run
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), pgai_sea::catalog::CatalogError> {
/// use pgai_sea::catalog;
///
/// let status = catalog::status(&db, "posts").await?; // or `content_embeddings::Entity`
/// if let Some(pending) = status.pending {
///     println!("{}{} rows to do", if pending.exact { "" } else { "about " }, pending.rows);
/// }
/// # Ok(())
/// # }
/// ```
///
/// A vectorizer that cannot be read is no error: [`state`](VectorizerStatus::state) says so. A table that is locked is
/// not waited for longer than two seconds.
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is no such vectorizer, and the database's.
pub async fn status<C: ConnectionTrait + TransactionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
) -> Result<VectorizerStatus, CatalogError> {
    one(db, super::vectorizer::row(db, &vectorizer.into()).await?).await
}

/// How far all vectorizers of a database are, by id, as [`status`] says it of one. Of those that cannot be read, the
/// [`state`](VectorizerStatus::state) says so.
///
/// ```no_run
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), pgai_sea::catalog::CatalogError> {
/// for status in pgai_sea::catalog::statuses(&db).await? {
///     println!("{} is {}", status.name, status.state);
///     if let Some(error) = &status.error {
///         println!("  {}", error.message);
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The database's.
pub async fn statuses<C: ConnectionTrait + TransactionTrait>(db: &C) -> Result<Vec<VectorizerStatus>, CatalogError> {
    let rows = super::vectorizer::rows(db).await?;
    let mut statuses = Vec::with_capacity(rows.len());
    for row in rows {
        statuses.push(one(db, row).await?);
    }
    Ok(statuses)
}

/// Reads in a transaction that changes nothing: what the server refuses in it is this vectorizer's trouble alone.
async fn one<C: ConnectionTrait + TransactionTrait>(
    db: &C,
    row: vectorizer::Model,
) -> Result<VectorizerStatus, CatalogError> {
    let unread = Unread::of(&row);
    let vectorizer = match Vectorizer::try_from(row) {
        Ok(vectorizer) => vectorizer,
        Err(error) => return Ok(unread.status(now(db).await?, error.to_string())),
    };
    let transaction = db.begin().await?;
    let read = async {
        transaction
            .query_one_raw(Statement::from_string(DbBackend::Postgres, LIMITS))
            .await?;
        status_of(&transaction, &vectorizer).await
    };
    let read = read.await;
    // its settings go with it, also inside of a transaction of the caller's
    transaction.rollback().await?;
    match read {
        Ok(status) => Ok(status),
        Err(error) if is_of_a_pooler(&error) => Err(error.into()),
        Err(error) => match refusal(&error) {
            Some(said) => Ok(unread.status(now(db).await?, said)),
            None => Err(error.into()),
        },
    }
}

async fn now<C: ConnectionTrait>(db: &C) -> Result<DateTimeWithTimeZone, DbErr> {
    scalar(db, "SELECT clock_timestamp()").await
}

/// What the server says against a statement; `None` if something else went wrong.
fn refusal(error: &DbErr) -> Option<String> {
    match error {
        DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error)) => match &**error {
            sqlx::Error::Database(refusal) => Some(refusal.message().to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// What is known of a vectorizer before anything of it is read.
struct Unread {
    id: i32,
    name: String,
    source: String,
    disabled: bool,
}

impl Unread {
    fn of(row: &vectorizer::Model) -> Self {
        Self {
            id: row.id,
            name: row.name.clone(),
            source: qualified(&row.source_schema, &row.source_table),
            disabled: row.disabled,
        }
    }

    fn status(self, read_at: DateTimeWithTimeZone, why: String) -> VectorizerStatus {
        VectorizerStatus {
            id: self.id,
            name: self.name,
            source: self.source,
            embeddings: String::new(),
            state: VectorizerState::Unreadable,
            error: Some(StatusError::unreadable(why)),
            advice: None,
            read_at,
            disabled: self.disabled,
            store: StoreState::Unknown,
            backfill: None,
            workers: None,
            pending: None,
            due: None,
            oldest_pending: None,
            failed: None,
            coverage: None,
            rows_per_second: None,
            time_left: None,
            index: None,
            index_build: None,
            input_tokens: None,
        }
    }
}

async fn status_of<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<VectorizerStatus, DbErr> {
    let read_at = now(db).await?;
    let Reports {
        workers,
        is_working,
        mut error,
        is_recorded,
    } = reports(db, vectorizer.id).await?;
    let (rows_per_second, input_tokens) = usage(db, vectorizer.id).await?;
    let coverage = coverage(db, vectorizer).await?;
    let queue = queue(db, vectorizer).await?;
    let backlog = match &queue {
        Some(queue) => Some(backlog(db, queue).await?),
        None => None,
    };
    let source = qualified(&vectorizer.source_schema, &vectorizer.source_table);
    let embeddings = match &vectorizer.config.destination {
        Destination::Table(table) => match (&table.target_schema, &table.target_table) {
            (Some(schema), Some(table)) => qualified(schema, table),
            _ => String::new(),
        },
        Destination::Column(column) => format!("{source}.{}", quote_identifier(&column.embedding_column)),
        Destination::Other(_) => String::new(),
    };
    let pending = backlog.map(|backlog| backlog.pending);
    let is_pending = pending.is_some_and(|pending| pending.rows > 0);
    // what was recorded once says nothing of a vectorizer with nothing to do
    if is_recorded && !is_pending {
        error = None;
    }
    let rows_per_second = rows_per_second.filter(|_| is_pending);
    let store = super::identity::state(db, vectorizer).await?;
    let backfill = backfill::status(db, vectorizer.id).await?;
    let is_backfilling = backfill.is_some();
    let state = if let Some(why) = why_unreadable(db, vectorizer, queue.is_some(), coverage.is_some()).await? {
        error = Some(StatusError::unreadable(why));
        VectorizerState::Unreadable
    } else if vectorizer.disabled {
        VectorizerState::Paused
    } else if let Some(error) = &error {
        error.state(read_at)
    } else if !is_pending && backfill.is_none() && store != StoreState::Edited {
        VectorizerState::InSync
    } else if is_working || rows_per_second.is_some() || backlog.is_some_and(|backlog| backlog.leased > 0) {
        VectorizerState::Working
    } else {
        VectorizerState::Waiting
    };
    let mut status = VectorizerStatus {
        id: vectorizer.id,
        name: vectorizer.name.clone(),
        source,
        embeddings,
        state,
        error,
        advice: None,
        read_at,
        disabled: vectorizer.disabled,
        workers,
        store,
        time_left: rows_per_second
            .zip(pending)
            .and_then(|of| time_left(of, backfill.as_ref())),
        backfill,
        pending,
        due: backlog.map(|backlog| backlog.due),
        oldest_pending: backlog.and_then(|backlog| backlog.oldest),
        failed: count(db, vectorizer).await?,
        coverage,
        rows_per_second,
        index: index::index(db, vectorizer, backlog.as_ref(), is_backfilling).await?,
        index_build: index::build(db, vectorizer).await?,
        input_tokens,
    };
    status.advice = advice::advice(&status, backlog.as_ref());
    Ok(status)
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn time_left((rate, pending): (f64, Count), backfill: Option<&BackfillStatus>) -> Option<Duration> {
    // those that are queued were counted
    let unqueued = backfill.and_then(|backfill| Some(backfill.rows?.saturating_sub(backfill.queued)));
    let rows = pending.rows + unqueued.unwrap_or_default();
    Duration::try_from_secs_f64(rows as f64 / rate).ok()
}

/// Rows in a second, and tokens so far.
async fn usage<C: ConnectionTrait>(db: &C, vectorizer: i32) -> Result<(Option<f64>, Option<u64>), DbErr> {
    if relation(db, "ai", "vectorizer_worker_usage").await?.is_none() {
        return Ok((None, None));
    }
    let usage: Option<(Option<f64>, Option<i64>)> = vectorizer_worker_usage::Entity::find_by_id(vectorizer)
        .select_only()
        .expr(Expr::cust("ai._worker_rate(vectorizer_worker_usage)")) // the row
        .column(vectorizer_worker_usage::Column::InputTokens)
        .into_tuple()
        .one(db)
        .await?;
    let (rate, tokens) = usage.unwrap_or_default();
    Ok((rate, tokens.map(natural)))
}

#[expect(clippy::ref_option, reason = "serde's")]
fn seconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs()).serialize(serializer)
}

/// A vectorizer that fails, for tests of what shows it.
#[cfg(all(test, feature = "cli"))]
pub(crate) fn an_example(
    read_at: DateTimeWithTimeZone,
    oldest_pending: DateTimeWithTimeZone,
    since: DateTimeWithTimeZone,
) -> VectorizerStatus {
    let unread = Unread {
        id: 1,
        name: "posts".to_owned(),
        source: "public.posts".to_owned(),
        disabled: false,
    };
    let mut status = unread.status(read_at, "401".to_owned());
    status.state = VectorizerState::Failing;
    status.pending = Some(Count { rows: 1, exact: true });
    status.oldest_pending = Some(oldest_pending);
    if let Some(error) = &mut status.error {
        error.since = Some(since);
        error.next_attempt = Some(read_at + Duration::from_secs(6));
    }
    status
}
