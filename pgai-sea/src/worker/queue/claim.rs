//! Claiming: one statement leases due rows, with all due rows of the same keys.
//!
//! While there is a backlog, a share of a claim may be rows that came since.

use std::time::Duration;

use sea_orm::sqlx::{Error, Row as _};

use super::cursor::{BEYOND, Left, Look};
use super::key_sql::{Key, KeySql, statement};
use super::{Cursor, DUE, Queue, Stamp};
use crate::sql::{quote_identifier, quote_literal};
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
    /// How many rows of the claim came since there is a backlog.
    fresh: i64,
    left: Left,
    /// On the server. The way there, and waiting for a connection, are no looks for rows.
    took: Duration,
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
            cursor.move_to_front();
        }
        let mut has_turned = cursor.is_front();
        loop {
            let look = cursor.look();
            let found = self.find(pool, rows, lease, cursor.after(), look.as_ref()).await?;
            cursor.took(look.as_ref(), found.took, found.fresh > 0);
            match found.last {
                Some(last) if found.is_full => {
                    cursor.move_to(last);
                    cursor.left_a_backlog(found.left);
                }
                _ => {
                    cursor.move_to_front();
                    cursor.left_no_backlog();
                }
            }
            let claim = found.claim;
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

    /// Leases only what came since there is a backlog, up to half of `rows`. It is looked for in those parts of the
    /// table that are due for a look.
    pub(crate) async fn claim_fresh(
        &self,
        pool: &Database,
        rows: i64,
        lease: Duration,
        cursor: &mut Cursor,
    ) -> Result<Option<Claim>, DatabaseError> {
        while let Some(look) = cursor.look() {
            let found = self.find(pool, rows, lease, BEYOND, Some(&look)).await?;
            cursor.took(Some(&look), found.took, found.fresh > 0);
            cursor.left_a_backlog(found.left);
            if found.claim.is_some() {
                Step::Claim.done();
                return Ok(found.claim);
            }
        }
        Ok(None)
    }

    /// Leases rows behind the place `after`, and fresh ones.
    async fn find(
        &self,
        pool: &Database,
        most: i64,
        lease: Duration,
        after: &str,
        look: Option<&Look>,
    ) -> Result<Found, DatabaseError> {
        // the other half is for the backlog, whatever comes
        let share = (most / 2).max(1);
        let claim = statement(&self.claim)
            .bind(most)
            .bind(lease.as_secs_f64())
            .bind(after.to_owned())
            .bind(look.map(|look| look.since.clone()))
            .bind(share)
            .bind(look.map(|look| look.from.clone()))
            .bind(look.map(|look| look.to.clone()));
        let rows = claim.all_on(pool).await?;
        let Some(first) = rows.first() else {
            return Err(DatabaseError::Answer("a claim without a row".to_owned()));
        };
        let last = first.try_get("last")?;
        let fresh: i64 = first.try_get("fresh")?;
        let is_full = first.try_get::<i64, _>("found")? + fresh >= most;
        let left = Left {
            now: first.try_get("now")?,
            pages: first.try_get("pages")?,
            more_are_fresh: fresh >= share,
        };
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
        Ok(Found {
            claim,
            last,
            is_full,
            fresh,
            left,
            took: Duration::try_from_secs_f64(first.try_get("took")?).unwrap_or_default(),
        })
    }
}

/// The statement that claims.
pub(super) fn sql(key_sql: &KeySql) -> String {
    let queue = &key_sql.queue;
    let relation = format!("{}::regclass", quote_literal(queue));
    let named = key_sql.keys.iter().enumerate();
    let named: Vec<String> = named
        .map(|(i, key)| format!("q.{} as k{}", quote_identifier(&key.name), i + 1))
        .collect();
    let named = named.join(", ");
    let lock = key_sql.try_lock(&key_sql.numbered("k"));
    let keys = key_sql.numbered("k").join(", ");
    let same = key_sql.keys.iter().zip(key_sql.numbered("f"));
    let same: Vec<String> = same
        .map(|(key, value)| format!("q.{} {} {value}", quote_identifier(&key.name), key.equals))
        .collect();
    let same = same.join(" and ");
    // the text of the output functions, from which they can be read back
    let texts = key_sql.numbered("l").into_iter().enumerate();
    let texts: Vec<String> = texts
        .map(|(i, key)| format!("{} as t{i}", key_sql.text(&key)))
        .collect();
    let texts = texts.join(", ");
    let grouped = key_sql.numbered("l").join(", ");
    let stamp = super::stamp(2);
    // A row of a free key that cannot be locked belongs to a worker whose lock has another number.
    let (whole, in_whole) = if key_sql.has_one_lock() {
        (String::new(), "")
    } else {
        let whole = format!(
            "whole as materialized (select t.n from (select n, count(*) as rows from theirs group by n) t \
                 join free f on f.n = t.n where t.rows = (select count(*) from {queue} q where {same} and {DUE})), "
        );
        (whole, " where theirs.n in (select w.n from whole w)")
    };
    // Each key's rows are looked up by themselves, in the index, and changed by their places: see `mine`.
    format!(
        "with fresh as materialized (select {named} from {queue} q where q.ctid > $6::text::tid \
             and q.ctid < $7::text::tid and q.queued_at > $4::text::timestamptz and {DUE} \
             limit $5 for update skip locked), \
        due as materialized (select q.ctid as place, {named} from {queue} q where q.ctid > $3::text::tid and {DUE} \
             limit greatest($1 - (select count(*) from fresh), 1) for update skip locked), \
         free as materialized (select row_number() over () as n, {keys}, {lock} as is_free from \
             (select {keys} from fresh k union select {keys} from due k) k), \
         theirs as materialized (select q.place, f.n from free f cross join lateral (select q.ctid as place \
             from {queue} q where {same} and {DUE} for update skip locked) q where f.is_free), \
         {whole}\
         stamp as materialized (select {stamp} as moment), \
         leased as (update {queue} q set loading_retry_after = (select moment from stamp) \
             where q.ctid = any (array(select theirs.place from theirs{in_whole})) \
             returning {named}, q.loading_retries as attempts, q.loading_retry_after as stamp), \
         claimed as (select {texts}, max(l.attempts) as attempts, max(l.stamp) as stamp from leased l \
             group by {grouped}), \
         looked as (select count(*) as found, max(due.place)::text as last, (select count(*) from fresh) as fresh, \
             now()::text as now, pg_relation_size({relation}) / current_setting('block_size')::bigint as pages, \
             extract(epoch from clock_timestamp() - statement_timestamp())::float8 as took from due) \
         select claimed.*, looked.* from looked left join claimed on true"
    )
}
