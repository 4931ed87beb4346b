//! Rows that were there before their vectorizer, or before its configuration was edited, are queued a few at a time.
//!
//! A step is one short transaction. It queues the next rows and notes where it ended, so a worker that is killed
//! between loses nothing, and another goes on. A step comes when the queue is nearly empty: it never holds more than
//! the rows of a few steps, and an edit made meanwhile is found at once.
//!
//! Rows are taken by the order of their key, which an index has and which only a key change alters. Triggers queue
//! whatever comes or changes meanwhile. A column's order comes first if one is asked for. A row may change its place in
//! that order and be passed over, so the rows that have no embeddings are taken by key afterwards.
//!
//! While somebody embeds the rows through a provider's batches, no worker takes a step: see `turn`.

mod sql;
#[cfg(feature = "embedder")]
mod turn;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{PgConnection, Row as _, query};
use tokio::time::Instant;
use tracing::{debug, info};

#[cfg(feature = "embedder")]
pub(crate) use self::turn::Turn;

pub(super) use self::sql::{missing, next_rows};
use super::connection::{Database, LockWait, On as _};
use super::database_error::DatabaseError;
use super::pace::Pace;
use super::queue::key_sql::{KeySql, Sql, statement};
use crate::catalog::backfill::Kept;
use crate::config::{Destination, DestinationTable};
use crate::sql::qualified;

/// The rows of the first step.
const FIRST_ROWS: i64 = 1_000;
const ROWS: std::ops::RangeInclusive<i64> = 100..=10_000;
/// A step takes about so long: rows are halved and doubled until it does. On a busy server they become few.
const LONG: Duration = Duration::from_millis(80);
/// Another worker takes the next step meanwhile.
const BUSY: Duration = Duration::from_millis(50);
/// How often it is looked whether standbys have caught up.
const LOOK_AT_STANDBYS: Duration = Duration::from_secs(1);

const KEPT: &str = "select (to_jsonb(g) -> 'backfill')::text from ai.vectorizer_generation g \
                    where g.vectorizer_id = $1 and g.backfill is not null";
const KEEP: &str = "update ai.vectorizer_generation set backfill = $2::text::jsonb where vectorizer_id = $1";
/// A role that may not see them sees their columns empty. A standby that replays nothing reports no time, but a place.
const STANDBYS: &str = "select coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0)::int8, \
                        count(*) filter (where state is null) from pg_stat_replication";
/// The table behind the view that source rows are read from.
const TABLE: &str = "select format('%I.%I', n.nspname, c.relname) from pg_rewrite r \
                     join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid \
                     and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class \
                     join pg_class c on c.oid = d.refobjid join pg_namespace n on n.oid = c.relnamespace \
                     where r.ev_class = to_regclass($1) limit 1";

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stepped {
    /// There may be rows in the queue now.
    On,
    /// The next step is not before this moment.
    Wait(Instant),
    /// Nothing is left to be queued.
    Over,
}

/// Queues the rows of one vectorizer.
#[derive(Debug)]
pub(crate) struct Backfill {
    key_sql: KeySql,
    /// What tells a row without embeddings, on `next`.
    missing: String,
    pace: Pace,
    /// In bytes.
    most_lag: Option<i64>,
    rows: AtomicI64,
    /// Whether there may be something to queue.
    is_on: AtomicBool,
}

/// Where the embeddings are.
#[derive(Debug)]
pub(crate) enum Embeddings {
    /// The quoted store.
    Table(String),
    /// A column of the source.
    Column(String),
}

impl From<&Destination> for Embeddings {
    fn from(destination: &Destination) -> Self {
        match destination {
            Destination::Column(column) => Self::Column(column.embedding_column.clone()),
            Destination::Table(DestinationTable {
                target_schema: Some(schema),
                target_table: Some(table),
                ..
            }) => Self::Table(qualified(schema, table)),
            // a vectorizer with such a destination is refused before
            Destination::Table(_) | Destination::Other(_) => Self::Table(String::new()),
        }
    }
}

impl Backfill {
    pub(crate) fn new(key_sql: KeySql, embeddings: &Embeddings, pace: Pace, most_lag: Option<i64>) -> Self {
        Self {
            missing: missing(&key_sql, embeddings),
            key_sql,
            pace,
            most_lag,
            rows: AtomicI64::new(FIRST_ROWS),
            is_on: AtomicBool::new(true),
        }
    }

    /// There was work: it may be that of a backfill that has just begun.
    pub(crate) fn may_be_on(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Whether something was left to be queued when it was last looked at.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// What the catalog says of it. `None` if nothing is to be queued.
    pub(crate) async fn kept(&self, pool: &Database) -> Result<Option<Kept>, DatabaseError> {
        let kept = query(KEPT).bind(self.key_sql.id).any_on(pool).await?;
        self.is_on.store(kept.is_some(), Ordering::Relaxed);
        kept.as_ref().map(read).transpose()
    }

    /// Queues the next rows. `pool` has the worker's rights, and `database` those for the vectorizer's tables.
    pub(crate) async fn step(&self, pool: &Database, database: &Database) -> Result<Stepped, DatabaseError> {
        if !self.is_on() {
            return Ok(Stepped::Over);
        }
        let Some(kept) = self.kept(pool).await?.filter(|kept| kept.batch.is_none()) else {
            return Ok(Stepped::Over);
        };
        if let Some(until) = self.pace.waits_until() {
            return Ok(Stepped::Wait(until));
        }
        if let Some(until) = self.standbys(pool, kept).await? {
            return Ok(Stepped::Wait(until));
        }
        let rows = self.pace.at_most(self.rows.load(Ordering::Relaxed));
        let locks = LockWait::new(database.patience());
        loop {
            let began = Instant::now();
            let mut transaction = database.begin(database.patience()).await?;
            let work = async {
                let stepped = self.transact(database, transaction.connection(), rows).await;
                transaction.end(stepped).await
            };
            let stepped = database.wait(database.patience(), work).await;
            match stepped.unwrap_or_else(|| Err(transaction.silent())) {
                Ok(None) => return Ok(Stepped::Wait(Instant::now() + BUSY)),
                Ok(Some(queued)) => {
                    self.pace.claimed(queued);
                    self.adjust(rows, began.elapsed());
                    debug!(vectorizer = self.key_sql.id, queued, "a step of the backfill");
                    return Ok(Stepped::On);
                }
                Err(error) => locks.wait(error).await?,
            }
        }
    }

    fn adjust(&self, rows: i64, took: Duration) {
        let rows = if took > LONG {
            rows / 2
        } else if took < LONG / 4 {
            rows * 2
        } else {
            rows
        };
        self.rows
            .store(rows.clamp(*ROWS.start(), *ROWS.end()), Ordering::Relaxed);
    }

    /// Until when it waits for standbys that are behind. What it waits for is kept, for people to see.
    async fn standbys(&self, pool: &Database, mut kept: Kept) -> Result<Option<Instant>, DatabaseError> {
        let Some(most) = self.most_lag else { return Ok(None) };
        let row = query(STANDBYS).one_on(pool).await?;
        let (behind, hidden): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let waits_for = if hidden > 0 {
            Some("the worker's role may not see how far standbys are: grant it pg_read_all_stats".to_owned())
        } else if behind > most {
            Some(format!("a standby is more than {} MB behind", most >> 20))
        } else {
            None
        };
        if kept.waits_for != waits_for {
            kept.waits_for.clone_from(&waits_for);
            let keep = query(
                "update ai.vectorizer_generation set backfill = backfill - 'waits_for' || $2::text::jsonb \
                              where vectorizer_id = $1 and backfill is not null",
            );
            let waits_for = serde_json::json!({"waits_for": waits_for});
            keep.bind(self.key_sql.id)
                .bind(waits_for.to_string())
                .execute_on(pool)
                .await?;
        }
        Ok(waits_for.map(|_| Instant::now() + LOOK_AT_STANDBYS))
    }

    /// One step. Returns how many rows it queued; `None` if another worker is at it.
    async fn transact(
        &self,
        database: &Database,
        connection: &mut PgConnection,
        most: i64,
    ) -> Result<Option<usize>, DatabaseError> {
        database.leave_role(connection).await?;
        let lock: Sql = format!("{KEPT} for no key update of g skip locked").into();
        let kept = statement(&lock)
            .bind(self.key_sql.id)
            .fetch_optional(&mut *connection)
            .await?;
        let kept = kept.as_ref().map(read).transpose()?;
        let Some(mut kept) = kept.filter(|kept| kept.batch.is_none()) else {
            return Ok(None);
        };
        database.take_role(connection).await?;
        let (queued, seen, position) = self.queue(connection, &kept, most).await?;
        kept.queued += queued as u64;
        kept.position = position;
        let is_over = seen < most && kept.order_by.is_none();
        if seen < most && kept.order_by.take().is_some() {
            kept.order_type = None;
            kept.position = None;
            kept.only_missing = true;
        }
        if is_over {
            info!(
                vectorizer = self.key_sql.id,
                rows = kept.queued,
                "all rows that were there are queued"
            );
        }
        let kept = if is_over {
            None
        } else {
            Some(serde_json::to_string(&kept).map_err(|error| DatabaseError::Bug(error.to_string()))?)
        };
        database.leave_role(connection).await?;
        let keep = statement(&Sql::from(KEEP)).bind(self.key_sql.id).bind(kept);
        keep.execute(&mut *connection).await?;
        database.take_role(connection).await?;
        Ok(Some(queued))
    }

    /// Queues the rows after the position. Returns how many, how many it came by, and the last one.
    async fn queue(
        &self,
        connection: &mut PgConnection,
        kept: &Kept,
        most: i64,
    ) -> Result<(usize, i64, Option<Vec<String>>), DatabaseError> {
        let table = if kept.order_by.is_some() {
            let table = statement(&Sql::from(TABLE)).bind(self.key_sql.source.clone());
            table.fetch_one(&mut *connection).await?.try_get(0)?
        } else {
            self.key_sql.source.clone()
        };
        let (sql, values) = next_rows(&self.key_sql, kept, &table, &self.missing);
        let mut queue = statement(&sql.into()).bind(most).bind(kept.since.clone());
        for value in kept.position.iter().flatten() {
            queue = queue.bind(value.clone());
        }
        let row = queue.fetch_one(connection).await?;
        let (seen, queued): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let last: Option<Vec<String>> = (0..values).map(|i| row.try_get(2 + i)).collect::<Result<_, _>>()?;
        Ok((
            usize::try_from(queued).unwrap_or_default(),
            seen,
            last.or_else(|| kept.position.clone()),
        ))
    }
}

fn read(row: &PgRow) -> Result<Kept, DatabaseError> {
    let kept: &str = row.try_get(0)?;
    serde_json::from_str(kept)
        .map_err(|error| DatabaseError::Answer(format!("a backfill that this version does not know, {kept}: {error}")))
}
