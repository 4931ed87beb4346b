//! Locks that somebody else has.
//!
//! PostgreSQL looks for a deadlock when a lock has been waited for as long as `deadlock_timeout` says, a second by
//! default, and then ends the transaction that has just looked. A worker that waits for less is not the one that looks,
//! and whoever waits for it has what they want before they look.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::debug;

use crate::worker::backoff::fraction;
use crate::worker::database_error::DatabaseError;

/// The pause before another attempt, and up to as much again. Whoever waited for the worker goes first.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a transaction is tried again for a lock.
#[derive(Debug)]
pub(crate) struct LockWait {
    began: Instant,
    within: Duration,
}

impl LockWait {
    /// The longest wait of one attempt.
    pub(crate) const EACH: Duration = Duration::from_millis(250);

    pub(crate) fn new(within: Duration) -> Self {
        Self {
            began: Instant::now(),
            within,
        }
    }

    /// Pauses if the error is about a lock that may still be had in time. Otherwise returns the error.
    pub(crate) async fn wait(&self, error: DatabaseError) -> Result<(), DatabaseError> {
        if !error.has_state(&["55P03"]) {
            return Err(error);
        }
        if self.began.elapsed() >= self.within {
            return Err(DatabaseError::Locked(self.within));
        }
        debug!("somebody else has a lock: it is tried for again");
        sleep(PAUSE + fraction(PAUSE)).await;
        Ok(())
    }
}
