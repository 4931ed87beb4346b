//! [`embed_all`]: what a worker would do, now.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::DatabaseConnection;
use tokio::time::sleep;

use super::{Cassette, FakeEmbedder};
use crate::catalog::{CatalogError, vectorizers};
use crate::embedder::Embedder;
use crate::worker::{Report, Worker, WorkerError};

/// A refused row is tried again this soon.
const RETRY_DELAY: Duration = Duration::from_millis(1);

/// An embedder for [`embed_all`]: [`FakeEmbedder`] or [`Cassette`]. For another one, give it to a [`Worker`] and call
/// [`run_once`](Worker::run_once).
pub trait TestEmbedder: sealed::Sealed {
    /// The embedder for a vectorizer with so many dimensions.
    #[doc(hidden)]
    fn of(&self, dimensions: usize) -> Arc<dyn Embedder>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::FakeEmbedder {}
    impl Sealed for super::Cassette {}
}

impl TestEmbedder for FakeEmbedder {
    fn of(&self, dimensions: usize) -> Arc<dyn Embedder> {
        Arc::new(self.dimensions(dimensions))
    }
}

impl TestEmbedder for Cassette {
    fn of(&self, _: usize) -> Arc<dyn Embedder> {
        Arc::new(self.clone())
    }
}

/// Why [`embed_all`] left something undone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedAllError {
    /// The vectorizers could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The queues could not be worked off.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// Vectorizers that a worker would have to wait with.
    #[error("not everything could be embedded: {}", .0.join("; "))]
    Vectorizers(Vec<String>),
}

/// Embeds everything that waits, in all vectorizers of a database, with `embedder`, whatever provider and model they
/// name. Rows that the embedder refuses are tried as often as their vectorizer says, without pauses, and are then dead
/// letters.
///
/// Returns what was done. An empty queue is no error: the report then says 0 rows.
///
/// # Errors
///
/// The database's errors, and what a worker would report: a wrong number of dimensions, a provider that is not
/// authorised, a missing privilege.
pub async fn embed_all(db: &DatabaseConnection, embedder: &impl TestEmbedder) -> Result<Report, EmbedAllError> {
    let mut report = Report::default();
    let vectorizers = vectorizers(db).await?;
    for vectorizer in &vectorizers {
        // Two may name the same model with different dimensions: its own come last. A worker that serves one generation
        // of a vectorizer serves the other as well.
        let others = vectorizers.iter().filter(|other| other.id != vectorizer.id);
        let mut worker = Worker::new(db.clone())
            .vectorizers([vectorizer])
            .retry_delay(RETRY_DELAY);
        for config in others
            .chain([vectorizer])
            .map(|vectorizer| &vectorizer.config.embedding)
        {
            let dimensions = config
                .dimensions()
                .and_then(|dimensions| usize::try_from(dimensions).ok());
            let embedder = embedder.of(dimensions.unwrap_or_default().max(1));
            worker = worker.embedder(config.provider(), config.model(), embedder);
        }
        while drain(&worker, &mut report).await? {
            sleep(RETRY_DELAY).await;
        }
    }
    let errors: Vec<_> = report
        .errors()
        .map(|(name, error)| format!("{name}: {error}"))
        .collect();
    if errors.is_empty() {
        Ok(report)
    } else {
        Err(EmbedAllError::Vectorizers(errors))
    }
}

/// Works off the queue. Returns whether rows wait for another attempt.
async fn drain(worker: &Worker, report: &mut Report) -> Result<bool, WorkerError> {
    let run = worker.run_once().await?;
    let waits = run.waiting() > 0 && run.errors().next().is_none();
    run.vectorizers
        .into_iter()
        .for_each(|vectorizer| report.add(vectorizer));
    Ok(waits)
}
