//! [`Worker`] and its options.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::PgPool;
use sea_orm::{DatabaseConnection, DatabaseConnectionType};

use super::assignment::Terms;
use super::embedders::Embedders;
use super::error::WorkerError;
use super::progress::{Hook, Progress};
use crate::catalog::VectorizerRef;
use crate::embedder::Embedder;

/// Keeps embeddings those of their rows' current text.
///
/// It serves every vectorizer of a database that is not disabled, in the runtime that it is awaited in. Any number of workers may run
/// at once, on any number of machines, pgai's among them.
///
/// ```no_run
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
/// use pgai_sea::worker::Worker;
///
/// let report = Worker::new(db.clone()).run_once().await?;
/// println!("{} rows, {} chunks", report.rows(), report.chunks_written());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Worker {
    pub(super) db: DatabaseConnection,
    pub(super) embedders: Embedders,
    pub(super) only: Vec<VectorizerRef>,
    pub(super) poll_interval: Duration,
    pub(super) terms: Terms,
    pub(super) hook: Hook,
}

impl Worker {
    /// A worker on `db`, a connection that [`Database::connect`](sea_orm::Database::connect) made. It takes a connection of the
    /// pool for each batch that it writes, and none while it embeds.
    #[must_use]
    pub fn new(db: DatabaseConnection) -> Self {
        Self {
            db,
            embedders: Embedders::default(),
            only: Vec::new(),
            poll_interval: Duration::from_secs(1),
            terms: Terms {
                lease: Duration::from_secs(30),
                concurrency: None,
                retry_delay: None,
            },
            hook: Hook::default(),
        }
    }

    /// Embeds with `embedder` wherever a vectorizer's configuration names this provider (`openai`, `ollama`, ..) and model.
    /// Without it the configuration is followed, with API keys from the environment, or from
    /// `ai.reveal_secret` where the database has pgai's extension.
    ///
    /// A model in the same process can so serve a vectorizer that names a server's: the catalog stays what pgai's worker understands.
    #[must_use]
    pub fn embedder(
        mut self,
        provider: impl Into<String>,
        model: impl Into<String>,
        embedder: Arc<dyn Embedder>,
    ) -> Self {
        self.embedders.insert(provider.into(), model.into(), embedder);
        self
    }

    /// Serves only these vectorizers, by id or name. By default all.
    #[must_use]
    pub fn vectorizers(mut self, vectorizers: impl IntoIterator<Item = impl Into<VectorizerRef>>) -> Self {
        self.only = vectorizers.into_iter().map(Into::into).collect();
        self
    }

    /// How often an idle worker looks for work; by default every second.
    #[must_use]
    pub fn poll_interval(mut self, poll_interval: Duration) -> Self {
        self.poll_interval = poll_interval;
        self
    }

    /// How long claimed rows are kept from other workers if this one dies; by default 30 seconds. A living worker extends it.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.terms.lease = lease;
        self
    }

    /// Requests to a provider at once for each vectorizer, instead of what its `processing_default(concurrency => ..)` says.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.terms.concurrency = Some(concurrency);
        self
    }

    /// How long a row rests after its first failed attempt; the time doubles with each. By default 15 seconds.
    #[must_use]
    pub fn retry_delay(mut self, retry_delay: Duration) -> Self {
        self.terms.retry_delay = Some(retry_delay);
        self
    }

    /// Calls `hook` as rows are done, a few times a second at most.
    #[must_use]
    pub fn progress(mut self, hook: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.hook = Hook::new(hook);
        self
    }

    /// The pool beneath the connection.
    pub(super) fn pool(&self) -> Result<PgPool, WorkerError> {
        // asked first, since asking another connection for its pool panics
        if matches!(self.db.inner, DatabaseConnectionType::SqlxPostgresPoolConnection(_)) {
            Ok(self.db.get_postgres_connection_pool().clone())
        } else {
            Err(WorkerError::NotPostgres)
        }
    }
}
