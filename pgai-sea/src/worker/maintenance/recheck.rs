//! Documents that change at their addresses, and nobody edits their row: each is looked at once in so long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use sea_orm::prelude::DateTimeUtc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::document::{Documents, Now};
use crate::worker::batch::item::Content;
use crate::worker::connection::Database;
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::document_log::{DocumentLog, Known};
use crate::worker::queue::key_sql::Key;
use crate::worker::write::Source;

/// Documents that are looked at side by side.
const AT_ONCE: usize = 8;
/// The most bytes of addresses that are read together.
const MOST_BYTES: i64 = 16 << 20;

/// Looks at the documents of one vectorizer.
#[derive(Debug)]
pub(crate) struct Recheck {
    pub(crate) vectorizer: String,
    pub(crate) documents: Documents,
    pub(crate) role: Option<String>,
    pub(crate) interval: Duration,
    pub(crate) source: Source,
    pub(crate) log: Arc<DocumentLog>,
    /// Whether rows that were embedded before are in the log.
    pub(crate) has_added: AtomicBool,
}

impl Recheck {
    /// Looks at all documents that are due. Returns how many rows it queued.
    pub(crate) async fn run(&self, database: &Database) -> i64 {
        let mut queued = 0;
        let looked = async {
            if !self.has_added.load(Ordering::Relaxed) {
                self.log.add().await?;
                self.has_added.store(true, Ordering::Relaxed);
            }
            // a half, as a look comes once in the other half
            let since = self.log.ago(self.interval / 2).await?;
            while let Some(more) = self.slice(database, since).await? {
                queued += more;
            }
            Ok::<_, DatabaseError>(())
        }
        .await;
        let vectorizer = &self.vectorizer;
        if let Err(error) = looked {
            info!(vectorizer, %error, "cannot look whether documents have changed");
        }
        if queued > 0 {
            info!(vectorizer, rows = queued, "queued rows whose documents have changed");
        }
        queued
    }

    /// `None` if nothing is due.
    async fn slice(&self, database: &Database, since: DateTimeUtc) -> Result<Option<i64>, DatabaseError> {
        let due = self.log.due(since).await?;
        if due.is_empty() {
            return Ok(None);
        }
        let keys: Vec<&Key> = due.iter().map(|known| &known.key).collect();
        let read = self.source.read_within(database, &keys, MOST_BYTES).await?;
        let left_out = |place: &usize| read.left_out.contains(place);
        let gone = (0..due.len()).filter(|place| read.rows[*place].is_none() && !left_out(place));
        self.log
            .forget(&gone.map(|place| &due[place].key).collect::<Vec<_>>())
            .await?;
        let looks = due
            .into_iter()
            .zip(read.rows)
            .filter_map(|(known, row)| match row?.content? {
                Content::Text(address) if !address.trim().is_empty() => Some(self.look(known, address)),
                Content::Text(_) | Content::Bytes(_) => None,
            });
        let looks: Vec<_> = looks.collect();
        let changed: Vec<Option<Key>> = stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
        let changed: Vec<&Key> = changed.iter().flatten().collect();
        Ok(Some(self.log.queue(database, &changed).await?))
    }

    /// The key, if its document is another one now.
    async fn look(&self, known: Known, address: String) -> Option<Key> {
        let Known { key, version } = known;
        let now = self.documents.now(&address, self.role.as_deref(), version.as_deref());
        match now.await {
            Ok(Now::Changed) => Some(key),
            // one that was there; a row whose document never was has been told of already
            Ok(Now::Missing) => version.map(|_| key),
            Ok(Now::Same) => None,
            Err(error) => {
                debug!(vectorizer = self.vectorizer, %error, "a document cannot be looked at");
                None
            }
        }
    }
}

/// Looks at documents beside a vectorizer's other work.
#[derive(Debug)]
pub(crate) struct RecheckSchedule {
    task: JoinSet<()>,
    next: Instant,
}

impl RecheckSchedule {
    pub(crate) fn new() -> Self {
        Self {
            task: JoinSet::new(),
            next: Instant::now(),
        }
    }

    /// How long it is until it looks again.
    pub(crate) fn wait(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Begins to look, if it is time to and the last look is over.
    pub(crate) fn tend(&mut self, database: &Database, recheck: &Arc<Recheck>) {
        while self.task.try_join_next().is_some() {}
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + recheck.interval.max(Duration::from_secs(1)) / 2;
        if self.task.is_empty() {
            let (database, recheck) = (database.clone(), Arc::clone(recheck));
            self.task.spawn(async move {
                recheck.run(&database).await;
            });
        }
    }
}
