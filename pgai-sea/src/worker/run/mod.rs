//! Running: a supervisor starts a runner for each vectorizer, once or until it is told to stop.

mod error_deduplication;
mod observer;
#[cfg(feature = "embedder")]
mod openai_batch;
mod reporting;
mod runner;
mod served;
mod tracking;

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use sea_orm::sea_query::Expr;
use sea_orm::sqlx::Row as _;
use sea_orm::{DbBackend, DbErr, EntityTrait, QuerySelect as _, QueryTrait as _};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{info, warn};

use self::observer::Observer;
#[cfg(feature = "embedder")]
pub use self::openai_batch::{BatchEvent, BatchReport, OpenAiBatch};
#[cfg(feature = "embedder")]
use self::reporting::Reporter;
use self::runner::{Mode, Runner, Shared};
use self::served::{Present, is_meant, others, served, understand};
use self::tracking::Tracking;
use super::backoff::Backoff;
use super::builder::Worker;
use super::connection::{Database, On as _, Stopping};
use super::database_error::DatabaseError;
use super::error::WorkerError;
use super::notify::Notifications;
use super::queue::key_sql::statement;
use super::report::{Report, VectorizerReport};
use crate::catalog::entities::vectorizer::{Entity, Model};
use crate::catalog::{CatalogError, Vectorizer, VectorizerRef};

/// How often the worker looks for vectorizers that came, went or changed.
const LOOK_FOR_VECTORIZERS: Duration = Duration::from_secs(5);

/// The schema in which a table is found along the search path that the connection had.
const SCHEMA: &str = "
select n.nspname::text from unnest($2::text[]) with ordinality as path (schema, place)
join pg_catalog.pg_namespace n on n.nspname = path.schema
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = $1
order by path.place limit 1";

/// What a runner returns.
type Ended = (VectorizerReport, Option<WorkerError>);

impl Worker {
    /// Works until the queues are empty. It waits for other workers' leases, but not for rows that failed and whose
    /// next attempt is not due yet.
    ///
    /// Dropping the future stops the worker at once. Other workers can claim its rows when the lease has run out.
    /// [`run_once_until`](Self::run_once_until) stops without leaving leases.
    ///
    /// # Errors
    ///
    /// The database cannot be reached, has no catalog, or has no vectorizer of a given name. Errors of single
    /// vectorizers are in the [`Report`].
    pub async fn run_once(&self) -> Result<Report, WorkerError> {
        self.run_once_until(std::future::pending::<()>()).await
    }

    /// Works as [`run_once`](Self::run_once), but stops early when `stop` completes, after the batches in hand. The
    /// rest of the queue is then free for any worker, and [`VectorizerReport::is_unfinished`] is set.
    ///
    /// # Errors
    ///
    /// Those of [`run_once`](Self::run_once).
    pub async fn run_once_until<F: Future>(&self, stop: F) -> Result<Report, WorkerError> {
        let (stopping, when) = watch::channel(None);
        let shared = self.shared(Mode::Once, when)?;
        let (stop_runners, stopped) = watch::channel(false);
        let mut report = Report::default();
        let mut runners: JoinSet<Ended> = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        let models = tokio::select! {
            models = async {
                shared.tracking.start().await;
                self.models(&shared.pool).await
            } => models?,
            _ = &mut stop => return Ok(report),
        };
        self.check_names(&models)?;
        self.warn_of_unmatched(&models);
        for model in served(&models) {
            match understand(&model) {
                Ok(served) => {
                    let runner = (model.id, &*model.name);
                    let runner = Runner::new(shared.clone(), runner, &models.read_at, stopped.clone());
                    runners.spawn(runner.run(served));
                }
                Err(error) => report.add(unreadable(&model, &error)),
            }
        }
        let mut failed = None;
        let mut is_stopped = false;
        loop {
            let ended = tokio::select! {
                ended = runners.join_next() => ended,
                _ = &mut stop, if !is_stopped => {
                    stopping.send_replace(Some(Instant::now()));
                    stop_runners.send_replace(true);
                    info!("stopping after the batches in hand");
                    is_stopped = true;
                    continue;
                }
            };
            match ended {
                Some(Ok((vectorizer, error))) => {
                    report.add(vectorizer);
                    failed = failed.or(error);
                }
                Some(Err(error)) => resume_panic(error),
                None => break,
            }
        }
        shared.tracking.heartbeat().await;
        failed.map_or(Ok(report), Err)
    }

    /// Works until `stop` completes, then finishes the batches in hand.
    ///
    /// The worker waits for a provider or database that goes away. Vectorizers may come, go and change meanwhile.
    ///
    /// ```no_run
    /// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
    /// # use pgai_sea::worker::Worker;
    /// let stop = async { tokio::time::sleep(std::time::Duration::from_secs(3600)).await };
    /// Worker::new(db.clone()).run_until(stop).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The connection is not one to PostgreSQL. With [`stop_on_error`](Worker::stop_on_error) also the first error of a
    /// vectorizer.
    pub async fn run_until<F: Future>(&self, stop: F) -> Result<Report, WorkerError> {
        let (stopping, when) = watch::channel(None);
        let mut shared = self.shared(Mode::Forever, when)?;
        let mut stop = std::pin::pin!(stop);
        tokio::select! {
            () = shared.tracking.start() => {}
            _ = &mut stop => return Ok(Report::default()),
        }
        let mut background = JoinSet::new();
        background.spawn(shared.tracking.clone().beat());
        let (notifications, listener) = Notifications::new(&shared.pool);
        shared.notifications = notifications;
        background.spawn(listener);
        if let Some(every) = self.observes {
            let (db, only, events) = (self.db.clone(), self.only.clone(), self.events.clone());
            let observer = Observer {
                db,
                only,
                events,
                every,
                pooled: None,
            };
            background.spawn(observer.observe());
        }
        let mut runners = Runners::default();
        let mut unknown = None;
        let (failed, mut failures) = mpsc::unbounded_channel();
        if self.stops_on_error {
            shared.failures = Some(failed.clone());
        }
        let mut failure = None;
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        loop {
            let models = tokio::select! {
                models = self.models(&shared.pool) => models,
                _ = &mut stop => break,
            };
            let wait = match models {
                Ok(models) => {
                    backoff.reset();
                    if self.stops_on_error
                        && unknown.is_none()
                        && let Err(error) = self.check_names(&models)
                    {
                        failure = Some(error);
                        break;
                    }
                    if unknown.is_none() {
                        self.warn_of_unmatched(&models);
                    }
                    self.warn_of_unknown(&models, unknown.get_or_insert_default());
                    runners.follow(&models, &shared);
                    LOOK_FOR_VECTORIZERS
                }
                Err(error) if self.stops_on_error => {
                    failure = Some(error);
                    break;
                }
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "the vectorizers cannot be read"
                    );
                    backoff.next(None)
                }
            };
            let look_again = tokio::time::sleep(wait);
            tokio::pin!(look_again);
            let is_stopped = loop {
                tokio::select! {
                    _ = &mut stop => break true,
                    () = &mut look_again => break false,
                    Some(error) = failures.recv() => {
                        failure = Some(error);
                        break true;
                    }
                    Some(ended) = runners.set.join_next_with_id() => runners.ended(ended),
                }
            };
            if is_stopped {
                break;
            }
        }
        stopping.send_replace(Some(Instant::now()));
        runners.running.clear();
        // nothing is claimed from here on
        info!("stopping after the batches in hand");
        while let Some(ended) = runners.set.join_next_with_id().await {
            runners.ended(ended);
        }
        drop(background);
        shared.tracking.heartbeat().await;
        failure.map_or(Ok(runners.report), Err)
    }

    fn shared(&self, mode: Mode, stopping: Stopping) -> Result<Shared, WorkerError> {
        let pool = Database::new(self.pool()?, self.statement_timeout, stopping);
        Ok(Shared {
            tracking: Tracking::new(pool.clone()),
            pool,
            embedders: self.embedders.clone(),
            settings: self.settings.clone(),
            poll_interval: self.poll_interval,
            events: self.events.clone(),
            mode,
            notifications: Notifications::default(),
            failures: None,
        })
    }

    async fn models(&self, pool: &Database) -> Result<Present, WorkerError> {
        let failed = |error: DatabaseError| CatalogError::from(DbErr::from(error));
        let find = Entity::find().expr_as(Expr::cust("now()::text"), "read_at");
        let find = find.build(DbBackend::Postgres).sql;
        let rows = statement(&find.into()).all_on(pool).await.map_err(failed)?;
        // without a vectorizer nobody asks when
        let read_at = rows.first().map(|row| row.try_get("read_at"));
        let read_at = read_at
            .transpose()
            .map_err(|error| failed(error.into()))?
            .unwrap_or_default();
        let models: Result<Vec<Model>, _> = rows.into_iter().map(|row| crate::catalog::model(&row.into())).collect();
        let models = models.map_err(CatalogError::from)?;
        let mut only = self.only.clone();
        for wanted in &mut only {
            if let VectorizerRef::Destination {
                schema: schema @ None,
                table,
                ..
            } = wanted
            {
                let path = pool.search_path().await.map_err(failed)?;
                let found = statement(&SCHEMA.into()).bind(table.clone()).bind(path);
                let found = found.any_on(pool).await;
                let found = found.and_then(|row| Ok(row.map(|row| row.try_get(0)).transpose()?));
                *schema = found.map_err(failed)?;
            }
        }
        let others = if only.is_empty() {
            HashMap::new()
        } else {
            others(pool).await.map_err(failed)?
        };
        Ok(Present {
            models,
            read_at,
            only,
            others,
        })
    }

    /// The vectorizers that were asked for and do not exist.
    fn unknown<'w>(&'w self, present: &Present) -> impl Iterator<Item = &'w VectorizerRef> {
        let is_there = |wanted: &VectorizerRef| present.models.iter().any(|model| is_meant(wanted, model));
        let asked = self.only.iter().zip(&present.only);
        asked
            .filter(move |(_, wanted)| !is_there(wanted))
            .map(|(asked, _)| asked)
    }

    /// Warns once of each unknown vectorizer. `known` are those that it has warned of.
    fn warn_of_unknown(&self, present: &Present, known: &mut Vec<String>) {
        for unknown in self.unknown(present).map(ToString::to_string) {
            if !known.contains(&unknown) {
                warn!("there is no vectorizer {unknown}; the worker serves it as soon as there is");
                known.push(unknown);
            }
        }
    }

    /// Warns of embedders given in code that serve no vectorizer, and of a role that sees none.
    fn warn_of_unmatched(&self, present: &Present) {
        if present.models.is_empty() {
            warn!(
                "there is no vectorizer that this role sees: it sees those that it owns, and those that were granted \
                 to it with `grant_to`"
            );
        }
        let vectorizers = present.models.iter().cloned().map(Vectorizer::try_from);
        let vectorizers: Vec<Vectorizer> = vectorizers.filter_map(Result::ok).collect();
        if !vectorizers.is_empty() {
            for unmatched in self.embedders.unmatched(&vectorizers) {
                warn!("{unmatched}");
            }
        }
    }

    fn check_names(&self, present: &Present) -> Result<(), WorkerError> {
        match self.unknown(present).next() {
            Some(unknown) => Err(WorkerError::UnknownVectorizer(unknown.to_string())),
            None => Ok(()),
        }
    }
}

fn unreadable(model: &Model, error: &CatalogError) -> VectorizerReport {
    let mut report = VectorizerReport::new(model.id, &model.name);
    warn!(vectorizer = model.name, %error, "the vectorizer cannot be read");
    report.error(error.to_string());
    report
}

/// A panic in a runner is a panic of the worker.
fn resume_panic(error: JoinError) {
    if let Ok(panic) = error.try_into_panic() {
        std::panic::resume_unwind(panic);
    }
}

/// The runners of a worker that runs on.
#[derive(Default)]
struct Runners {
    set: JoinSet<Ended>,
    running: HashMap<i32, Running>,
    /// Vectorizers that cannot be read, and were reported.
    unreadable: HashMap<i32, Model>,
    report: Report,
}

struct Running {
    model: Model,
    task: Id,
    /// Dropped to stop the runner.
    _stop: watch::Sender<bool>,
}

impl Runners {
    /// Stops runners of vectorizers that are gone or changed, and starts runners that are missing. The old runner of a
    /// changed vectorizer may finish its batches beside the new one, as another worker might.
    fn follow(&mut self, present: &Present, shared: &Shared) {
        let models = served(present);
        self.running.retain(|_, running| models.contains(&running.model));
        for model in models {
            if self.running.contains_key(&model.id) {
                continue;
            }
            match understand(&model) {
                Ok(served) => {
                    info!(vectorizer = model.name, "serving the vectorizer");
                    let (stop, stopped) = watch::channel(false);
                    let runner = Runner::new(shared.clone(), (model.id, &model.name), &present.read_at, stopped);
                    let task = self.set.spawn(runner.run(served)).id();
                    self.running.insert(
                        model.id,
                        Running {
                            model,
                            task,
                            _stop: stop,
                        },
                    );
                }
                Err(error) => {
                    // reported once, until it changes
                    if self.unreadable.insert(model.id, model.clone()).as_ref() == Some(&model) {
                        continue;
                    }
                    let unreadable = unreadable(&model, &error);
                    if let Some(failures) = &shared.failures {
                        let (vectorizer, message) = (model.name.clone(), error.to_string());
                        failures.send(WorkerError::Stopped { vectorizer, message }).ok();
                    }
                    self.report.add(unreadable);
                }
            }
        }
    }

    fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let task = match ended {
            Ok((task, (vectorizer, error))) => {
                self.report.add(vectorizer);
                if let Some(error) = error {
                    warn!(error = &error as &dyn std::error::Error, "a vectorizer's runner ended");
                }
                task
            }
            Err(error) => {
                let id = error.id();
                let running = self.running.values().find(|running| running.task == id);
                let vectorizer = running.map(|running| running.model.name.as_str());
                warn!(vectorizer, %error, "the vectorizer stopped unexpectedly and starts again");
                id
            }
        };
        self.running.retain(|_, running| running.task != task);
    }
}
