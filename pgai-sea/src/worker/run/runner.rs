//! One vectorizer being worked on: batches are claimed while there is something to claim, several at once as configured, and trouble
//! makes this vectorizer wait and no other.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::{Row as _, query};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::error_deduplication::Recorded;
use super::reporting::Counted;
use crate::catalog::Vectorizer;
use crate::worker::backoff::Backoff;
use crate::worker::batch::stop_reason::Trouble;
use crate::worker::batch::{self, Batch};
use crate::worker::connection::{Database, On as _};
use crate::worker::error::WorkerError;
use crate::worker::event::{Event, Hook};
use crate::worker::maintenance::index_schedule::Indexer;
use crate::worker::maintenance::orphans::Sweeper;
use crate::worker::notify::{Alarm, Sleeper};
use crate::worker::prepare::embedder::Embedders;
use crate::worker::prepare::{Assignment, Terms};
use crate::worker::progress::Progress;
use crate::worker::queue::Place;
use crate::worker::queue::key_sql::Sql;
use crate::worker::report::VectorizerReport;
use crate::worker::run::tracking::{Done, Tracking};

/// A provider or database that fails is asked again after this, and then after twice the time, ..
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// .. up to this.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// A single run gives a provider so many chances in a row.
const CHANCES: u32 = 5;
/// How often a single run looks whether other workers are done.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What is recorded of a provider's trouble.
pub(super) const PROVIDER_FAILED: &str = "embedding provider failed";

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
    pub(crate) pool: Database,
    pub(crate) embedders: Embedders,
    pub(crate) terms: Terms,
    pub(crate) poll_interval: Duration,
    pub(crate) tracking: Tracking,
    pub(crate) hook: Hook<Progress>,
    pub(crate) events: Hook<Event>,
    pub(crate) mode: Mode,
    /// What wakes lanes that run on.
    pub(crate) alarm: Alarm,
    /// Where trouble goes that the worker is to stop for, if it is.
    pub(crate) failed: Option<mpsc::UnboundedSender<WorkerError>>,
}

/// Works on one vectorizer until told to stop, or in a single run until its queue is empty.
pub(crate) struct Lane {
    pub(super) shared: Shared,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) report: VectorizerReport,
    pub(super) backoff: Backoff,
    pub(super) indexer: Indexer,
    pub(super) sweeper: Sweeper,
    pub(super) has_swept: bool,
    pub(super) recorded: Recorded,
    /// What was done that the catalog has not been told of.
    pub(super) untold: Done,
    pub(super) told: Option<Instant>,
    /// What was in the queue when it was counted, if it was.
    pub(super) counted: Option<Counted>,
    /// Since when there is work without a pause.
    pub(super) busy: Option<Instant>,
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
            sweeper: Sweeper::new(),
            has_swept: false,
            recorded: Recorded::default(),
            untold: Done::default(),
            told: None,
            counted: None,
            busy: None,
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
                // before its first row, or waiting because of trouble
                self.report.is_unfinished = self.is_once();
                break None;
            }
            let ready = match prepared.take() {
                Some(assignment) => Ok(assignment),
                None => self.prepare(&vectorizer, &key_order).await,
            };
            let trouble = match ready {
                Ok(assignment) => match self.work(Arc::clone(&assignment)).await {
                    Some(trouble @ (Trouble::Provider { .. } | Trouble::Cancelled(_) | Trouble::Database(_))) => {
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
        Assignment::new(pool, vectorizer, key_order, embedders, terms, self.stop.clone())
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
        let mut place = Place::front();
        let peek = Sql::clone(&assignment.queue.peek);
        let mut sleeper = match self.shared.alarm.sleeper(&pool, self.report.id, peek).await {
            Ok(sleeper) => sleeper,
            Err(error) => return Some(error.into()),
        };
        loop {
            let mut is_exhausted = false;
            while trouble.is_none() && batches.len() < most && !self.is_stopped() {
                let claim = assignment
                    .queue
                    .claim(&pool, assignment.batch_size.into(), assignment.lease, &mut place)
                    .await;
                match claim {
                    Ok(Some(claim)) => {
                        sleeper.rise();
                        self.busy.get_or_insert_with(Instant::now);
                        batches.spawn(batch::run(pool.clone(), Arc::clone(&assignment), claim));
                    }
                    Ok(None) => {
                        is_exhausted = true;
                        break;
                    }
                    Err(error) => trouble = Some(Trouble::from(error)),
                }
            }
            if batches.is_empty() {
                self.tell(&assignment, true).await;
                self.busy = None;
                if trouble.is_some() {
                    return trouble;
                }
                if self.is_stopped() {
                    self.report.is_unfinished =
                        self.is_once() && !matches!(assignment.queue.pending(&pool, 1).await, Ok(0));
                    return None;
                }
                if let Err(error) = assignment.forget(&pool).await {
                    return Some(error.into());
                }
                self.tend_store(&assignment, true).await;
                match self.idle(&assignment, &mut sleeper).await {
                    Ok(true) => return None,
                    Ok(false) => {}
                    Err(error) => return Some(error.into()),
                }
                continue;
            }
            let poll_interval = self.shared.poll_interval;
            let ended = tokio::select! {
                ended = batches.join_next() => ended,
                // there may be more to claim meanwhile
                () = sleeper.rest(poll_interval), if is_exhausted => None,
                () = sleep(poll_interval), if !is_exhausted => None,
            };
            if let Some(ended) = ended {
                match ended {
                    Ok(batch) => trouble = self.count(batch).or(trouble),
                    Err(error) => trouble = Some(Trouble::Refused(format!("a batch broke off: {error}"))),
                }
                self.tell(&assignment, false).await;
                self.tend_store(&assignment, false).await;
            }
        }
    }

    /// Nothing could be claimed: waits, or answers that the run is over.
    async fn idle(
        &mut self,
        assignment: &Arc<Assignment>,
        sleeper: &mut Sleeper,
    ) -> Result<bool, sea_orm::sqlx::Error> {
        if self.shared.mode == Mode::Forever {
            tokio::select! {
                () = sleeper.rest(self.shared.poll_interval) => {}
                _ = self.stop.wait_for(|stopped| *stopped) => {}
            }
            return Ok(false);
        }
        let outlook = assignment.queue.outlook(&self.shared.pool).await?;
        self.report.waiting = u64::try_from(outlook.deferred).unwrap_or_default();
        if outlook.locked + outlook.leased == 0 {
            let mut stop = self.stop.clone();
            return Ok(tokio::select! {
                is_over = self.end(assignment) => is_over,
                _ = stop.wait_for(|stopped| *stopped) => true,
            });
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

    /// What is left to do when the queue is empty; answers whether that put nothing into it.
    async fn end(&mut self, assignment: &Arc<Assignment>) -> bool {
        if !self.has_swept {
            self.has_swept = true;
            if self.sweeper.finish(&self.shared.pool, assignment).await {
                return false;
            }
        }
        let looked = self.indexer.finish(&self.shared.pool, assignment).await;
        self.index_ended(looked).await;
        true
    }

    /// Looks after index and orphans, in the background; a run that ends with the queue does so at its end.
    async fn tend_store(&mut self, assignment: &Arc<Assignment>, is_idle: bool) {
        if self.shared.mode == Mode::Forever {
            self.sweeper.tend(&self.shared.pool, assignment);
        } else if is_idle {
            return;
        }
        let written = self.report.chunks_written;
        if let Some(looked) = self.indexer.tend(&self.shared.pool, assignment, is_idle, written) {
            self.index_ended(looked).await;
        }
    }

    /// Says what is wrong, once, and decides what to do.
    async fn after(&mut self, trouble: Trouble) -> Next {
        let message = trouble.to_string();
        let may_be_withdrawn = matches!(trouble, Trouble::Refused(_) | Trouble::Configuration(_));
        if may_be_withdrawn && self.is_withdrawn().await {
            info!(vectorizer = self.report.name, "the vectorizer was dropped or disabled");
            return Next::End;
        }
        warn!(vectorizer = self.report.name, trouble = message, "the vectorizer waits");
        self.shared.events.call(&Event::Trouble {
            vectorizer: self.report.name.clone(),
            message: message.clone(),
        });
        if let Some(failed) = &self.shared.failed {
            let vectorizer = self.report.name.clone();
            let message = message.clone();
            // the worker is stopping already if it does not hear this
            failed.send(WorkerError::Stopped { vectorizer, message }).ok();
            self.report.error(trouble.to_string());
            return Next::End;
        }
        let is_once = self.is_once();
        let gives_up = is_once && self.backoff.failures() + 1 >= CHANCES;
        match trouble {
            Trouble::Database(error) if is_once => return Next::Fail(error.into()),
            // nothing can be recorded where there is no database
            Trouble::Database(_) => return Next::Wait(self.backoff.next(None)),
            Trouble::Provider { retry_after, .. } if !gives_up => {
                self.record(PROVIDER_FAILED, &message).await;
                return Next::Wait(self.backoff.next(retry_after));
            }
            Trouble::Provider { .. } => self.record(PROVIDER_FAILED, &message).await,
            Trouble::Configuration(_) | Trouble::Refused(_) | Trouble::Cancelled(_) => {
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
        let is_served = query(is_served).bind(self.report.id).one_on(&self.shared.pool).await;
        matches!(is_served.and_then(|row| row.try_get(0)), Ok(false))
    }

    fn is_once(&self) -> bool {
        self.shared.mode == Mode::Once
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
