//! Claiming: one statement leases due rows, with all due rows of the same keys.

use std::time::Duration;

use sea_orm::sqlx::{Error, Row as _};

use super::key_sql::{Key, KeySql, statement};
use super::{Cursor, DUE, Queue, Stamp};
use crate::sql::quote_identifier;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::protocol::{Step, nothing_to_claim};

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

/// What one claiming statement found.
struct Found {
    claim: Option<Claim>,
    /// The last row that was due.
    last: Option<String>,
    /// Whether there may be more rows behind it.
    is_full: bool,
}

impl Queue {
    /// Leases up to `rows` due queue rows' keys, with all due rows of these keys, from the cursor on. `None` if nothing
    /// in the whole queue could be claimed.
    pub(crate) async fn claim(
        &self,
        pool: &Database,
        rows: i64,
        lease: Duration,
        cursor: &mut Cursor,
    ) -> Result<Option<Claim>, DatabaseError> {
        if cursor.is_due_at_the_front() {
            *cursor = Cursor::front();
        }
        let mut has_turned = cursor.is_front();
        loop {
            let Found { claim, last, is_full } = self.find(pool, rows, lease, cursor).await?;
            match last {
                Some(last) if is_full => cursor.move_to(last),
                _ => *cursor = Cursor::front(),
            }
            if claim.is_some() {
                Step::Claim.done();
                return Ok(claim);
            }
            // other workers hold all that was found: there may be more behind it
            if cursor.is_front() {
                if has_turned {
                    nothing_to_claim();
                    return Ok(None);
                }
                has_turned = true;
            }
        }
    }

    async fn find(&self, pool: &Database, most: i64, lease: Duration, cursor: &Cursor) -> Result<Found, DatabaseError> {
        let claim = statement(&self.claim)
            .bind(most)
            .bind(lease.as_secs_f64())
            .bind(cursor.after().to_owned());
        let rows = claim.all_on(pool).await?;
        let Some(first) = rows.first() else {
            return Err(DatabaseError::Answer("a claim without a row".to_owned()));
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
        Ok(Found { claim, last, is_full })
    }
}

/// The statement that claims.
pub(super) fn sql(key_sql: &KeySql) -> String {
    let queue = &key_sql.queue;
    let columns = key_sql.columns("");
    let values: Vec<String> = key_sql.keys.iter().map(|key| quote_identifier(&key.name)).collect();
    let lock = key_sql.try_lock(&values);
    let same = key_sql.same("q", "free");
    let texts = key_sql.texts("leased");
    let grouped = key_sql.columns("leased");
    let stamp = super::stamp(2);
    // a key's column may be called anything
    let numbered: Vec<String> = (1..=key_sql.keys.len()).map(|i| format!("k{i}")).collect();
    let numbered = numbered.join(", ");
    format!(
        "with due (place, {numbered}) as materialized (select q.ctid, {columns} from {queue} q where q.ctid > \
         $3::text::tid and {DUE} \
             limit $1 for update skip locked), \
         free as materialized (select {columns}, {lock} as locked from (select distinct {numbered} from due) k \
         ({columns})), \
         theirs as materialized (select q.ctid as at from {queue} q join free on {same} where free.locked and {DUE} \
         for update of q skip locked), \
         stamp as materialized (select {stamp} as at), \
         leased as (update {queue} q set loading_retry_after = stamp.at from theirs, stamp where q.ctid = theirs.at \
         returning q.*), \
         claimed as (select {texts}, max(loading_retries) as attempts, max(loading_retry_after) as stamp from leased \
         group by {grouped}), \
         looked as (select count(*) as found, max(place)::text as last from due) \
         select claimed.*, looked.* from looked left join claimed on true"
    )
}
