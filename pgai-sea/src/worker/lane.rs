//! One vectorizer being worked on: batches are claimed while there is something to claim, several at once as configured, and trouble
//! makes this vectorizer wait and no other.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::{PgPool, Row as _, query};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::assignment::{Assignment, Terms};
use super::embedders::Embedders;
use super::error::WorkerError;
use super::indexer::{Indexer, Looked};
use super::pipeline::{self, Batch};
use super::progress::{Hook, Progress};
use super::report::VectorizerReport;
use super::retry::Backoff;
use super::tracking::Tracking;
use super::trouble::Trouble;
use crate::catalog::Vectorizer;

/// A provider or database that fails is asked again after this, and then after twice the time, ..
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// .. up to this.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// A single run gives a provider so many chances in a row.
const CHANCES: u32 = 5;
/// How often a single run looks whether other workers are done.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often progress is told and counted at most.
const TELL: Duration = Duration::from_millis(250);
/// The same trouble is recorded again after this.
const RECORD_AGAIN: Duration = Duration::from_mins(10);

/// Whether a lane ends with the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It ends when nothing is left.
    Once,
    /// It looks for work again and again.
    Forever,
}

/// What all lanes of a worker share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) pool: PgPool,
    pub(crate) embedders: Embedders,
    pub(crate) terms: Terms,
    pub(crate) poll_interval: Duration,
    pub(crate) tracking: Tracking,
    pub(crate) hook: Hook,
    pub(crate) mode: Mode,
}

/// Works on one vectorizer until told to stop, or in a single run until its queue is empty.
pub(crate) struct Lane {
    shared: Shared,
    stop: watch::Receiver<bool>,
    report: VectorizerReport,
    backoff: Backoff,
    indexer: Indexer,
    /// The last trouble that was recorded, and when.
    recorded: Option<(String, Instant)>,
    /// Rows done that the catalog has not been told of.
    untold: u64,
    told: Option<Instant>,
}

/// What to do after trouble.
enum Next {
    Wait(Duration),
    End,
    Fail(WorkerError),
}

impl Lane {
    pub(crate) fn new(shared: Shared, vectorizer: &Vectorizer, stop: watch::Receiver<bool>) -> Self {
        Self {
            shared,
            stop,
            report: VectorizerReport::new(vectorizer.id, &vectorizer.name),
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            indexer: Indexer::new(),
            recorded: None,
            untold: 0,
            told: None,
        }
    }

    /// Runs the lane. An error is the database's, in a single run.
    pub(crate) async fn run(
        mut self,
        vectorizer: Vectorizer,
        key_order: Vec<String>,
    ) -> (VectorizerReport, Option<WorkerError>) {
        // kept over a provider's troubles: it knows what worked, and vectors that are not written yet
        let mut prepared: Option<Arc<Assignment>> = None;
        let error = loop {
            if self.is_stopped() {
                break None;
            }
            let ready = match prepared.take() {
                Some(assignment) => Ok(assignment),
                None => self.prepare(&vectorizer, &key_order).await,
            };
            let trouble = match ready {
                Ok(assignment) => match self.work(Arc::clone(&assignment)).await {
                    Some(trouble @ (Trouble::Provider { .. } | Trouble::Database(_))) => {
                        prepared = Some(assignment);
                        trouble
                    }
                    Some(trouble) => trouble,
                    None => break None,
                },
                Err(trouble) => trouble,
            };
            match self.after(trouble).await {
                Next::Wait(wait) => self.rest(wait).await,
                Next::End => break None,
                Next::Fail(error) => break Some(error),
            }
        };
        self.tell_catalog().await;
        (self.report, error)
    }

    async fn prepare(&self, vectorizer: &Vectorizer, key_order: &[String]) -> Result<Arc<Assignment>, Trouble> {
        let Shared {
            pool, embedders, terms, ..
        } = &self.shared;
        Assignment::new(pool, vectorizer, key_order, embedders, terms)
            .await
            .map(Arc::new)
    }

    /// Works until the queue is empty or the lane is stopped, which is no trouble, or until there is some.
    async fn work(&mut self, assignment: Arc<Assignment>) -> Option<Trouble> {
        let pool = self.shared.pool.clone();
        // One more than are embedded at once: it is claimed and read, or written, meanwhile.
        let most = assignment.concurrency + 1;
        let mut batches: JoinSet<Batch> = JoinSet::new();
        let mut trouble = None;
        loop {
            while trouble.is_none() && batches.len() < most && !self.is_stopped() {
                let claim = assignment
                    .queue
                    .claim(&pool, assignment.batch_size.into(), assignment.lease)
                    .await;
                match claim {
                    Ok(Some(claim)) => {
                        batches.spawn(pipeline::run(pool.clone(), Arc::clone(&assignment), claim));
                    }
                    Ok(None) => break,
                    Err(error) => trouble = Some(Trouble::from(error)),
                }
            }
            if batches.is_empty() {
                self.tell(&assignment, true).await;
                if trouble.is_some() || self.is_stopped() {
                    return trouble;
                }
                assignment.forget();
                self.tend_index(&assignment, true).await;
                match self.idle(&assignment).await {
                    Ok(true) => return None,
                    Ok(false) => {}
                    Err(error) => return Some(error.into()),
                }
            } else if let Ok(Some(ended)) = timeout(self.shared.poll_interval, batches.join_next()).await {
                match ended {
                    Ok(batch) => trouble = self.count(batch).or(trouble),
                    Err(error) => trouble = Some(Trouble::Refused(format!("a batch broke off: {error}"))),
                }
                self.tell(&assignment, false).await;
                self.tend_index(&assignment, false).await;
            }
        }
    }

    /// Nothing could be claimed: waits, or answers that the run is over.
    async fn idle(&mut self, assignment: &Arc<Assignment>) -> Result<bool, sea_orm::sqlx::Error> {
        if self.shared.mode == Mode::Forever {
            self.rest(self.shared.poll_interval).await;
            return Ok(false);
        }
        let outlook = assignment.queue.outlook(&self.shared.pool).await?;
        self.report.waiting = u64::try_from(outlook.deferred).unwrap_or_default();
        if outlook.locked + outlook.leased == 0 {
            let looked = self.indexer.finish(&self.shared.pool, assignment).await;
            self.index_ended(looked).await;
            return Ok(true);
        }
        debug!(
            vectorizer = assignment.name,
            locked = outlook.locked,
            leased = outlook.leased,
            "other workers have the rest"
        );
        self.rest(LOOK_AGAIN).await;
        Ok(false)
    }

    /// Looks after the index, in the background; a run that ends with the queue does so at its end.
    async fn tend_index(&mut self, assignment: &Arc<Assignment>, is_idle: bool) {
        if self.shared.mode == Mode::Once && is_idle {
            return;
        }
        let written = self.report.chunks_written;
        if let Some(looked) = self.indexer.tend(&self.shared.pool, assignment, is_idle, written) {
            self.index_ended(looked).await;
        }
    }

    async fn index_ended(&mut self, looked: Result<Looked, sea_orm::sqlx::Error>) {
        match looked {
            Ok(looked) => self.report.index_built |= looked == Looked::Built,
            Err(error) => {
                // searches are slower without it, and that is all
                let message = format!("the index over the embeddings cannot be built: {error}");
                warn!(vectorizer = self.report.name, %error, "the index over the embeddings cannot be built");
                self.record("index cannot be built", &message).await;
                self.report.error(message);
            }
        }
    }

    fn count(&mut self, batch: Batch) -> Option<Trouble> {
        let settled = &batch.settled;
        self.report.rows += settled.rows;
        self.report.chunks_written += settled.written;
        self.report.chunks_kept += settled.kept;
        self.report.deferred += settled.deferred;
        self.report.dead_letters += settled.dead;
        self.report.texts += batch.texts;
        self.report.requests += batch.requests;
        self.untold += settled.rows;
        if batch.trouble.is_none() {
            self.backoff.reset();
        }
        batch.trouble
    }

    /// Says what is wrong, once, and decides what to do.
    async fn after(&mut self, trouble: Trouble) -> Next {
        let message = trouble.to_string();
        if matches!(trouble, Trouble::Refused(_)) && self.is_withdrawn().await {
            info!(vectorizer = self.report.name, "the vectorizer was dropped or disabled");
            return Next::End;
        }
        warn!(vectorizer = self.report.name, trouble = message, "the vectorizer waits");
        let is_once = self.shared.mode == Mode::Once;
        let gives_up = is_once && self.backoff.failures() + 1 >= CHANCES;
        match trouble {
            Trouble::Database(error) if is_once => return Next::Fail(error.into()),
            // nothing can be recorded where there is no database
            Trouble::Database(_) => return Next::Wait(self.backoff.next(None)),
            Trouble::Provider { retry_after, .. } if !gives_up => {
                self.record("embedding provider failed", &message).await;
                return Next::Wait(self.backoff.next(retry_after));
            }
            Trouble::Provider { .. } => self.record("embedding provider failed", &message).await,
            Trouble::Configuration(_) | Trouble::Refused(_) => {
                self.record("vectorizer cannot be worked on", &message).await;
            }
        }
        self.report.error(message);
        if is_once {
            Next::End
        } else {
            Next::Wait(self.backoff.next(None))
        }
    }

    /// Whether the vectorizer is not to be worked on any more: its tables may be gone then, and that is no error.
    async fn is_withdrawn(&self) -> bool {
        let is_served = "select exists (select from ai.vectorizer where id = $1 and not disabled)";
        let is_served = query(is_served).bind(self.report.id).fetch_one(&self.shared.pool).await;
        matches!(is_served.and_then(|row| row.try_get(0)), Ok(false))
    }

    async fn record(&mut self, what: &str, message: &str) {
        let now = Instant::now();
        if self
            .recorded
            .as_ref()
            .is_some_and(|(last, when)| last == message && now - *when < RECORD_AGAIN)
        {
            return;
        }
        self.recorded = Some((message.to_owned(), now));
        self.shared.tracking.error(self.report.id, message).await;
        let details = json!({"error_reason": message.replace('\0', "")});
        let recorded = super::failure::record_trouble(&self.shared.pool, self.report.id, what, &details).await;
        if let Err(error) = recorded {
            debug!(%error, "the error could not be recorded in the catalog");
        }
    }

    /// Tells person and catalog how far it is; not too often, unless it is the end.
    async fn tell(&mut self, assignment: &Assignment, is_end: bool) {
        let now = Instant::now();
        if !is_end && self.told.is_some_and(|told| now - told < TELL) {
            return;
        }
        if self.untold == 0 && self.told.is_some() {
            return;
        }
        self.told = Some(now);
        self.tell_catalog().await;
        if self.shared.hook.is_set() {
            let pending = assignment
                .queue
                .pending(&self.shared.pool, 1_000_000)
                .await
                .unwrap_or_default();
            self.shared.hook.call(&Progress {
                vectorizer: self.report.name.clone(),
                rows: self.report.rows,
                chunks: self.report.chunks_written,
                pending: u64::try_from(pending).unwrap_or_default(),
            });
        }
    }

    async fn tell_catalog(&mut self) {
        let rows = std::mem::take(&mut self.untold);
        self.shared.tracking.success(self.report.id, rows).await;
    }

    fn is_stopped(&self) -> bool {
        // nobody left who could say so is as good as having said so
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    /// Waits, unless the lane is stopped.
    async fn rest(&mut self, wait: Duration) {
        tokio::select! {
            () = sleep(wait) => {}
            _ = self.stop.wait_for(|stopped| *stopped) => {}
        }
    }
}
