//! When a lane looks after its vectorizer's index.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::Error;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{debug, info};

use crate::worker::connection::Database;
use crate::worker::prepare::Assignment;

/// How often it is looked whether it is time to build, while this lane writes rows.
const WHILE_WRITING: Duration = Duration::from_secs(2);
/// How often otherwise: other workers may write them.
const WHILE_WAITING: Duration = Duration::from_secs(15);
/// An index that is there, or could not be built, is looked for again after this.
const ONCE_DONE: Duration = Duration::from_mins(5);

/// How a look at the index ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// There are too few rows, the queue is not empty, or someone else is building it.
    NotYet,
    /// It is there, or none is wanted.
    There,
    /// It was built.
    Built,
}

/// Builds a vectorizer's index beside the lane's other work; one build at a time.
#[derive(Debug)]
pub(crate) struct Indexer {
    /// Aborted when dropped; the server carries on with a build that has begun.
    task: JoinSet<Result<Looked, Error>>,
    next: Instant,
    /// Whether rows that this lane writes make a look worth while.
    is_expected: bool,
    /// Chunks that the lane had written at the last look.
    written: u64,
}

impl Indexer {
    pub(crate) fn new() -> Self {
        Self {
            task: JoinSet::new(),
            next: Instant::now(),
            is_expected: false,
            written: 0,
        }
    }

    /// Looks, if it is time to, and builds the index in the background; `None` as long as there is nothing to tell.
    pub(crate) fn tend(
        &mut self,
        pool: &Database,
        assignment: &Arc<Assignment>,
        is_idle: bool,
        written: u64,
    ) -> Option<Result<Looked, Error>> {
        if let Some(ended) = self.task.try_join_next() {
            let looked = flat(ended);
            self.is_expected = matches!(looked, Ok(Looked::NotYet));
            let wait = if self.is_expected { WHILE_WAITING } else { ONCE_DONE };
            self.next = Instant::now() + wait;
            return Some(looked);
        }
        let index = assignment.index.as_ref()?;
        let now = Instant::now();
        if self.is_expected && written != self.written {
            self.next = self.next.min(now + WHILE_WRITING);
            self.written = written;
        }
        if self.task.is_empty() && now >= self.next && (is_idle || !index.when.queue_is_empty) {
            self.written = written;
            self.task.spawn(look(pool.clone(), Arc::clone(assignment)));
        }
        None
    }

    /// Looks once more and waits until what is to be built is built.
    pub(crate) async fn finish(&mut self, pool: &Database, assignment: &Arc<Assignment>) -> Result<Looked, Error> {
        let mut was_built = false;
        while let Some(ended) = self.task.join_next().await {
            was_built |= flat(ended)? == Looked::Built;
        }
        let looked = look(pool.clone(), Arc::clone(assignment)).await?;
        Ok(if was_built { Looked::Built } else { looked })
    }
}

async fn look(pool: Database, assignment: Arc<Assignment>) -> Result<Looked, Error> {
    let Some(index) = assignment.index.as_ref() else {
        return Ok(Looked::There);
    };
    if !index.is_wanted(&pool).await? {
        return Ok(Looked::There);
    }
    if (index.when.queue_is_empty && assignment.queue.is_busy(&pool).await?) || !index.has_rows(&pool).await? {
        return Ok(Looked::NotYet);
    }
    let started = Instant::now();
    debug!(vectorizer = assignment.name, "building the index over the embeddings");
    if !index.build(&pool).await? {
        debug!(vectorizer = assignment.name, "someone else is building the index");
        return Ok(Looked::NotYet);
    }
    info!(
        vectorizer = assignment.name,
        seconds = started.elapsed().as_secs_f64(),
        "built the index over the embeddings"
    );
    Ok(Looked::Built)
}

fn flat(ended: Result<Result<Looked, Error>, JoinError>) -> Result<Looked, Error> {
    ended.unwrap_or_else(|error| Err(Error::Protocol(format!("building the index broke off: {error}"))))
}
