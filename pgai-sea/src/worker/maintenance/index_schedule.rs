//! When a runner looks after its vectorizer's index.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::index_builder::{IndexBuilder, IndexState};
use crate::worker::connection::Database;
use crate::worker::database_error::DatabaseError;

/// The wait between two looks while this runner writes rows.
const WHILE_WRITING: Duration = Duration::from_secs(2);
/// The wait otherwise: other workers may write rows.
const WHILE_WAITING: Duration = Duration::from_secs(15);
/// The wait after a look that found the index, or failed to build it.
const ONCE_DONE: Duration = Duration::from_mins(5);

/// Builds a vectorizer's index beside its other work, one build at a time.
#[derive(Debug)]
pub(crate) struct IndexSchedule {
    /// Aborted when dropped. The server carries on with a build that has begun.
    task: JoinSet<Result<IndexState, DatabaseError>>,
    next: Instant,
    /// Whether rows that this runner writes make another look worthwhile.
    is_expected: bool,
    /// Chunks that the runner had written at the last look.
    written: u64,
}

impl IndexSchedule {
    pub(crate) fn new() -> Self {
        Self {
            task: JoinSet::new(),
            next: Instant::now(),
            is_expected: false,
            written: 0,
        }
    }

    /// Looks, if it is time to, and builds the index in the background. `None` while there is nothing to report.
    pub(crate) fn tend(
        &mut self,
        pool: &Database,
        index: &Arc<IndexBuilder>,
        written: u64,
    ) -> Option<Result<IndexState, DatabaseError>> {
        if let Some(ended) = self.task.try_join_next() {
            let looked = flat(ended);
            self.is_expected = matches!(looked, Ok(IndexState::NotYet));
            let wait = if self.is_expected { WHILE_WAITING } else { ONCE_DONE };
            self.next = Instant::now() + wait;
            return Some(looked);
        }
        let now = Instant::now();
        if self.is_expected && written != self.written {
            self.next = self.next.min(now + WHILE_WRITING);
            self.written = written;
        }
        if self.task.is_empty() && now >= self.next {
            self.written = written;
            let (pool, index) = (pool.clone(), Arc::clone(index));
            self.task.spawn(async move { index.build_if_due(&pool).await });
        }
        None
    }

    /// Waits for a build that is under way, and looks once more.
    pub(crate) async fn finish(&mut self, pool: &Database, index: &IndexBuilder) -> Result<IndexState, DatabaseError> {
        let mut was_built = false;
        while let Some(ended) = self.task.join_next().await {
            was_built |= flat(ended)? == IndexState::Built;
        }
        let looked = index.build_if_due(pool).await?;
        Ok(if was_built { IndexState::Built } else { looked })
    }
}

fn flat(ended: Result<Result<IndexState, DatabaseError>, JoinError>) -> Result<IndexState, DatabaseError> {
    ended.unwrap_or_else(|error| {
        Err(DatabaseError::Panicked(format!(
            "building the index stopped unexpectedly: {error}"
        )))
    })
}
