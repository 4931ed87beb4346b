//! What a queue holds.

use sea_orm::sqlx::Row as _;

use super::key_sql::statement;
use super::{DUE, Queue, leased};
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;

/// What a queue holds that could not be claimed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueStats {
    /// Due rows that another worker has locked.
    pub(crate) locked: u64,
    /// Rows that a worker has leased.
    pub(crate) leased: u64,
    /// Rows that failed and wait for the next attempt.
    pub(crate) deferred: u64,
}

pub(super) fn sql(queue: &str) -> String {
    let leased = leased();
    format!(
        "select count(*) filter (where {DUE}), count(*) filter (where not {DUE} and {leased}), \
         count(*) filter (where not {DUE} and not {leased}) from (select loading_retries, loading_retry_after from \
         {queue} limit 10000) q"
    )
}

impl Queue {
    /// What is left after a claim that found nothing. Counts up to 10,000 rows.
    pub(crate) async fn stats(&self, pool: &Database) -> Result<QueueStats, DatabaseError> {
        let row = statement(&self.stats).one_on(pool).await?;
        Ok(QueueStats {
            locked: count(row.try_get(0)?)?,
            leased: count(row.try_get(1)?)?,
            deferred: count(row.try_get(2)?)?,
        })
    }

    /// Whether there are rows that do not merely wait for another attempt.
    pub(crate) async fn is_busy(&self, pool: &Database) -> Result<bool, DatabaseError> {
        Ok(statement(&self.is_busy).one_on(pool).await?.try_get(0)?)
    }

    /// Rows in the queue, counted up to `most`.
    pub(crate) async fn pending(&self, pool: &Database, most: i64) -> Result<u64, DatabaseError> {
        count(statement(&self.pending).bind(most).one_on(pool).await?.try_get(0)?)
    }
}

fn count(rows: i64) -> Result<u64, DatabaseError> {
    u64::try_from(rows).map_err(|_| DatabaseError::Answer(format!("{rows} rows in the queue")))
}
