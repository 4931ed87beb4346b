//! A vectorizer's queue: claiming keys, keeping them, giving them back and finishing them.
//!
//! A claim is a lease. It sets `loading_retry_after` of the claimed rows to a moment in the future, the stamp. Nobody
//! claims rows with such a moment, pgai's worker included, until it has passed. The stamp is also the fencing token:
//! the worker changes claimed rows only while they carry its stamp. The last microseconds of a stamp tell it from other
//! moments that rows wait for.

mod claim;
mod cursor;
pub(crate) mod dead_letters;
#[cfg(feature = "documents")]
pub(crate) mod document_log;
pub(crate) mod key_sql;
pub(crate) mod lease;
mod stats;

use std::time::Duration;

use sea_orm::prelude::DateTimeUtc;
use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{PgConnection, Row as _};
use tokio::time::sleep;

pub(crate) use self::claim::{Claim, ClaimedKey};
pub(crate) use self::cursor::Cursor;

use self::key_sql::{Key, KeySql, Sql, place, with_keys};
use crate::catalog::LEASE_MARK;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;

/// When a lease ends, and who holds it.
pub(crate) type Stamp = DateTimeUtc;

/// Whether a queue row may be claimed. The condition of pgai's worker.
const DUE: &str = "(q.loading_retry_after is null or q.loading_retry_after < now())";

/// The microseconds after the last whole millisecond that make a moment a stamp.
const MARK: u32 = LEASE_MARK;

/// Rows that somebody else has locked are tried so often ..
const LOOKS: u32 = 25;
/// .. with this pause. If they are locked even then, they stay until their lease runs out.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The rows that [`mine`] has found.
const MINE: &str = "q.ctid = any (array(select mine.at from mine))";

/// The statements on one queue.
#[derive(Debug)]
pub(crate) struct Queue {
    columns: usize,
    claim: Sql,
    renew: Sql,
    release: Sql,
    finish: Sql,
    later: Sql,
    left: Sql,
    /// `None` if the keys' locks say it.
    held: Option<Sql>,
    stats: Sql,
    pending: Sql,
    is_busy: Sql,
}

impl Queue {
    pub(crate) fn new(key_sql: &KeySql) -> Self {
        let mine = mine(key_sql);
        let queue = &key_sql.queue;
        let second = key_sql.parameter(2);
        let leased = leased();
        Self {
            columns: key_sql.keys.len(),
            claim: claim::sql(key_sql).into(),
            renew: format!(
                "{mine}, stamp as materialized (select {} as moment), \
                 renewed as (update {queue} q set loading_retry_after = (select moment from stamp) where {MINE} \
                 returning q.loading_retry_after) select * from renewed",
                stamp(second)
            )
            .into(),
            release: format!(
                "{mine}, stamp as materialized (select case when ${second}::float8 > 0 then {} end as moment), \
                 released as (update {queue} q set loading_retry_after = (select moment from stamp) where {MINE} \
                 returning 1) select count(*) from released",
                stamp(second)
            )
            .into(),
            finish: finish(key_sql).into(),
            later: format!(
                "select distinct k.n from {} join {queue} q on {} where q.loading_retry_after is distinct from ${}",
                key_sql.given(),
                key_sql.matches("q"),
                key_sql.parameter(1),
            )
            .into(),
            left: format!(
                "select distinct k.n from {} join {queue} q on {} where q.loading_retry_after = ${}",
                key_sql.given(),
                key_sql.matches("q"),
                key_sql.parameter(1),
            )
            .into(),
            held: (!key_sql.has_one_lock()).then(|| held(key_sql).into()),
            stats: stats::sql(queue).into(),
            pending: format!("select count(*) from (select 1 from {queue} limit $1) q").into(),
            is_busy: format!("select exists (select 1 from {queue} q where {DUE} or {leased})").into(),
        }
    }

    /// Moves the end of the lease. `None` if no row carries the stamp any more.
    pub(crate) async fn renew(
        &self,
        pool: &Database,
        keys: &[&Key],
        stamp: Stamp,
        lease: Duration,
    ) -> Result<Option<Stamp>, DatabaseError> {
        let renew = with_keys(&self.renew, self.columns, keys)
            .bind(stamp)
            .bind(lease.as_secs_f64());
        let renewed = renew.all_on(pool).await?;
        Ok(renewed.first().map(|row| row.try_get(0)).transpose()?)
    }

    /// Gives keys back, to be claimed again after `delay`.
    pub(crate) async fn release(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
        stamp: Stamp,
        delay: Duration,
    ) -> Result<(), DatabaseError> {
        let mut rest = keys.to_vec();
        for look in 0..LOOKS {
            if rest.is_empty() {
                break;
            }
            if look > 0 {
                sleep(LOOK_AGAIN).await;
            }
            let release = with_keys(&self.release, self.columns, &rest)
                .bind(stamp)
                .bind(delay.as_secs_f64());
            release.execute(&mut *connection).await?;
            rest = at(&self.left(connection, &rest, stamp).await?, &rest);
        }
        Ok(())
    }

    /// Deletes the claimed rows, and the dead letters of keys that are no longer given up. Returns which of `keys`
    /// (from 0) still belonged to this claim.
    pub(crate) async fn finish(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
        stamp: Stamp,
    ) -> Result<Vec<usize>, DatabaseError> {
        let (mut finished, mut is_finished) = (Vec::new(), vec![false; keys.len()]);
        let mut rest: Vec<usize> = (0..keys.len()).collect();
        for look in 0..LOOKS {
            if rest.is_empty() {
                break;
            }
            if look > 0 {
                rest = at(&self.left(connection, &at(&rest, keys), stamp).await?, &rest);
                sleep(LOOK_AGAIN).await;
            }
            let given = at(&rest, keys);
            let finish = with_keys(&self.finish, self.columns, &given).bind(stamp);
            let done = places(&finish.fetch_all(&mut *connection).await?)?;
            for place in at(&done, &rest) {
                finished.push(place);
                is_finished[place] = true;
            }
            rest.retain(|&place| !is_finished[place]);
        }
        Ok(finished)
    }

    /// Which of `keys` (from 0) still have rows with the stamp: rows that somebody has locked. A claim locks for a
    /// moment also rows that were due when its statement began, and leaves them alone when it sees that they are not
    /// due now.
    async fn left(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
        stamp: Stamp,
    ) -> Result<Vec<usize>, DatabaseError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let left = with_keys(&self.left, self.columns, keys).bind(stamp);
        places(&left.fetch_all(connection).await?)
    }

    /// Which of `keys` (from 0) have rows in the queue besides the claimed ones. Under the keys' locks these rows stay.
    pub(crate) async fn later(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
        stamp: Stamp,
    ) -> Result<Vec<usize>, DatabaseError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let later = with_keys(&self.later, self.columns, keys).bind(stamp);
        places(&later.fetch_all(connection).await?)
    }

    /// Which of `keys` (from 0) another worker is at, as the queue says it. A worker keeps its lock on a key's queue
    /// rows until it commits, pgai's from its claim on. Locks the other rows of these keys.
    pub(crate) async fn held(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
        stamp: Stamp,
    ) -> Result<Vec<usize>, DatabaseError> {
        let Some(held) = self.held.as_ref().filter(|_| !keys.is_empty()) else {
            return Ok(Vec::new());
        };
        let held = with_keys(held, self.columns, keys).bind(stamp);
        places(&held.fetch_all(connection).await?)
    }
}

/// The elements at these places.
fn at<T: Copy>(places: &[usize], all: &[T]) -> Vec<T> {
    places.iter().filter_map(|&place| all.get(place).copied()).collect()
}

/// The numbers of keys (from 0) in the rows' first column.
fn places(rows: &[PgRow]) -> Result<Vec<usize>, DatabaseError> {
    rows.iter().map(|row| place(row.try_get(0)?)).collect()
}

/// A stamp so many seconds ahead; the seconds are the parameter `nth`.
pub(crate) fn stamp(nth: usize) -> String {
    format!(
        "date_trunc('milliseconds', clock_timestamp() + make_interval(secs => ${nth}::float8)) + interval '{MARK} \
         microseconds'"
    )
}

/// Whether a row is leased and does not wait for another attempt. A row that never failed can only be leased.
fn leased() -> String {
    format!("(q.loading_retries = 0 or extract(microseconds from q.loading_retry_after)::bigint % 1000 = {MARK})")
}

/// The keys with a queue row that cannot be locked. The rows of others, whose lease lasts, are left alone: they may be
/// renewing it.
fn held(key_sql: &KeySql) -> String {
    let rows = format!(
        "{} join {} q on {} where (q.loading_retry_after = ${} or {DUE})",
        key_sql.given(),
        key_sql.queue,
        key_sql.matches("q"),
        key_sql.parameter(1),
    );
    format!(
        "with all_rows as materialized (select k.n, count(*) as rows from {rows} group by k.n), \
         mine as materialized (select k.n from {rows} for update of q skip locked), \
         locked as materialized (select n, count(*) as rows from mine group by n) \
         select a.n from all_rows a left join locked l on l.n = a.n where a.rows > coalesce(l.rows, 0)"
    )
}

/// The given keys' rows that carry the stamp, locked. A row that someone else has locked is passed over: its lease has
/// run out, or somebody claims others, see [`left`](Queue::left).
///
/// Each key is looked up by itself, in the index. PostgreSQL does not know how many rows carry a stamp, and would
/// choose to read the whole queue for all of them. For the same reason rows are changed [by their places](MINE).
fn mine(key_sql: &KeySql) -> String {
    format!(
        "with mine as materialized (select q.at, k.n from {} cross join lateral (select q.ctid as at from {} q \
         where {} and q.loading_retry_after = ${} for update skip locked) q)",
        key_sql.given(),
        key_sql.queue,
        key_sql.matches("q"),
        key_sql.parameter(1),
    )
}

/// Deletes [`mine`]. A key that is done is given up no longer, or will be anew.
fn finish(key_sql: &KeySql) -> String {
    let unburied = key_sql.failed.as_ref().map_or_else(String::new, |failed| {
        format!(
            ", unburied as (delete from {failed} f using {} where {} and k.n in (select done.n from done))",
            key_sql.given(),
            key_sql.matches("f"),
        )
    });
    format!(
        "{}, finished as (delete from {} q where {MINE} returning q.ctid as at), \
         done as materialized (select distinct mine.n from mine join finished using (at)){unburied} select n from done",
        mine(key_sql),
        key_sql.queue,
    )
}
