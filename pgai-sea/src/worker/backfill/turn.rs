//! A backfill whose texts are embedded by a provider's batches: one process looks at the rows, and queues them when it
//! has the vectors.
//!
//! It queues rows under a lease of its own, so no other worker claims them and pays for them. The rest is as with any
//! claim: if the process dies, the lease runs out and the rows are due.

use sea_orm::sqlx::{PgConnection, Row as _};
use std::time::Duration;
use tokio::time::Instant;

use super::sql::{Range, range};
use super::{Backfill, KEEP, KEPT, read};
use crate::catalog::backfill::Kept;
use crate::worker::connection::{Database, LockWait, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Key, Sql, statement};
use crate::worker::queue::{Claim, ClaimedKey, Stamp};

/// A batch is done: it is forgotten.
const DONE: &str = "delete from ai.vectorizer_batch where vectorizer_id = $1 and number <= $2";

/// The rows of one batch.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// Who is at the backfill.
    pub(crate) holder: String,
    /// The batch's number.
    pub(crate) number: i32,
    /// The last row; `None` if the batch has all that are left.
    pub(crate) last: Option<Key>,
}

/// What [`Backfill::take`] did.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The rows that are leased now.
    pub(crate) claim: Option<Claim>,
    /// Whether all rows of the batch are queued.
    pub(crate) is_over: bool,
}

/// Rows that were looked at.
#[derive(Debug, Default)]
pub(crate) struct Peeked {
    /// Those that are wanted.
    pub(crate) keys: Vec<Key>,
    /// The last one, wanted or not.
    pub(crate) last: Option<Key>,
    /// Whether there are no more.
    pub(crate) is_end: bool,
}

impl Backfill {
    /// Looks at the next rows from a key to another.
    pub(crate) async fn peek(
        &self,
        database: &Database,
        kept: &Kept,
        (after, last): (Option<&Key>, Option<&Key>),
        most: i64,
    ) -> Result<Peeked, DatabaseError> {
        let sql = range(&self.key_sql, &self.range(kept, (after, last), false));
        let mut look = statement(&sql.into()).bind(most);
        for value in after.into_iter().chain(last).flatten() {
            look = look.bind(value.clone());
        }
        let columns = self.key_sql.keys.len();
        let mut peeked = Peeked::default();
        let rows = look.all_on(database).await?;
        peeked.is_end = i64::try_from(rows.len()).unwrap_or(i64::MAX) < most;
        for row in &rows {
            let key = (0..columns)
                .map(|column| row.try_get(column))
                .collect::<Result<Key, _>>()?;
            if row.try_get(columns)? {
                peeked.keys.push(key.clone());
            }
            peeked.last = Some(key);
        }
        Ok(peeked)
    }

    /// Until when the pace or a standby that is behind makes it wait.
    pub(crate) async fn waits_until(&self, pool: &Database) -> Result<Option<Instant>, DatabaseError> {
        if let Some(until) = self.pace.waits_until() {
            return Ok(Some(until));
        }
        match self.kept(pool).await? {
            Some(kept) => self.standbys(pool, kept).await,
            None => Ok(None),
        }
    }

    /// Queues the next rows of a batch, under a lease.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Reconfigured`] if somebody else is at the backfill, or it is none any more.
    pub(crate) async fn take(
        &self,
        database: &Database,
        turn: &Turn,
        most: i64,
        lease: Duration,
    ) -> Result<Taken, DatabaseError> {
        let most = self.pace.at_most(most);
        let locks = LockWait::new(database.patience());
        loop {
            let mut transaction = database.begin(database.patience()).await?;
            let work = async {
                let taken = self
                    .take_in(database, transaction.connection(), turn, (most, lease))
                    .await;
                transaction.end(taken).await
            };
            let taken = database.wait(database.patience(), work).await;
            match taken.unwrap_or_else(|| Err(transaction.silent())) {
                Ok(taken) => {
                    self.pace
                        .claimed(taken.claim.as_ref().map_or(0, |claim| claim.keys.len()));
                    return Ok(taken);
                }
                Err(error) => locks.wait(error).await?,
            }
        }
    }

    async fn take_in(
        &self,
        database: &Database,
        connection: &mut PgConnection,
        turn: &Turn,
        (most, lease): (i64, Duration),
    ) -> Result<Taken, DatabaseError> {
        database.leave_role(connection).await?;
        let lock: Sql = format!("{KEPT} for no key update of g").into();
        let kept = statement(&lock)
            .bind(self.key_sql.id)
            .fetch_optional(&mut *connection)
            .await?;
        let kept = kept.as_ref().map(read).transpose()?;
        let is_held = |kept: &Kept| kept.batch.as_ref().is_some_and(|hold| hold.holder == turn.holder);
        let Some(mut kept) = kept.filter(is_held) else {
            return Err(DatabaseError::Reconfigured);
        };
        database.take_role(connection).await?;
        let (claim, seen, last) = self.lease(connection, &kept, turn, (most, lease)).await?;
        kept.queued += claim.as_ref().map_or(0, |claim| claim.keys.len() as u64);
        let is_over = seen < most;
        kept.position = if is_over { turn.last.clone().or(last) } else { last }.or(kept.position);
        database.leave_role(connection).await?;
        let kept = if is_over && turn.last.is_none() {
            None
        } else {
            Some(serde_json::to_string(&kept).map_err(|error| DatabaseError::Bug(error.to_string()))?)
        };
        let keep = statement(&Sql::from(KEEP)).bind(self.key_sql.id).bind(kept);
        keep.execute(&mut *connection).await?;
        if is_over {
            let done = statement(&Sql::from(DONE)).bind(self.key_sql.id).bind(turn.number);
            done.execute(&mut *connection).await?;
        }
        database.take_role(connection).await?;
        Ok(Taken { claim, is_over })
    }

    /// Queues and leases the rows after the position. Returns them, how many there were, and the last one.
    async fn lease(
        &self,
        connection: &mut PgConnection,
        kept: &Kept,
        turn: &Turn,
        (most, lease): (i64, Duration),
    ) -> Result<(Option<Claim>, i64, Option<Key>), DatabaseError> {
        let (after, last) = (kept.position.as_ref(), turn.last.as_ref());
        let sql = range(&self.key_sql, &self.range(kept, (after, last), true));
        let mut queue = statement(&sql.into()).bind(most);
        for value in after.into_iter().chain(last).flatten() {
            queue = queue.bind(value.clone());
        }
        let queue = queue.bind(kept.since.clone()).bind(lease.as_secs_f64());
        let columns = self.key_sql.keys.len();
        let rows = queue.fetch_all(connection).await?;
        let (mut keys, mut last) = (Vec::new(), None);
        let mut stamp: Option<Stamp> = None;
        for row in &rows {
            let key = (0..columns)
                .map(|column| row.try_get(column))
                .collect::<Result<Key, _>>()?;
            if row.try_get(columns)? {
                let attempts = 0;
                keys.push(ClaimedKey {
                    key: key.clone(),
                    attempts,
                });
            }
            last = Some(key);
            stamp = row.try_get(columns + 1)?;
        }
        let claim = stamp.filter(|_| !keys.is_empty()).map(|stamp| Claim { keys, stamp });
        Ok((claim, i64::try_from(rows.len()).unwrap_or(i64::MAX), last))
    }

    fn range<'r>(&'r self, kept: &Kept, (after, last): (Option<&Key>, Option<&Key>), queues: bool) -> Range<'r> {
        Range {
            descending: kept.descending,
            filter: kept.only_missing.then_some(self.missing.as_str()),
            after: after.is_some(),
            last: last.is_some(),
            queues,
        }
    }
}
