//! The worker: keeps every vectorizer's embeddings those of its source rows' current text.
//!
//! [`Worker`] serves all vectorizers of a database. Nothing is added to the catalog for it: it works on a queue as pgai made it, beside
//! pgai's own worker and others of its kind.
//!
//! # Protocol
//!
//! What does not answer within [`Worker::statement_timeout`] is taken for gone, and what it was asked for either done or not.
//!
//! **Claim** (one statement). Due queue rows are locked, passing over locked ones; keys whose advisory lock is held are left out, the
//! lock being the one that pgai's worker holds from its claim to its write; the rows of the other keys get a *stamp*, a moment in the future,
//! in `loading_retry_after`. A stamped row is due for nobody. The stamp is moved on while the worker lives, and runs out when it does not.
//!
//! **Read** (after the claim, each statement its own transaction). The rows as they are now: everything that the claimed queue rows speak of was
//! committed before. Then no transaction is open until all vectors are there.
//!
//! **Write** (one short transaction, READ COMMITTED, whatever the default). Each statement sees what was committed before it began, so that
//! what a lock protects has to be looked at in a later statement than the lock.
//!
//! 1. The keys' advisory locks, tried, and then `FOR KEY SHARE SKIP LOCKED` on the source's rows: in one statement, which has its read lock on the
//!    table before it does either. From here on none of these rows is deleted, changes its key or is truncated away, and nobody else writes
//!    these keys. Who holds a lock already is not waited for: its keys go back to the queue.
//! 2. Rows that were not locked, or are another version (place and `xmin`) than was read, are read again: gone, other text, or the same.
//!    What stands in the store is compared with what the change was planned on.
//! 3. Queue rows are deleted by key *and* stamp. None left: the lease ran out and another worker has the key; nothing is written for it.
//! 4. The store is changed to hold exactly the new chunks; chunks that did not change keep their row or at least their embedding.
//!
//! Why nothing stale is left once the queue is empty:
//!
//! - *An edit* before step 1 makes another version; with other text the key goes back to the queue, or, if a later row of it is in the
//!   queue under the key's lock, is written as it was read: that row stays, and leads to the text that came after. An edit after it, which step 1 does not
//!   hinder, has put a row without this stamp into the queue, which step 3 leaves there.
//! - *A delete or key change* before step 1: the row is not found in step 2, its embeddings go. Open during step 1: the row is locked, the key goes
//!   back. After step 1: it waits for the commit, and its trigger then sees and deletes what was written.
//! - *A truncate* waits for the read lock that step 1 takes on the table, or comes first and is seen. The write touches the source before queue
//!   and store, as the truncating trigger does, and claim and read touch one of them per transaction, so that nobody waits in a circle.
//! - *A second worker*, pgai's too, cannot hold the advisory lock at the same time; what it wrote before is seen in step 2.
//! - *A death* before the commit leaves the lease to run out, one after it nothing.
//!
//! One thing is beyond this protocol: a transaction at REPEATABLE READ or above that deletes a row (or changes its key), and whose snapshot is
//! older than the embeddings' commit, does not see them, and they stay. The triggers of this crate's catalog queue the key in such a transaction, and
//! the worker then finds the row gone. pgai's do not: there the worker sweeps the stores, a thousand chunks at a time, for keys without a row
//! and queues them, every hour, or at the end of a single run (100,000 chunks in each). On either catalog it does so for a partitioned source,
//! as no trigger sees a partition that is dropped, detached or truncated by its own name.
//!
//! # Waking up
//!
//! An idle worker is woken by the commit of whoever queues a row: this crate's triggers notify, but only while a worker sleeps, since
//! notifications are committed one after the other on the whole server. On pgai's catalog, and where transactions can be prepared or a pooler keeps
//! notifications to itself, a worker lets the server look every 50 milliseconds whether any transaction has ended, or asks it
//! ([`Worker::wake_interval`]).
//! [`Worker::poll_interval`] is how often it looks for work whatever it hears.
//!
//! # Telemetry
//!
//! Every request to a provider is a `tracing` span with the names of OpenTelemetry's semantic conventions for generative AI
//! (`gen_ai.operation.name`, `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.usage.input_tokens`, `server.address`, `error.type`), of the
//! level INFO. Metrics are events of the target `pgai_sea::metrics` and the level TRACE, in the form that the `MetricsLayer` of the crate
//! tracing-opentelemetry collects: `gen_ai.client.operation.duration` (seconds), `gen_ai.client.token.usage`, and the counters
//! `pgai_sea.rows`, `pgai_sea.chunks`, `pgai_sea.rows_deferred` and `pgai_sea.dead_letters`.
//!
//! ```text
//! tracing_subscriber::registry()
//!     .with(tracing_opentelemetry::layer().with_tracer(tracer))
//!     .with(MetricsLayer::new(meter_provider))
//!     .with(tracing_subscriber::fmt::layer().with_filter(LevelFilter::INFO))
//!     .init();
//! ```
//!
//! # Failures
//!
//! A provider that is down, slow or limits the rate makes its vectorizer wait, longer each time, and no row is blamed. A text that it refuses is
//! found by splitting the request; the row's attempts are counted in `loading_retries`, and after the first one and as many more as
//! `loading_column(retries => ..)` says it goes to the table of dead letters, without embeddings, its reasons in `ai.vectorizer_errors`,
//! until an edit is embedded or it is [retried](crate::catalog::retry_failed).
//!
//! No text is blamed before the provider has vouched for itself by embedding another one beside it: one of the batch, or else the words
//! `hello world`, which it is asked for once. An answer that is none (a gateway's page, JSON cut short) is therefore the provider's trouble, and
//! nobody's attempt, for as long as no text gets a better one. Requests that go on failing become smaller, down to one text, and grow
//! again with success: for a provider whose minute has fewer tokens than a batch, or that takes longer for it than the timeout. A text that
//! fails alone while others are embedded waits, and the third time that is counted as its attempt: it breaks what should embed it.
//!
//! A row that cannot be read, since it has bytes that are no text or is damaged, is found one by one and charged, and so is a text on which an
//! embedder of one's own panics.
//!
//! A row that the database refuses to write, by a constraint, a limit or a trigger of one's own, is found one by one; it is charged if other rows
//! are or were written.
//!
//! A [`Budget`] keeps a provider from being asked more than it allows in a minute. What has to wait for it stays leased, and no row is
//! charged.
//!
//! # Memory
//!
//! A batch is read up to 16 MB of the loaded column, 4,096 new chunks and 32 MB of what the template made of them, but at least one row, of which
//! the template may make 256 MB; the rest of what was claimed goes back to the queue.
//! Vectors that could not be written yet, since their row is held or has more chunks than the provider's minute allows, are remembered until the
//! queue is empty.
//!
//! # Indexes
//!
//! A vectorizer's HNSW or StreamingDiskANN index is built as its `indexing` says: when its store has `min_rows` rows and, unless
//! `create_when_queue_empty` is false, its queue is empty. The build holds up neither writers nor the worker.
//!
//! # Rights
//!
//! A role that a vectorizer was granted to (`grant_to`) can run a worker on this crate's catalog. It reads and locks source rows through a
//! view, `ai._vectorizer_src_<id>`, and can change nothing of them but the embedding, where that is a column of the source. On pgai's
//! catalog it needs more than pgai grants, because locking a row takes the right to update some column of its table: what is missing is
//! looked for before anything is claimed, and the statements that grant it are in the vectorizer's error.
//! Building an index takes the store's owner.
//!
//! A worker has to see every row: one that row-level security hides looks deleted. Where a policy may hide some from its role, on this crate's
//! catalog from the owner of that view, it does nothing and says which policy to create.

mod backoff;
mod batch;
mod builder;
mod connection;
mod embed;
mod error;
mod event;
mod maintenance;
mod notify;
mod panics;
mod prepare;
mod progress;
mod protocol;
mod queue;
mod report;
mod run;
mod write;

pub use self::builder::Worker;
#[cfg(feature = "cli")]
pub(crate) use self::builder::{SHORTEST_LEASE, SHORTEST_POLL_INTERVAL};
pub use self::embed::Budget;
pub use self::error::WorkerError;
pub use self::event::{BatchDone, DeadLetter, Event};
pub use self::progress::Progress;
pub use self::report::{Report, VectorizerReport};
