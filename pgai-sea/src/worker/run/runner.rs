//! A runner works on one vectorizer. It claims batches while there is something to claim, several at once as
//! configured. What stops it makes this vectorizer wait and no other.

use std::time::Duration;

use sea_orm::sqlx::{Row as _, query};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info};

use super::reporting::Reporter;
use super::served::reload;
use super::tracking::Tracking;
use crate::catalog::PROVIDER_FAILED;
use crate::worker::backfill::Stepped;
use crate::worker::backoff::Backoff;
use crate::worker::batch::Batch;
use crate::worker::batch::stop_reason::StopReason;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::error::WorkerError;
use crate::worker::event::EventHook;
use crate::worker::maintenance::index_schedule::IndexSchedule;
use crate::worker::maintenance::orphans::OrphanSearch;
#[cfg(feature = "documents")]
use crate::worker::maintenance::recheck::RecheckSchedule;
use crate::worker::notify::{Notifications, Waiter};
use crate::worker::pace::Pace;
use crate::worker::prepare::embedder::Embedders;
use crate::worker::prepare::{PreparedVectorizer, Served, WorkerSettings, prepare};
use crate::worker::queue::Cursor;
use crate::worker::report::VectorizerReport;

/// The first wait after a provider or the database failed. It doubles each time ..
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// .. up to this.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// A vectorizer whose tokens are spent looks again after this time.
const LONGEST_REST: Duration = Duration::from_hours(1);
/// A single run ends after so many failures of a provider in a row.
const CHANCES: u32 = 5;
/// How often a busy worker looks whether all rows have been embedded anew.
const LOOK_FOR_THE_END: Duration = Duration::from_secs(1);
/// How often a single run looks whether other workers have finished.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Whether a runner ends with the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// It ends when nothing is left.
    Once,
    /// It looks for work again and again.
    Forever,
}

/// What all runners of a worker share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) pool: Database,
    pub(super) embedders: Embedders,
    pub(super) settings: WorkerSettings,
    pub(super) poll_interval: Duration,
    pub(super) tracking: Tracking,
    pub(super) events: EventHook,
    pub(super) mode: Mode,
    /// What wakes runners that run on.
    pub(super) notifications: Notifications,
    /// Where a worker that stops on errors hears of them.
    pub(super) failures: Option<mpsc::UnboundedSender<WorkerError>>,
}

/// Works on one vectorizer until it is stopped, or in a single run until the queue is empty.
pub(super) struct Runner {
    shared: Shared,
    /// When the vectorizer was read from the catalog, by the server's clock.
    read_at: String,
    stop: watch::Receiver<bool>,
    reporter: Reporter,
    backoff: Backoff,
    index: IndexSchedule,
    orphans: OrphanSearch,
    has_searched_orphans: bool,
    #[cfg(feature = "documents")]
    recheck: RecheckSchedule,
    #[cfg(feature = "documents")]
    has_rechecked: bool,
}

/// What to do after a stop.
enum Next {
    Wait(Duration),
    End,
    /// Look what the catalog says now.
    Reload,
    Fail(WorkerError),
}

impl Runner {
    pub(super) fn new(shared: Shared, (id, name): (i32, &str), read_at: &str, stop: watch::Receiver<bool>) -> Self {
        let reporter = Reporter::new(
            VectorizerReport::new(id, name),
            shared.pool.clone(),
            shared.tracking.clone(),
            shared.events.clone(),
            shared.failures.clone(),
        );
        Self {
            shared,
            read_at: read_at.to_owned(),
            stop,
            reporter,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            index: IndexSchedule::new(),
            orphans: OrphanSearch::new(),
            has_searched_orphans: false,
            #[cfg(feature = "documents")]
            recheck: RecheckSchedule::new(),
            #[cfg(feature = "documents")]
            has_rechecked: false,
        }
    }

    /// Runs. In a single run, an error is the database's.
    pub(super) async fn run(mut self, mut served: Served) -> (VectorizerReport, Option<WorkerError>) {
        // kept over a provider's failures: it knows what worked, and vectors that are not written yet
        let mut kept: Option<PreparedVectorizer> = None;
        let error = loop {
            if self.is_stopped() {
                // before the first row, or while it waits
                self.reporter.report.is_unfinished = self.is_once();
                break None;
            }
            let prepared = match kept.take() {
                Some(prepared) => Ok(prepared),
                None => self.prepare(&served).await,
            };
            let reason = match prepared {
                Ok(prepared) => match self.work(&prepared).await {
                    Ok(()) => break None,
                    Err(reason) => {
                        if let StopReason::Provider { .. }
                        | StopReason::Spent { .. }
                        | StopReason::Cancelled(_)
                        | StopReason::Database(_) = reason
                        {
                            kept = Some(prepared);
                        }
                        reason
                    }
                },
                Err(reason) => reason,
            };
            match self.after(reason, &served.config).await {
                Next::Wait(wait) => self.rest(wait).await,
                Next::End => break None,
                Next::Fail(error) => break Some(error),
                Next::Reload => match reload(&self.shared.pool, self.reporter.report.id).await {
                    Ok(Some(now)) => served = now,
                    Ok(None) => break None,
                    Err(error) if self.is_once() => break Some(error),
                    Err(_) => self.rest(FIRST_WAIT).await,
                },
            }
        };
        self.reporter.track().await;
        (self.reporter.report, error)
    }

    async fn prepare(&self, served: &Served) -> Result<PreparedVectorizer, StopReason> {
        let Shared {
            pool,
            embedders,
            settings,
            ..
        } = &self.shared;
        let _waiting = pool.waits();
        let prepared = prepare(pool, served, embedders, settings, self.stop.clone()).await?;
        prepared.begin_backfill(pool).await?;
        Ok(prepared)
    }

    /// Works until the queue is empty or the runner is stopped.
    #[allow(clippy::too_many_lines, reason = "one loop")]
    async fn work(&mut self, prepared: &PreparedVectorizer) -> Result<(), StopReason> {
        let database = &prepared.database;
        let pool = self.shared.pool.clone();
        // One more than are embedded at once: it is claimed and read, or written, meanwhile.
        let most = prepared.concurrency + 1;
        let mut batches: JoinSet<Batch> = JoinSet::new();
        let mut stop_reason = None;
        let mut looked = Instant::now();
        let mut cursor = Cursor::since(self.read_at.clone());
        let mut stop = self.stop.clone();
        let id = self.reporter.report.id;
        let mut waiter = self.shared.notifications.waiter(&pool, id).await?;
        loop {
            let mut is_exhausted = false;
            let mut paced = None;
            // where rows are queued a few at a time, those are paced
            let is_anew = prepared.backfill.is_none() && !prepared.identity.may_keep_vectors();
            let pace = is_anew.then_some(&self.shared.settings.backfill);
            // Who heard of edits while it waited keeps its place among those that wait.
            let mut waits = None;
            while stop_reason.is_none() && batches.len() < most && !self.is_stopped() {
                paced = pace.and_then(Pace::waits_until);
                if paced.is_some() {
                    break;
                }
                let turn = if cursor.may_have_backlog() {
                    // What is embedded is written first. Otherwise a hundred vectorizers would claim what the database
                    // takes seconds to write. An edit does not wait for their backlogs.
                    tokio::select! {
                        in_hand = waits.get_or_insert_with(|| Box::pin(database.turn())) => {
                            waits = None;
                            Some(in_hand)
                        }
                        () = heard(&mut waiter, &mut cursor) => None,
                        _ = stop.wait_for(|stopped| *stopped) => break,
                    }
                } else {
                    Some(database.in_hand())
                };
                let is_turn = turn.is_some();
                let in_hand = turn.unwrap_or_else(|| database.in_hand());
                let (queue, lease) = (&prepared.queue, self.shared.settings.lease);
                let rows = prepared.batch_size.into();
                let rows = pace.map_or(rows, |pace| pace.at_most(rows));
                let claim = if is_turn {
                    queue.claim(database, rows, lease, &mut cursor).await
                } else {
                    queue.claim_fresh(database, rows, lease, &mut cursor).await
                };
                match claim {
                    Ok(Some(claim)) => {
                        if let Some(pace) = pace {
                            pace.claimed(claim.keys.len());
                        }
                        // under steady writes the queue is never empty
                        let is_short = is_turn && claim.keys.len() < prepared.batch_size.unsigned_abs() as usize / 2;
                        waiter.found_work(cursor.may_have_backlog());
                        prepared.has_work();
                        self.reporter.is_busy();
                        batches.spawn(prepared.pipeline.clone().run(database.clone(), claim, in_hand));
                        if is_short && let Err(error) = prepared.queue_more(&pool).await {
                            stop_reason = Some(StopReason::from(error));
                        }
                    }
                    Ok(None) if !is_turn => {}
                    Ok(None) => match prepared.queue_more(&pool).await {
                        Ok(Stepped::On) => {}
                        Ok(Stepped::Wait(until)) => {
                            paced = Some(until);
                            break;
                        }
                        Ok(Stepped::Over) => {
                            is_exhausted = true;
                            break;
                        }
                        Err(error) => stop_reason = Some(StopReason::from(error)),
                    },
                    Err(error) => stop_reason = Some(StopReason::from(error)),
                }
            }
            if batches.is_empty()
                && stop_reason.is_none()
                && let Some(until) = paced
            {
                self.rest(until.saturating_duration_since(Instant::now())).await;
                continue;
            }
            if batches.is_empty() {
                self.reporter.progress(&prepared.queue, true).await;
                self.reporter.is_idle();
                if let Some(reason) = stop_reason {
                    return Err(reason);
                }
                if self.is_stopped() {
                    self.reporter.report.is_unfinished = self.is_once() && !prepared.is_done().await;
                    return Ok(());
                }
                prepared.pipeline.forget(database).await?;
                self.reporter.works().await;
                prepared.identity.look(&pool, database).await?;
                self.maintain(prepared, true).await;
                if self.idle(prepared, &mut waiter).await? {
                    return Ok(());
                }
                continue;
            }
            let poll_interval = self.shared.poll_interval;
            let ended = tokio::select! {
                ended = batches.join_next() => ended,
                // there may be more to claim meanwhile
                () = waiter.wait(poll_interval), if is_exhausted => None,
                () = sleep(poll_interval), if !is_exhausted && paced.is_none() => None,
                () = sleep_until(paced.unwrap_or_else(Instant::now)), if paced.is_some() => None,
            };
            if let Some(ended) = ended {
                match ended {
                    Ok(batch) => {
                        self.reporter.batch(&batch, &prepared.pipeline.writer.dead_letters);
                        if batch.stop_reason.is_none() {
                            self.backoff.reset();
                            self.reporter.works().await;
                        }
                        stop_reason = batch.stop_reason.or(stop_reason);
                    }
                    Err(error) => {
                        stop_reason = Some(StopReason::Refused(format!("a batch stopped unexpectedly: {error}")));
                    }
                }
                self.reporter.progress(&prepared.queue, false).await;
                if looked.elapsed() >= LOOK_FOR_THE_END {
                    // under steady writes the queue is never empty
                    looked = Instant::now();
                    let look = prepared.identity.look(&pool, database).await;
                    stop_reason = stop_reason.or(look.err().map(StopReason::from));
                }
                self.maintain(prepared, false).await;
            }
        }
    }

    /// Nothing could be claimed. Waits, or returns that the run is over.
    async fn idle(&mut self, prepared: &PreparedVectorizer, waiter: &mut Waiter) -> Result<bool, DatabaseError> {
        if self.shared.mode == Mode::Forever {
            let wait = self.shared.poll_interval;
            #[cfg(feature = "documents")]
            let wait = if prepared.recheck.is_some() {
                wait.min(self.recheck.wait())
            } else {
                wait
            };
            tokio::select! {
                () = waiter.wait(wait) => {}
                _ = self.stop.wait_for(|stopped| *stopped) => {}
            }
            return Ok(false);
        }
        let stats = prepared.queue.stats(&prepared.database).await?;
        self.reporter.report.waiting = stats.deferred;
        if stats.locked + stats.leased == 0 {
            let mut stop = self.stop.clone();
            return Ok(tokio::select! {
                is_over = self.end(prepared) => is_over,
                _ = stop.wait_for(|stopped| *stopped) => true,
            });
        }
        debug!(
            vectorizer = self.reporter.report.name,
            locked = stats.locked,
            leased = stats.leased,
            "other workers have the rest of the queue"
        );
        self.rest(LOOK_AGAIN).await;
        Ok(false)
    }

    /// The work that is left when the queue is empty. Returns whether the run is over: rows may have been queued.
    async fn end(&mut self, prepared: &PreparedVectorizer) -> bool {
        #[cfg(feature = "documents")]
        if let Some(recheck) = prepared.recheck.as_ref().filter(|_| !self.has_rechecked) {
            self.has_rechecked = true;
            if recheck.run(&prepared.database).await > 0 {
                return false;
            }
        }
        if !std::mem::replace(&mut self.has_searched_orphans, true)
            && prepared.orphans.search_once(&prepared.database).await
        {
            return false;
        }
        if let Some(index) = &prepared.index {
            let looked = self.index.finish(&prepared.database, index).await;
            self.reporter.index(looked).await;
        }
        true
    }

    /// Looks after index, orphans and documents in the background. A single run does so at its end.
    async fn maintain(&mut self, prepared: &PreparedVectorizer, is_idle: bool) {
        if self.shared.mode == Mode::Once {
            if is_idle {
                return;
            }
        } else {
            self.orphans.tend(&prepared.database, &prepared.orphans);
            #[cfg(feature = "documents")]
            if let Some(recheck) = &prepared.recheck {
                self.recheck.tend(&prepared.database, recheck);
            }
        }
        if let Some(index) = &prepared.index {
            let written = self.reporter.report.counts.chunks_written;
            if let Some(looked) = self.index.tend(&prepared.database, index, written) {
                self.reporter.index(looked).await;
            }
        }
    }

    /// Reports why the vectorizer stopped, and decides what to do.
    async fn after(&mut self, reason: StopReason, config: &Value) -> Next {
        if matches!(reason, StopReason::Reconfigured) {
            return Next::Reload;
        }
        let message = reason.to_string();
        let may_be_withdrawn = matches!(reason, StopReason::Refused(_) | StopReason::Configuration(_));
        if may_be_withdrawn && self.is_withdrawn().await {
            info!(
                vectorizer = self.reporter.report.name,
                "the vectorizer was dropped or disabled"
            );
            return Next::End;
        }
        if may_be_withdrawn && self.is_reconfigured(config).await {
            // what it knew by its name is another generation's by now, or has another name
            return Next::Reload;
        }
        self.reporter.waiting(&message);
        // what was cancelled may work the next time, as may a provider
        let needs_change = may_be_withdrawn;
        let is_of_database = matches!(reason, StopReason::Database(_));
        let is_meant = matches!(reason, StopReason::Spent { .. });
        let next = self.next(reason, &message).await;
        // nothing can be recorded without a database
        if !is_of_database {
            let wait = match &next {
                Next::Wait(wait) => Some(*wait),
                Next::End | Next::Reload | Next::Fail(_) => None,
            };
            self.reporter.waits(&message, (needs_change, is_meant), wait).await;
        }
        next
    }

    /// What to do after a stop, which is recorded.
    async fn next(&mut self, reason: StopReason, message: &str) -> Next {
        if self.reporter.stops_the_worker(message) {
            return Next::End;
        }
        let is_once = self.is_once();
        let gives_up = is_once && self.backoff.failures() + 1 >= CHANCES;
        match reason {
            StopReason::Database(error) if is_once => return Next::Fail(error.into()),
            StopReason::Database(_) => return Next::Wait(self.backoff.next(None)),
            StopReason::Provider { retry_after, .. } if !gives_up => {
                self.reporter.record(PROVIDER_FAILED, message).await;
                return Next::Wait(self.backoff.next(retry_after));
            }
            StopReason::Provider { .. } => self.reporter.record(PROVIDER_FAILED, message).await,
            // nothing failed, so nothing is recorded
            StopReason::Spent { wait, .. } if !is_once => return Next::Wait(wait.min(LONGEST_REST)),
            StopReason::Spent { .. } => {}
            StopReason::Configuration(_)
            | StopReason::Refused(_)
            | StopReason::Cancelled(_)
            | StopReason::Reconfigured => {
                self.reporter.record("vectorizer cannot be worked on", message).await;
            }
        }
        self.reporter.report.error(message.to_owned());
        if is_once {
            Next::End
        } else {
            Next::Wait(self.backoff.next(None))
        }
    }

    /// Whether the vectorizer is not to be worked on any more. Its tables may be gone then, which is no error.
    async fn is_withdrawn(&self) -> bool {
        let is_served = "select exists (select from ai.vectorizer where id = $1 and not disabled)";
        let is_served = query(is_served)
            .bind(self.reporter.report.id)
            .one_on(&self.shared.pool)
            .await;
        is_served.is_ok_and(|row| matches!(row.try_get(0), Ok(false)))
    }

    /// Whether its row in the catalog has another configuration than the one that it works with.
    async fn is_reconfigured(&self, config: &Value) -> bool {
        let is_other = "select exists (select from ai.vectorizer where id = $1 and config <> $2::jsonb)";
        let is_other = query(is_other)
            .bind(self.reporter.report.id)
            .bind(config.to_string())
            .one_on(&self.shared.pool)
            .await;
        is_other.is_ok_and(|row| matches!(row.try_get(0), Ok(true)))
    }

    fn is_once(&self) -> bool {
        self.shared.mode == Mode::Once
    }

    fn is_stopped(&self) -> bool {
        // a sender that is gone stops the runner, too
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    /// Waits, unless the runner is stopped.
    async fn rest(&mut self, wait: Duration) {
        tokio::select! {
            () = sleep(wait) => {}
            _ = self.stop.wait_for(|stopped| *stopped) => {}
        }
    }
}

/// Waits until it is time to look for rows that came while the vectorizer waits for its turn.
async fn heard(waiter: &mut Waiter, cursor: &mut Cursor) {
    loop {
        match cursor.looks_at() {
            Some(at) => return sleep_until(at.into()).await,
            None => waiter.heard().await,
        }
        cursor.heard();
    }
}
