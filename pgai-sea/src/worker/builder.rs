//! [`Worker`] and its options.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::PgPool;
use sea_orm::{DatabaseConnection, DatabaseConnectionType};

use super::embed::{Budget, Budgets};
use super::error::WorkerError;
use super::event::{Event, EventHook};
use super::pace::Pace;
use super::prepare::WorkerSettings;
use super::prepare::embedder::Embedders;
use crate::catalog::VectorizerRef;
#[cfg(feature = "documents")]
use crate::document::Documents;
use crate::embedder::Embedder;
use crate::embedder::allowed::{Allowed, Asker};

/// A shorter interval would keep a core busy.
pub(crate) const SHORTEST_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// A shorter lease would end before it can be renewed.
pub(crate) const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// A shorter timeout would take a busy server for a dead one.
const SHORTEST_STATEMENT_TIMEOUT: Duration = Duration::from_secs(1);

/// Keeps embeddings up to date with the text of their rows.
///
/// A worker serves every vectorizer of a database that is not disabled. It runs in the runtime that awaits it. Any
/// number of workers may run at once, on any number of machines, pgai's own workers among them.
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
    pub(super) settings: WorkerSettings,
    pub(super) events: EventHook,
    pub(super) stops_on_error: bool,
    pub(super) statement_timeout: Duration,
    /// How often it looks at its queues.
    pub(super) observes: Option<Duration>,
}

impl Worker {
    /// A worker on `db`, a connection that [`Database::connect`](sea_orm::Database::connect) made. It takes one of the
    /// pool's connections for each batch that it writes, and none while it embeds.
    #[must_use]
    pub fn new(db: DatabaseConnection) -> Self {
        Self {
            db,
            embedders: Embedders::default(),
            only: Vec::new(),
            poll_interval: Duration::from_secs(1),
            settings: WorkerSettings {
                lease: Duration::from_secs(30),
                concurrency: None,
                retry_delay: None,
                budgets: Budgets::default(),
                allowed: Allowed::new(Asker::Worker),
                backfill: Pace::default(),
                most_lag: None,
                nested: Vec::new(),
                #[cfg(feature = "documents")]
                documents: None,
                #[cfg(feature = "embedder")]
                given: Arc::default(),
            },
            events: EventHook::default(),
            stops_on_error: false,
            statement_timeout: Duration::from_mins(1),
            observes: None,
        }
    }

    /// Embeds with `embedder` where a vectorizer's configuration names this provider (`openai`, `ollama`, ..) and
    /// model. Otherwise the worker follows the configuration. It takes API keys from the environment, or from
    /// `ai.reveal_secret` where the database has pgai's extension.
    ///
    /// So a model in this process can serve a vectorizer that names a server, and pgai's worker still understands the
    /// catalog.
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

    /// Serves only these vectorizers, by id or name. By default the worker serves all. [`run_until`](Self::run_until)
    /// warns of a vectorizer that does not exist, and waits for it.
    #[must_use]
    pub fn vectorizers(mut self, vectorizers: impl IntoIterator<Item = impl Into<VectorizerRef>>) -> Self {
        self.only = vectorizers.into_iter().map(Into::into).collect();
        self
    }

    /// How often an idle worker looks for work. Default: 1 second; at least 10 milliseconds.
    ///
    /// On this crate's catalog a commit wakes an idle worker within milliseconds. The worker listens on a connection of
    /// its own, with the options of the pool's. On pgai's catalog, and behind a pooler that shares connections by the
    /// transaction, it only looks in this interval.
    #[must_use]
    pub fn poll_interval(mut self, poll_interval: Duration) -> Self {
        self.poll_interval = poll_interval.max(SHORTEST_POLL_INTERVAL);
        self
    }

    /// How long other workers leave claimed rows alone if this worker dies. Default: 30 seconds; at least 1 second. A
    /// living worker renews its lease.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.max(SHORTEST_LEASE);
        self
    }

    /// How long a statement may take. After that the worker closes the connection. Default: 1 minute; at least 1
    /// second. Writing a batch may take longer, by 50 milliseconds for each chunk.
    #[must_use]
    pub fn statement_timeout(mut self, statement_timeout: Duration) -> Self {
        self.statement_timeout = statement_timeout.max(SHORTEST_STATEMENT_TIMEOUT);
        self
    }

    /// The number of concurrent requests for each vectorizer. It overrides `processing_default(concurrency => ..)`.
    /// Without either it is [`Embedder::default_concurrency`]: 1 for providers, the number of threads for a model in
    /// this process.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.settings.concurrency = Some(concurrency);
        self
    }

    /// The wait after a row's first failed attempt. It doubles with each attempt, up to 30 minutes. Default: 15
    /// seconds.
    #[must_use]
    pub fn retry_delay(mut self, retry_delay: Duration) -> Self {
        self.settings.retry_delay = Some(retry_delay);
        self
    }

    /// Whether [`run_until`](Self::run_until) ends with the first error that it would otherwise wait out: a provider or
    /// database that fails, a configuration that cannot work, an unknown name in [`vectorizers`](Self::vectorizers). A
    /// row that fails does not end it. Default: `false`.
    #[must_use]
    pub fn stop_on_error(mut self, stop_on_error: bool) -> Self {
        self.stops_on_error = stop_on_error;
        self
    }

    /// The budget of each provider: requests and tokens a minute, and tokens a day. All vectorizers of a provider share
    /// it, and so do all workers of the database that connect as this role: see [`Budget`].
    ///
    /// ```no_run
    /// # fn f(worker: pgai_sea::worker::Worker) -> pgai_sea::worker::Worker {
    /// use pgai_sea::worker::Budget;
    ///
    /// let openai = Budget::new().tokens_per_minute(1_000_000).tokens_per_day(50_000_000);
    /// worker.budget(Budget::new().requests_per_minute(500)).budget_of("openai", openai)
    /// # }
    /// ```
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.settings.budgets.set(budget);
        self
    }

    /// The budget of one provider (`openai`, `cohere`), or of one of its models (`openai/text-embedding-3-small`),
    /// which is then counted by itself. LiteLLM's models have their prefix as provider.
    #[must_use]
    pub fn budget_of(mut self, provider: impl Into<String>, budget: Budget) -> Self {
        self.settings.budgets.set_of(provider.into(), budget);
        self
    }

    /// At most so many rows a second where rows that are there are [queued in the background][backfill], and where all
    /// rows of a vectorizer are embedded anew: a new [generation](crate::change), or after its configuration was
    /// edited. All of them share it, and edits go on at once. By default a backfill goes as fast as its provider.
    ///
    /// [backfill]: crate::CreateVectorizer::backfill
    ///
    /// Of a [`budget`](Self::budget), a backfill takes half at most, whatever is said here.
    #[must_use]
    pub fn backfill_rows_per_second(mut self, rows: u32) -> Self {
        self.settings.backfill = Pace::rows_per_second(rows);
        self
    }

    /// A backfill queues no more rows while a standby is more megabytes behind than this. The worker's role needs
    /// `pg_read_all_stats` to see it. [`status`](crate::catalog::status) says what a backfill waits for.
    #[must_use]
    pub fn backfill_max_lag(mut self, megabytes: u32) -> Self {
        self.settings.most_lag = Some(i64::from(megabytes) << 20);
        self
    }

    /// Says that a shorter vector of this model is the beginning of a longer one, brought back to length 1, as of
    /// models that are trained in the Matryoshka way. A [change](crate::change) to a shorter length then cuts the
    /// vectors that are there, and pays for none. OpenAI's `text-embedding-3-small` and `-large` are known to be so.
    #[must_use]
    pub fn nested_model(mut self, provider: impl Into<String>, model: impl Into<String>) -> Self {
        self.settings.nested.push((provider.into(), model.into()));
        self
    }

    /// Lets vectorizers' configurations name this server: `gpu`, `10.0.0.5:8080`, `*` for any.
    ///
    /// Whoever may write a vectorizer's row decides where its texts and the API key go. By default a worker sends them
    /// to the providers' own servers, to those of its environment (`OLLAMA_HOST`, `OPENAI_BASE_URL`, ..), and to
    /// Ollama on this machine. It takes the word of owners that it trusts for other servers: superusers, the owner of
    /// the schema `ai`, and its own role. A server that is allowed here is allowed for all, and no other is then.
    ///
    /// ```no_run
    /// # fn f(worker: pgai_sea::worker::Worker) -> pgai_sea::worker::Worker {
    /// worker.allow_host("gpu.internal:8080").allow_key("TEAM_TOKEN")
    /// # }
    /// ```
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.settings.allowed.allow_host(host.into());
        self
    }

    /// Lets vectorizers' configurations name this environment variable, or secret of the database, as `api_key_name`.
    /// Names that end in `_API_KEY` always are allowed. For others it is as with [`allow_host`](Self::allow_host): the
    /// word of trusted owners is taken, unless some name is allowed here.
    #[must_use]
    pub fn allow_key(mut self, name: impl Into<String>) -> Self {
        self.settings.allowed.allow_key(name.into());
        self
    }

    /// Serves vectorizers of documents, too: those with `loading_uri`, and those of a `bytea` column. `documents` says
    /// which addresses may be loaded, and where documents are parsed. Without it such vectorizers wait.
    ///
    /// A document that is not understood makes a dead letter of its row at once. One that cannot be loaded is tried
    /// again as often as `loading_uri(retries => ..)` says. Both leave a sentence in `ai.vectorizer_errors`.
    #[cfg(feature = "documents")]
    #[cfg_attr(docsrs, doc(cfg(feature = "documents")))]
    #[must_use]
    pub fn documents(mut self, documents: Documents) -> Self {
        self.settings.documents = Some(documents);
        self
    }

    /// How often [`run_until`](Self::run_until) looks at its queues, for the gauges of its
    /// [metrics](super#telemetry) and for [`Event::Observed`]. By default it does not; at least every second.
    ///
    /// A look costs what [`catalog::statuses`](crate::catalog::statuses) costs, a few milliseconds for each vectorizer.
    /// It takes one of the pool's connections meanwhile.
    #[must_use]
    pub fn observe_every(mut self, every: Duration) -> Self {
        self.observes = Some(every.max(Duration::from_secs(1)));
        self
    }

    /// Calls `hook` with each [`Event`]: progress, a batch that was written, a row that was given up, a vectorizer that
    /// waits. The hook should return soon, because its vectorizer waits for it.
    ///
    /// ```no_run
    /// # fn f(worker: pgai_sea::worker::Worker) -> pgai_sea::worker::Worker {
    /// use pgai_sea::worker::Event;
    ///
    /// worker.on_event(|event| match event {
    ///     Event::DeadLetter(letter) => eprintln!("{:?} is not searchable: {}", letter.key, letter.reason),
    ///     Event::Waiting { vectorizer, reason } => eprintln!("{vectorizer} waits: {reason}"),
    ///     Event::Progress(progress) => println!("{}: {} rows left", progress.vectorizer, progress.pending),
    ///     _ => {}
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn on_event(mut self, hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.events = EventHook::new(hook);
        self
    }

    /// The pool beneath the connection.
    pub(super) fn pool(&self) -> Result<PgPool, WorkerError> {
        // sea-orm panics when another connection is asked for its pool
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
        assert_eq!(worker.settings.lease, Duration::from_secs(1));
        assert_eq!(worker.poll_interval, Duration::from_millis(10));
    }
}
