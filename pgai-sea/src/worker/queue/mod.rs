//! A vectorizer's queue: claiming keys, keeping, giving back and finishing them.
//!
//! A claim is a lease: the claimed rows' `loading_retry_after` is set to a moment in the future, the stamp. Rows with such a moment are
//! not due for anyone, pgai's worker included; when it has passed they are. The stamp is also the fencing token: whatever is
//! done to claimed rows is done to rows that still carry it. Its last microseconds tell it from other moments that rows wait for.
//!
//! A claim looks on where the last one ended, by the rows' places in the table. What lies before has been looked at and need not be looked at
//! again each time: rows that wait for another attempt, the dead rows of what is done, keys that another worker holds. At the end, and
//! every few seconds, it begins anew, so that nothing is passed over for long.

pub(crate) mod dead_letters;
pub(crate) mod key_sql;
pub(crate) mod lease;

use std::time::{Duration, Instant};

use sea_orm::prelude::DateTimeUtc;
use sea_orm::sqlx::{Error, PgConnection, Row};

use crate::worker::connection::{Database, On as _};
use crate::worker::protocol::Step;
use crate::worker::queue::key_sql::{Key, Names, Sql, statement, with_keys};

/// When a lease ends, and who holds it.
pub(crate) type Stamp = DateTimeUtc;

/// Whether a queue row may be claimed; the condition of pgai's worker.
const DUE: &str = "(q.loading_retry_after is null or q.loading_retry_after < now())";

/// How the moments end that are stamps: the microseconds after the last whole millisecond.
const MARK: u32 = 137;
/// Claims begin at the front again after this, however much lies behind: what failed or was given back may be there.
const BEGIN_ANEW: Duration = Duration::from_secs(10);
/// Before the first row of a table.
const FRONT: &str = "(0,0)";

/// Where a lane's next claim looks.
#[derive(Debug)]
pub(crate) struct Place {
    /// After this row.
    after: String,
    began: Instant,
}

impl Place {
    pub(crate) fn front() -> Self {
        Self {
            after: FRONT.to_owned(),
            began: Instant::now(),
        }
    }

    fn is_front(&self) -> bool {
        self.after == FRONT
    }
}

/// What one look came to.
struct Look {
    claim: Option<Claim>,
    /// The last row that was due.
    last: Option<String>,
    /// Whether there may be more behind it.
    is_full: bool,
}

/// Keys under lease.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) keys: Vec<ClaimedKey>,
    pub(crate) stamp: Stamp,
}

#[derive(Clone, Debug)]
pub(crate) struct ClaimedKey {
    pub(crate) key: Key,
    /// Attempts that failed before.
    pub(crate) attempts: i32,
}

/// What a queue holds that could not be claimed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlook {
    /// Due, but another worker has it locked.
    pub(crate) locked: i64,
    /// Leased by someone.
    pub(crate) leased: i64,
    /// Failed, and waiting for the next attempt.
    pub(crate) deferred: i64,
}

/// The statements on one queue.
#[derive(Debug)]
pub(crate) struct Queue {
    columns: usize,
    claim: Sql,
    renew: Sql,
    release: Sql,
    finish: Sql,
    later: Sql,
    outlook: Sql,
    pending: Sql,
    is_busy: Sql,
    /// Selects whether a row is due.
    pub(crate) peek: Sql,
}

impl Queue {
    pub(crate) fn new(names: &Names) -> Self {
        let mine = mine(names);
        let queue = &names.queue;
        let second = names.parameter(2);
        let leased = leased();
        Self {
            columns: names.keys.len(),
            claim: claim(names).into(),
            renew: format!(
                "{mine}, stamp as materialized (select {} as at) \
                 update {queue} q set loading_retry_after = stamp.at from mine, stamp where q.ctid = mine.at \
                 returning q.loading_retry_after",
                stamp(second)
            )
            .into(),
            release: format!(
                "{mine} update {queue} q set loading_retry_after = case when ${second}::float8 > 0 then {} end \
                 from mine where q.ctid = mine.at",
                stamp(second)
            )
            .into(),
            finish: format!(
                "{mine}, finished as (delete from {queue} q using mine where q.ctid = mine.at returning mine.n) \
                 select distinct n from finished"
            )
            .into(),
            later: format!(
                "select distinct k.n from {} join {queue} q on {} where q.loading_retry_after is distinct from ${}",
                names.given(),
                names.matches("q"),
                names.parameter(1),
            )
            .into(),
            outlook: format!(
                "select count(*) filter (where {DUE}), count(*) filter (where not {DUE} and {leased}), \
                 count(*) filter (where not {DUE} and not {leased}) from (select loading_retries, loading_retry_after from {queue} limit 10000) q"
            )
            .into(),
            pending: format!("select count(*) from (select from {queue} limit $1) q").into(),
            is_busy: format!("select exists (select from {queue} q where {DUE} or {leased})").into(),
            peek: format!("select exists (select from {queue} q where {DUE})").into(),
        }
    }

    /// Leases up to `rows` due queue rows' keys, with all due rows of these keys; looks on from `place`. `None` if nothing could be claimed
    /// in the whole queue.
    pub(crate) async fn claim(
        &self,
        pool: &Database,
        rows: i64,
        lease: Duration,
        place: &mut Place,
    ) -> Result<Option<Claim>, Error> {
        if place.began.elapsed() >= BEGIN_ANEW {
            *place = Place::front();
        }
        let mut has_turned = place.is_front();
        loop {
            let Look { claim, last, is_full } = self.look(pool, rows, lease, &place.after).await?;
            match last {
                Some(last) if is_full => place.after = last,
                _ => *place = Place::front(),
            }
            if claim.is_some() {
                Step::Claim.done();
                return Ok(claim);
            }
            // all that was found is in other workers' hands: there may be more behind it
            if place.is_front() {
                if has_turned {
                    return Ok(None);
                }
                has_turned = true;
            }
        }
    }

    async fn look(&self, pool: &Database, most: i64, lease: Duration, after: &str) -> Result<Look, Error> {
        let rows = statement(&self.claim)
            .bind(most)
            .bind(lease.as_secs_f64())
            .bind(after.to_owned())
            .all_on(pool)
            .await?;
        let Some(first) = rows.first() else {
            return Err(Error::RowNotFound);
        };
        let last = first.try_get("last")?;
        let is_full = first.try_get::<i64, _>("found")? >= most;
        let claim = match first.try_get("stamp")? {
            None => None,
            Some(stamp) => {
                let keys = rows.iter().map(|row| {
                    let key: Result<Key, Error> = (0..self.columns).map(|column| row.try_get(column)).collect();
                    Ok(ClaimedKey {
                        key: key?,
                        attempts: row.try_get("attempts")?,
                    })
                });
                Some(Claim {
                    keys: keys.collect::<Result<_, Error>>()?,
                    stamp,
                })
            }
        };
        Ok(Look { claim, last, is_full })
    }

    /// Moves the end of the lease. `None` if no row carries the stamp any more.
    pub(crate) async fn renew(
        &self,
        pool: &Database,
        keys: &[&Key],
        stamp: Stamp,
        lease: Duration,
    ) -> Result<Option<Stamp>, Error> {
        let renewed = with_keys(&self.renew, self.columns, keys)
            .bind(stamp)
            .bind(lease.as_secs_f64());
        renewed
            .all_on(pool)
            .await?
            .first()
            .map(|row| row.try_get(0))
            .transpose()
    }

    /// Gives keys back, to be claimed again after `delay`.
    pub(crate) async fn release(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
        stamp: Stamp,
        delay: Duration,
    ) -> Result<(), Error> {
        if !keys.is_empty() {
            let release = with_keys(&self.release, self.columns, keys)
                .bind(stamp)
                .bind(delay.as_secs_f64());
            release.execute(connection).await?;
        }
        Ok(())
    }

    /// Deletes the claimed rows; tells which of `keys` (from 0) still were this claim's.
    pub(crate) async fn finish(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
        stamp: Stamp,
    ) -> Result<Vec<usize>, Error> {
        let finished = with_keys(&self.finish, self.columns, keys)
            .bind(stamp)
            .fetch_all(connection)
            .await?;
        finished.iter().map(|row| ordinal(row.try_get(0)?)).collect()
    }

    /// Which of `keys` (from 0) have rows in the queue besides the claimed ones. Under the keys' locks these rows stay.
    pub(crate) async fn later(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
        stamp: Stamp,
    ) -> Result<Vec<usize>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let later = with_keys(&self.later, self.columns, keys)
            .bind(stamp)
            .fetch_all(connection)
            .await?;
        later.iter().map(|row| ordinal(row.try_get(0)?)).collect()
    }

    /// What is left after a claim that found nothing. Counts up to 10,000 rows.
    pub(crate) async fn outlook(&self, pool: &Database) -> Result<Outlook, Error> {
        let row = statement(&self.outlook).one_on(pool).await?;
        Ok(Outlook {
            locked: row.try_get(0)?,
            leased: row.try_get(1)?,
            deferred: row.try_get(2)?,
        })
    }

    /// Whether there are rows that are not merely waiting for another attempt.
    pub(crate) async fn is_busy(&self, pool: &Database) -> Result<bool, Error> {
        statement(&self.is_busy).one_on(pool).await?.try_get(0)
    }

    /// Rows in the queue, counted up to `most`.
    pub(crate) async fn pending(&self, pool: &Database, most: i64) -> Result<i64, Error> {
        statement(&self.pending).bind(most).one_on(pool).await?.try_get(0)
    }
}

/// A moment so many seconds (the parameter `nth`) ahead that is a stamp.
fn stamp(nth: usize) -> String {
    format!(
        "date_trunc('milliseconds', clock_timestamp() + make_interval(secs => ${nth}::float8)) + interval '{MARK} microseconds'"
    )
}

/// Leased rows, as opposed to those that wait for another attempt: what never failed can only be leased.
fn leased() -> String {
    format!("(q.loading_retries = 0 or extract(microseconds from q.loading_retry_after)::bigint % 1000 = {MARK})")
}

/// From SQL's `n`, which counts from 1.
pub(crate) fn ordinal(n: i64) -> Result<usize, Error> {
    usize::try_from(n - 1).map_err(|error| Error::Decode(error.into()))
}

/// The given keys' rows that carry the stamp, locked. Rows that someone else has locked are as good as lost: their lease has run out.
pub(crate) fn mine(names: &Names) -> String {
    format!(
        "with mine as materialized (select q.ctid as at, k.n from {} join {} q on {} where q.loading_retry_after = ${} \
         for update of q skip locked)",
        names.given(),
        names.queue,
        names.matches("q"),
        names.parameter(1),
    )
}

fn claim(names: &Names) -> String {
    let queue = &names.queue;
    let columns = names.columns("");
    let values: Vec<String> = names
        .keys
        .iter()
        .map(|key| crate::sql::quote_identifier(&key.name))
        .collect();
    let lock = names.try_lock(&values);
    let same = names.same("q", "free");
    let texts = names.texts("leased");
    let grouped = names.columns("leased");
    let stamp = stamp(2);
    // a key's column may be called anything
    let numbered: Vec<String> = (1..=names.keys.len()).map(|i| format!("k{i}")).collect();
    let numbered = numbered.join(", ");
    format!(
        "with due (place, {numbered}) as materialized (select q.ctid, {columns} from {queue} q where q.ctid > $3::text::tid and {DUE} \
             limit $1 for update skip locked), \
         free as materialized (select {columns}, {lock} as locked from (select distinct {numbered} from due) k ({columns})), \
         theirs as materialized (select q.ctid as at from {queue} q join free on {same} where free.locked and {DUE} for update of q skip locked), \
         stamp as materialized (select {stamp} as at), \
         leased as (update {queue} q set loading_retry_after = stamp.at from theirs, stamp where q.ctid = theirs.at returning q.*), \
         claimed as (select {texts}, max(loading_retries) as attempts, max(loading_retry_after) as stamp from leased group by {grouped}), \
         looked as (select count(*) as found, max(place)::text as last from due) \
         select claimed.*, looked.* from looked left join claimed on true"
    )
}
