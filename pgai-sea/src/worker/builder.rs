//! [`Worker`] and its options.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::PgPool;
use sea_orm::{DatabaseConnection, DatabaseConnectionType};

use super::embed::{Budget, Budgets};
use super::error::WorkerError;
use super::event::{Event, Hook};
use super::prepare::Terms;
use super::prepare::embedder::Embedders;
use super::progress::Progress;
use crate::catalog::VectorizerRef;
use crate::embedder::Embedder;

/// Less would be a spin.
pub(crate) const SHORTEST_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Less is over before it can be extended.
pub(crate) const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// Less would take a busy server for a dead one.
const SHORTEST_STATEMENT_TIMEOUT: Duration = Duration::from_secs(1);

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
    pub(super) wake_interval: Duration,
    pub(super) terms: Terms,
    pub(super) hook: Hook<Progress>,
    pub(super) events: Hook<Event>,
    pub(super) stops_on_error: bool,
    pub(super) statement_timeout: Duration,
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
            wake_interval: Duration::from_millis(50),
            terms: Terms {
                lease: Duration::from_secs(30),
                concurrency: None,
                retry_delay: None,
                budgets: Budgets::default(),
            },
            hook: Hook::default(),
            events: Hook::default(),
            stops_on_error: false,
            statement_timeout: Duration::from_mins(1),
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

    /// Serves only these vectorizers, by id or name. By default all. One that there is not (yet) is waited for by
    /// [`run_until`](Self::run_until), with a warning.
    #[must_use]
    pub fn vectorizers(mut self, vectorizers: impl IntoIterator<Item = impl Into<VectorizerRef>>) -> Self {
        self.only = vectorizers.into_iter().map(Into::into).collect();
        self
    }

    /// How often an idle worker looks for work at least, woken or not; by default every second. Less than 10 milliseconds are taken for
    /// 10.
    #[must_use]
    pub fn poll_interval(mut self, poll_interval: Duration) -> Self {
        self.poll_interval = poll_interval.max(SHORTEST_POLL_INTERVAL);
        self
    }

    /// How soon an idle worker learns of rows that were committed, where it has to find out for itself; by default after 50 milliseconds.
    ///
    /// On this crate's catalog it is notified, within milliseconds. On pgai's the server looks in this interval whether any transaction has
    /// ended, for a second at a time and in one statement, and the worker then into the queues. Both take one connection besides
    /// the pool's, with the same options. Behind a pooler that shares connections by the transaction, and with a role that may not use
    /// plpgsql, the worker itself asks in this interval, which every 50 milliseconds takes up to a percent of a core.
    /// With an interval of zero there is none, and the worker looks for work every [`poll_interval`](Self::poll_interval).
    #[must_use]
    pub fn wake_interval(mut self, wake_interval: Duration) -> Self {
        self.wake_interval = wake_interval;
        self
    }

    /// How long claimed rows are kept from other workers if this one dies; by default 30 seconds. A living worker extends it. Less than a
    /// second is taken for a second.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.terms.lease = lease.max(SHORTEST_LEASE);
        self
    }

    /// How long the database may take for a statement before its connection is taken for dead and closed; by default a minute. Writing a batch
    /// may take longer, by 50 milliseconds for each chunk. Less than a second is taken for a second.
    #[must_use]
    pub fn statement_timeout(mut self, statement_timeout: Duration) -> Self {
        self.statement_timeout = statement_timeout.max(SHORTEST_STATEMENT_TIMEOUT);
        self
    }

    /// Requests to a provider at once for each vectorizer, instead of what its `processing_default(concurrency => ..)` says. Where neither says
    /// anything it is [`Embedder::default_concurrency`]: 1 for providers, the number of threads for a model in the same process.
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

    /// Makes [`run_until`](Self::run_until) end with the first trouble that it would otherwise wait for to pass: a provider or database that
    /// fails, a configuration that cannot work, a name in [`vectorizers`](Self::vectorizers) that there is not at the beginning. A row that
    /// fails is no such trouble.
    #[must_use]
    pub fn stop_on_error(mut self, stop_on_error: bool) -> Self {
        self.stops_on_error = stop_on_error;
        self
    }

    /// How much each provider may be asked in a minute. All vectorizers of a provider share its budget, and so do clones of this worker.
    ///
    /// ```no_run
    /// # fn f(worker: pgai_sea::worker::Worker) -> pgai_sea::worker::Worker {
    /// use pgai_sea::worker::Budget;
    ///
    /// worker.budget(Budget::new().requests_per_minute(500)).budget_of("openai", Budget::new().tokens_per_minute(1_000_000))
    /// # }
    /// ```
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.terms.budgets.set(budget);
        self
    }

    /// How much one provider (`openai`, `cohere`) may be asked in a minute, or one of its models (`openai/text-embedding-3-small`), which
    /// is then counted by itself. Of LiteLLM's models the prefix is the provider.
    #[must_use]
    pub fn budget_of(mut self, provider: impl Into<String>, budget: Budget) -> Self {
        self.terms.budgets.set_of(provider.into(), budget);
        self
    }

    /// Calls `hook` as rows are done, a few times a second at most.
    #[must_use]
    pub fn progress(mut self, hook: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.hook = Hook::new(hook);
        self
    }

    /// Calls `hook` with each batch that was written, each row that was given up, and each vectorizer's trouble. It should return soon: the
    /// vectorizer waits for it.
    ///
    /// ```no_run
    /// # fn f(worker: pgai_sea::worker::Worker) -> pgai_sea::worker::Worker {
    /// use pgai_sea::worker::Event;
    ///
    /// worker.on_event(|event| match event {
    ///     Event::DeadLetter(letter) => eprintln!("{:?} is not searchable: {}", letter.key, letter.reason),
    ///     Event::Trouble { vectorizer, message } => eprintln!("{vectorizer} waits: {message}"),
    ///     _ => {}
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn on_event(mut self, hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.events = Hook::new(hook);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_spins() {
        let worker = Worker::new(DatabaseConnection::default())
            .lease(Duration::ZERO)
            .poll_interval(Duration::ZERO);
        assert_eq!(worker.terms.lease, Duration::from_secs(1));
        assert_eq!(worker.poll_interval, Duration::from_millis(10));
    }
}
