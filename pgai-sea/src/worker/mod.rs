//! The worker keeps embeddings up to date with the text of their rows.
//!
//! Run it in the application's process, or as the command `pgai-sea worker`.
//!
//! ```no_run
//! # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
//! use pgai_sea::worker::{Event, Worker};
//!
//! let worker = Worker::new(db.clone()).on_event(|event| match event {
//!     Event::DeadLetter(letter) => eprintln!("{:?} was given up: {}", letter.key, letter.reason),
//!     Event::Waiting { vectorizer, reason } => eprintln!("{vectorizer} waits: {reason}"),
//!     _ => {}
//! });
//! worker.run_once().await?; // until the queues are empty
//! worker.run_until(tokio::signal::ctrl_c()).await?; // until it is told to stop
//! # Ok(())
//! # }
//! ```
//!
//! [`Worker`] serves all vectorizers of a database. The catalog needs nothing for it. It works on queues as pgai makes
//! them, beside pgai's own worker and others of its kind. A worker that is killed loses nothing and leaves nothing
//! twice. ARCHITECTURE.md in the repository says how.
//!
//! | option | default | meaning |
//! |---|---|---|
//! | [`embedder`](Worker::embedder) | the configuration's | embeds with this where a vectorizer names its provider and
//! model |
//! | [`vectorizers`](Worker::vectorizers) | all | serves only these |
//! | [`concurrency`](Worker::concurrency) | the configuration's | concurrent requests for each vectorizer |
//! | [`budget`](Worker::budget), [`budget_of`](Worker::budget_of) | none | requests and tokens a minute, tokens a day |
//! | `documents` | none | how vectorizers of documents are served, with the feature `documents` |
//! | [`poll_interval`](Worker::poll_interval) | 1 s | how often an idle worker looks for work |
//! | [`lease`](Worker::lease) | 30 s | how long claimed rows stay reserved if the worker dies |
//! | [`retry_delay`](Worker::retry_delay) | 15 s | the wait after a row's first failed attempt |
//! | [`statement_timeout`](Worker::statement_timeout) | 1 min | how long a statement may take |
//! | [`stop_on_error`](Worker::stop_on_error) | no | ends with the first error instead of waiting |
//! | [`observe_every`](Worker::observe_every) | never | how often the worker looks at its queues, for gauges and
//! [`Event::Observed`] |
//! | [`on_event`](Worker::on_event) | none | hears of progress, batches, dead letters and waiting vectorizers |
//!
//! # What fails
//!
//! A provider that is down, slow or limits the rate makes its vectorizer wait, longer each time. No row is charged.
//!
//! A text that the provider refuses counts as an attempt of its row. So does a row that cannot be read, a text on which
//! an embedder panics, and a row that the database refuses to write. After the first attempt and as many more as
//! `loading_column(retries => ..)` says, the row is a dead letter: it has no embeddings, and `ai.vectorizer_errors` has
//! the reasons. It is embedded again after an edit, or when it is [retried](crate::catalog::retry_failed).
//!
//! # Privileges
//!
//! On this crate's catalog, a role that a vectorizer was granted to (`grant_to`) can run a worker. It reads and locks
//! source rows through a view, `ai._vectorizer_src_<id>`. It can change nothing of them but the embedding, if that is a
//! column of the source. On pgai's catalog the role needs more than pgai grants, because locking a row takes the
//! privilege to update some column of its table. The worker looks for missing privileges before it claims anything. The
//! vectorizer's error has the statements that grant them. Only the store's owner can build an index.
//!
//! A worker has to see every row, because a row that row-level security hides looks deleted. If a policy may hide rows
//! from the worker's role (on this crate's catalog from the owner of that view), the worker does nothing and says which
//! policy to create.
//!
//! # Indexes
//!
//! The worker builds a vectorizer's HNSW or StreamingDiskANN index as `indexing` says: when the store has `min_rows`
//! rows and the queue is empty, or without waiting for that if `create_when_queue_empty` is false. Rows that are queued
//! in the background are all embedded before. The build holds up neither writers nor the worker.
//!
//! # Backfills
//!
//! Where rows are [queued in the background](crate::CreateVectorizer::backfill), the worker queues them a few at a
//! time, as fast as they are embedded. With the feature `embedder`, `backfill_by_openai_batch` does so for half the
//! price, through OpenAI's batch interface.
//!
//! # Telemetry
//!
//! Every request to a provider is a `tracing` span of the level INFO. It has the names of OpenTelemetry's semantic
//! conventions for generative AI: `gen_ai.operation.name`, `gen_ai.provider.name`, `gen_ai.request.model`,
//! `gen_ai.usage.input_tokens`, `server.address`, `error.type`. Metrics are events of the target `pgai_sea::metrics`
//! and the level TRACE. The `MetricsLayer` of the crate tracing-opentelemetry collects them:
//! `gen_ai.client.operation.duration` (seconds), `gen_ai.client.token.usage`, and the counters `pgai_sea.rows`,
//! `pgai_sea.chunks`, `pgai_sea.rows_deferred` and `pgai_sea.dead_letters`. With
//! [`observe_every`](Worker::observe_every) there are gauges too: `pgai_sea.queue.rows`, `pgai_sea.queue.due_rows`,
//! `pgai_sea.queue.oldest_age` (seconds, by the server's clock), `pgai_sea.rows_given_up`, `pgai_sea.source.rows`,
//! `pgai_sea.source.embedded_rows`, and `pgai_sea.vectorizer.state`, which is 1 for the state that
//! `pgai_sea.vectorizer.state.name` says and 0 for the others.
//!
//! `pgai-sea worker --listen` shows the same numbers as Prometheus text.
//!
//! ```text
//! tracing_subscriber::registry()
//!     .with(tracing_opentelemetry::layer().with_tracer(tracer))
//!     .with(MetricsLayer::new(meter_provider))
//!     .with(tracing_subscriber::fmt::layer().with_filter(LevelFilter::INFO))
//!     .init();
//! ```

mod backfill;
mod backoff;
mod batch;
mod builder;
mod connection;
mod counts;
mod database_error;
mod embed;
mod error;
mod event;
mod maintenance;
mod notify;
mod pace;
mod panics;
mod prepare;
mod protocol;
mod queue;
mod report;
mod run;
mod store_identity;
#[cfg(test)]
mod tests;
mod write;

pub use self::builder::Worker;
#[cfg(feature = "cli")]
pub(crate) use self::builder::{SHORTEST_LEASE, SHORTEST_POLL_INTERVAL};
pub use self::counts::Counts;
pub use self::embed::Budget;
pub use self::error::WorkerError;
pub use self::event::{BatchDone, Event, NewDeadLetter, Progress};
pub use self::report::{Report, VectorizerReport};
#[cfg(feature = "embedder")]
#[cfg_attr(docsrs, doc(cfg(feature = "embedder")))]
pub use self::run::{BatchEvent, BatchReport, OpenAiBatch};
#[cfg(feature = "cli")]
pub(crate) use crate::search::METRICS;
