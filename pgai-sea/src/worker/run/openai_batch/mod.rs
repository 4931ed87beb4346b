//! A backfill through OpenAI's batches: half the price, and the vectors come within a day.
//!
//! One process takes a backfill over. It looks at the rows in the order of their key, splits and formats them as a
//! worker does, and hands the texts in, some ten thousand in a batch. When a batch has come back, it queues the rows
//! and embeds them with the vectors of the batch, in the same way as every worker. What changed meanwhile, or failed in
//! the batch, is asked of the provider in the ordinary way.

mod job;
mod options;
mod rows;
mod write;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::{Row as _, query};
use tokio::sync::watch;
use tokio::time::sleep;

pub use self::options::{BatchEvent, BatchReport, OpenAiBatch};

use self::job::Job;
use self::rows::{Rows, TakenOver};
use super::served::{served, understand};
use super::{Mode, Reporter, Shared};
use crate::catalog::{Vectorizer, VectorizerRef};
use crate::embedder::{Batches, EmbedError};
use crate::worker::backoff::{Backoff, random};
use crate::worker::batch::stop_reason::StopReason;
use crate::worker::builder::Worker;
use crate::worker::connection::{Database, On as _, Stopping};
use crate::worker::counts::Counts;
use crate::worker::error::WorkerError;
use crate::worker::prepare::embedder::openai;
use crate::worker::prepare::{PreparedVectorizer, prepare};
use crate::worker::report::VectorizerReport;

/// The most texts of a batch for embeddings.
const MOST_TEXTS: usize = 50_000;
/// The vectors of one batch take about so much memory.
const MOST_MEMORY: usize = 128 << 20;
/// The first wait after a failure, which doubles, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));
/// How often it is looked whether somebody else has left a backfill.
const LOOK: Duration = Duration::from_millis(500);

/// Why an attempt ended.
enum Ended {
    Reason(StopReason),
    Worker(WorkerError),
}

impl<E: Into<StopReason>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Reason(error.into())
    }
}

impl From<EmbedError> for StopReason {
    /// The reason where it is no text's fault. A malformed answer may be a gateway's.
    fn from(error: EmbedError) -> Self {
        let (message, retry_after) = (error.to_string(), error.retry_after());
        if error.is_transient() || matches!(error, EmbedError::Answer { .. }) {
            Self::Provider { message, retry_after }
        } else {
            Self::Configuration(message)
        }
    }
}

/// A run, with all its attempts.
struct Run<'r> {
    worker: Worker,
    shared: Shared,
    options: &'r OpenAiBatch,
    stop: watch::Receiver<bool>,
    holder: String,
    report: BatchReport,
    /// Texts in a batch, which become fewer if OpenAI takes no more.
    texts: usize,
    at_once: usize,
    /// Whether OpenAI has taken a batch of this size. Until then one is handed in at a time.
    has_fitted: bool,
    /// Whether it has begun: then it goes on in spite of failures.
    has_begun: bool,
}

impl Worker {
    /// Embeds what a [backfill](crate::CreateVectorizer::backfill) has left, or the rows of a new
    /// [generation](crate::change), through OpenAI's batch interface: half the price, and the vectors come within a
    /// day.
    ///
    /// It ends when all rows are written. If it is dropped or killed before, call it again: it goes on with the same
    /// batches. Workers embed edits as always, and leave the rest to it. One of them should run. A row that is edited
    /// meanwhile, or fails in its batch, is embedded in the ordinary way.
    ///
    /// ```no_run
    /// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
    /// use pgai_sea::worker::{OpenAiBatch, Worker};
    ///
    /// let report = Worker::new(db.clone()).backfill_by_openai_batch("events", &OpenAiBatch::new()).await?;
    /// println!("{} rows, {} texts for half the price", report.rows, report.texts);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The vectorizer does not exist, has another provider than OpenAI, is one of pgai's catalog, or its server has no
    /// such interface; the key is missing or refused; a batch failed as a whole. It says what to do.
    #[cfg_attr(docsrs, doc(cfg(feature = "embedder")))]
    pub async fn backfill_by_openai_batch(
        &self,
        vectorizer: impl Into<VectorizerRef>,
        options: &OpenAiBatch,
    ) -> Result<BatchReport, WorkerError> {
        // both are told of nothing: who wants to stop drops the future
        let ((_stopping, when), (_stop, stopped)) = (watch::channel(None), watch::channel(false));
        let mut run = self.run(vectorizer.into(), options, when, stopped)?;
        let mut backoff = Backoff::new(WAITS.0, WAITS.1);
        loop {
            let before = run.report.clone();
            let ended = match Box::pin(run.attempt()).await {
                Ok(()) => return Ok(run.report),
                Err(ended) => ended,
            };
            if run.report != before {
                backoff.reset();
            }
            let (reason, wait) = match ended {
                Ended::Worker(error) if !run.has_begun => return Err(error),
                Ended::Worker(error) => (error.to_string(), backoff.next(None)),
                Ended::Reason(reason) => {
                    let (is_over, asked) = match &reason {
                        StopReason::Configuration(_) | StopReason::Refused(_) => (true, None),
                        StopReason::Provider { retry_after, .. } => (!run.has_begun, *retry_after),
                        StopReason::Spent { wait, .. } => (false, Some(*wait)),
                        StopReason::Database(_) | StopReason::Cancelled(_) => (!run.has_begun, None),
                        StopReason::Reconfigured => (false, None),
                    };
                    if is_over {
                        return Err(run.stopped(&reason));
                    }
                    (reason.to_string(), backoff.next(asked))
                }
            };
            options.waits(reason);
            sleep(wait).await;
        }
    }

    /// Gives up a [backfill through batches](Self::backfill_by_openai_batch): workers queue and embed the rows that are
    /// left. Batches that are at OpenAI are cancelled there, as far as it can be asked. Returns how many, or `None` if
    /// no such backfill was under way.
    ///
    /// # Errors
    ///
    /// The database's.
    #[cfg_attr(docsrs, doc(cfg(feature = "embedder")))]
    pub async fn cancel_openai_batch(
        &self,
        vectorizer: impl Into<VectorizerRef>,
        options: &OpenAiBatch,
    ) -> Result<Option<u64>, WorkerError> {
        let ((_stopping, when), (_stop, stopped)) = (watch::channel(None), watch::channel(false));
        let mut run = self.run(vectorizer.into(), options, when, stopped)?;
        match Box::pin(run.cancel()).await {
            Ok(cancelled) => Ok(cancelled),
            Err(Ended::Worker(error)) => Err(error),
            Err(Ended::Reason(reason)) => Err(run.stopped(&reason)),
        }
    }

    fn run<'r>(
        &self,
        vectorizer: VectorizerRef,
        options: &'r OpenAiBatch,
        stopping: Stopping,
        stop: watch::Receiver<bool>,
    ) -> Result<Run<'r>, WorkerError> {
        let worker = Self {
            only: vec![vectorizer],
            ..self.clone()
        };
        let mut shared = worker.shared(Mode::Once, stopping)?;
        // of this run alone
        shared.settings.given = Arc::default();
        Ok(Run {
            worker,
            shared,
            options,
            stop,
            holder: format!("{:016x}{:016x}", random(), random()),
            report: BatchReport::default(),
            texts: options.texts,
            at_once: options.at_once,
            has_fitted: false,
            has_begun: false,
        })
    }
}

impl Run<'_> {
    /// Goes on from what the catalog says, to the end.
    async fn attempt(&mut self) -> Result<(), Ended> {
        self.shared.tracking.start().await;
        let Some((vectorizer, prepared)) = self.find().await? else {
            return Ok(());
        };
        let openai = openai(&self.shared.pool, &vectorizer, &self.shared.settings.allowed).await?;
        let batches = openai.batches();
        batches.check().await?;
        let Some(rows) = self.take_over(&vectorizer, Some(&batches)).await? else {
            return Ok(());
        };
        self.has_begun = true;
        self.report.vectorizer = Some(vectorizer.name.clone());
        let dimensions = vectorizer.config.embedding.dimensions().unwrap_or_default();
        let dimensions = usize::try_from(dimensions).unwrap_or_default().max(1);
        let reporter = Reporter::new(
            VectorizerReport::new(vectorizer.id, &vectorizer.name),
            self.shared.pool.clone(),
            self.shared.tracking.clone(),
            self.shared.events.clone(),
            None,
        );
        let mut job = Job {
            most_texts: self.texts.min(MOST_MEMORY / 4 / dimensions).max(1),
            run: self,
            prepared,
            openai,
            batches,
            rows,
            dimensions,
            reporter,
            alone: None,
        };
        let done = job.run().await;
        job.reporter.track().await;
        if done.is_err() {
            job.rows.leave().await;
        }
        done.map_err(Ended::from)
    }

    /// The vectorizer that is meant, or its new generation, whichever has a backfill.
    async fn find(&self) -> Result<Option<(Vectorizer, PreparedVectorizer)>, Ended> {
        let present = self.worker.models(&self.shared.pool).await.map_err(Ended::Worker)?;
        self.worker.check_names(&present).map_err(Ended::Worker)?;
        let served = served(&present);
        if served.is_empty() {
            let paused = "it is paused: `pgai-sea resume` lets workers serve it";
            return Err(StopReason::Configuration(paused.to_owned()).into());
        }
        let mut problem = None;
        for model in &served {
            let known = understand(model).map_err(|error| StopReason::Configuration(error.to_string()))?;
            let Shared {
                pool,
                embedders,
                settings,
                ..
            } = &self.shared;
            match prepare(pool, &known, embedders, settings, self.stop.clone()).await {
                Ok(prepared) => {
                    let Some(backfill) = &prepared.backfill else {
                        return Err(not_kept(pool).await);
                    };
                    if backfill.kept(pool).await?.is_some() {
                        check_table(pool).await?;
                        return Ok(Some((known.vectorizer, prepared)));
                    }
                }
                Err(reason) => problem = Some(reason),
            }
        }
        match problem {
            Some(reason) => Err(reason.into()),
            None => Ok(None),
        }
    }

    /// Takes the backfill over as soon as nobody else is at it.
    async fn take_over(&self, vectorizer: &Vectorizer, batches: Option<&Batches>) -> Result<Option<Rows>, Ended> {
        let (pool, lease) = (self.shared.pool.clone(), self.shared.settings.lease);
        let mut rows = Rows::new(pool, vectorizer.id, self.holder.clone(), lease);
        let mut has_said = false;
        loop {
            match rows.take_over().await? {
                TakenOver::Ours(stale) => {
                    for batch in stale {
                        if let Some(batches) = batches {
                            // of a configuration that is no more
                            batches.cancel(&batch).await.ok();
                        }
                    }
                    return Ok(Some(rows));
                }
                TakenOver::Nothing => return Ok(None),
                TakenOver::Theirs => {
                    if !std::mem::replace(&mut has_said, true) {
                        self.options.waits(format!(
                            "another `pgai-sea backfill` is at it, or was killed less than {} s ago",
                            lease.as_secs_f64()
                        ));
                    }
                    sleep(LOOK.min(lease / 4)).await;
                }
            }
        }
    }

    async fn cancel(&mut self) -> Result<Option<u64>, Ended> {
        let present = self.worker.models(&self.shared.pool).await.map_err(Ended::Worker)?;
        self.worker.check_names(&present).map_err(Ended::Worker)?;
        check_table(&self.shared.pool).await?;
        for model in served(&present) {
            let known = understand(&model).map_err(|error| StopReason::Configuration(error.to_string()))?;
            let held = "select exists (select from ai.vectorizer_generation g where g.vectorizer_id = $1 \
                        and g.backfill ? 'batch')";
            let held = query(held).bind(model.id).one_on(&self.shared.pool).await?;
            if !held.try_get::<bool, _>(0)? {
                continue;
            }
            // without a key nothing can be cancelled there, and the rows are given back all the same
            let openai = openai(&self.shared.pool, &known.vectorizer, &self.shared.settings.allowed).await;
            let batches = openai.ok().map(|openai| openai.batches());
            let Some(mut rows) = self.take_over(&known.vectorizer, batches.as_ref()).await? else {
                continue;
            };
            let mut cancelled = 0;
            for row in rows.all().await? {
                if let (Some(batches), Some(batch), false) = (&batches, &row.batch, row.is_ended()) {
                    cancelled += u64::from(batches.cancel(batch).await.is_ok());
                }
            }
            rows.give_back().await?;
            return Ok(Some(cancelled));
        }
        Ok(None)
    }

    fn stopped(&self, reason: &StopReason) -> WorkerError {
        let then = if self.has_begun {
            "; correct it and call the same again: it goes on where it was, and pays for nothing twice"
        } else {
            ""
        };
        let asked = self.worker.only.first().map(ToString::to_string);
        WorkerError::Stopped {
            vectorizer: self.report.vectorizer.clone().or(asked).unwrap_or_default(),
            message: format!("{reason}{then}"),
        }
    }

    fn add(&mut self, counts: Counts) {
        self.report.rows += counts.rows;
        self.report.ordinary_texts += counts.texts;
    }
}

/// Why no backfill is kept for a vectorizer.
async fn not_kept(pool: &Database) -> Ended {
    let ours = "select to_regclass('ai.pgai_sea_migration') is not null";
    let row = match query(ours).one_on(pool).await {
        Ok(row) => row,
        Err(error) => return error.into(),
    };
    let is_ours = matches!(row.try_get(0), Ok(true));
    Ended::Reason(StopReason::Configuration(if is_ours {
        older()
    } else {
        "pgai's schema queues all rows at once, and they cannot go through batches: let workers embed it, with \
         `pgai-sea worker`"
            .to_owned()
    }))
}

fn older() -> String {
    "the schema `ai` is of an earlier version, which keeps no batches: run `pgai-sea install`".to_owned()
}

/// Whether batches can be kept.
async fn check_table(pool: &Database) -> Result<(), Ended> {
    let may = "select to_regclass('ai.vectorizer_batch') is not null, \
               coalesce((select bool_and(has_table_privilege(to_regclass('ai.vectorizer_batch'), p)) \
               from unnest('{select,insert,update,delete}'::text[]) p), false)";
    let row = query(may).one_on(pool).await?;
    let problem = match (row.try_get(0)?, row.try_get(1)?) {
        (true, true) => return Ok(()),
        (false, _) => older(),
        (true, false) => "this role may not keep batches: run `GRANT SELECT, INSERT, UPDATE, DELETE ON \
                          ai.vectorizer_batch TO` it"
            .to_owned(),
    };
    Err(StopReason::Configuration(problem).into())
}
