//! Running: a lane for each vectorizer, once or until told to stop.

mod error_deduplication;
mod reporting;
mod runner;
mod tracking;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::{Error, Row as _};
use sea_orm::{DbBackend, DbErr, EntityTrait, FromQueryResult as _, QueryTrait as _, RuntimeErr};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::catalog::entities::vectorizer::{Entity, Model};
use crate::catalog::{CatalogError, Vectorizer, VectorizerRef};
use crate::worker::backoff::Backoff;
use crate::worker::builder::Worker;
use crate::worker::connection::{Database, On as _, Stopping};
use crate::worker::error::WorkerError;
use crate::worker::notify::Alarm;
use crate::worker::queue::key_sql::statement;
use crate::worker::report::{Report, VectorizerReport};
use crate::worker::run::runner::{Lane, Mode, Shared};
use crate::worker::run::tracking::Tracking;

/// How often the catalog is looked at for vectorizers that came, went or changed.
const LOOK_FOR_VECTORIZERS: Duration = Duration::from_secs(5);

/// The schema in which a table is found along the search path.
const SCHEMA: &str = "
select n.nspname::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = to_regclass(quote_ident($1))";

/// The catalog's vectorizers, and those that were asked for: of an entity that names no schema, with the one on the search path.
struct Present {
    models: Vec<Model>,
    only: Vec<VectorizerRef>,
}

/// What a lane gives back.
type Ended = (VectorizerReport, Option<WorkerError>);

impl Worker {
    /// Works until nothing is left to do now: the queues are empty, other workers' leases included, but for rows that failed and
    /// whose next attempt is not due yet.
    ///
    /// Dropping the future stops at once; what was claimed is another worker's when the lease has run out.
    /// [`run_once_until`](Self::run_once_until) can be stopped without a loss.
    ///
    /// # Errors
    ///
    /// The database is not there, has no catalog, or has no vectorizer of a name that was asked for. What goes wrong with
    /// single vectorizers is in the [`Report`].
    pub async fn run_once(&self) -> Result<Report, WorkerError> {
        self.run_once_until(std::future::pending::<()>()).await
    }

    /// As [`run_once`](Self::run_once), but stops early when `stop` completes, after the batches in hand. What of the queue is left then
    /// is free for any worker, and [`VectorizerReport::is_unfinished`] says so.
    ///
    /// # Errors
    ///
    /// Those of [`run_once`](Self::run_once).
    pub async fn run_once_until<F: Future>(&self, stop: F) -> Result<Report, WorkerError> {
        let (stopping, when) = watch::channel(None);
        let shared = self.shared(Mode::Once, when)?;
        let (stop_lanes, stopped) = watch::channel(false);
        let mut report = Report::default();
        let mut lanes: JoinSet<Ended> = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        let models = tokio::select! {
            models = async {
                shared.tracking.start().await;
                self.models(&shared.pool).await
            } => models?,
            _ = &mut stop => return Ok(report),
        };
        self.check_names(&models)?;
        for model in served(models) {
            match understand(&model) {
                Ok((vectorizer, key_order)) => {
                    let lane = Lane::new(shared.clone(), &vectorizer, stopped.clone());
                    lanes.spawn(lane.run(vectorizer, key_order));
                }
                Err(error) => report.add(unreadable(&model, &error)),
            }
        }
        let mut failed = None;
        let mut is_stopped = false;
        loop {
            let ended = tokio::select! {
                ended = lanes.join_next() => ended,
                _ = &mut stop, if !is_stopped => {
                    stopping.send_replace(Some(Instant::now()));
                    stop_lanes.send_replace(true);
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
    /// A provider or database that goes away is waited for. Vectorizers may come, go and change meanwhile.
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
    /// Only if the connection is not one to PostgreSQL; and with [`stop_on_error`](Worker::stop_on_error) for the first trouble.
    pub async fn run_until<F: Future>(&self, stop: F) -> Result<Report, WorkerError> {
        let (stopping, when) = watch::channel(None);
        let mut shared = self.shared(Mode::Forever, when)?;
        let mut stop = std::pin::pin!(stop);
        tokio::select! {
            () = shared.tracking.start() => {}
            _ = &mut stop => return Ok(Report::default()),
        }
        let mut heart = JoinSet::new();
        heart.spawn(shared.tracking.clone().beat());
        if !self.wake_interval.is_zero() {
            let (alarm, watch) = Alarm::new(&shared.pool, self.wake_interval);
            shared.alarm = alarm;
            heart.spawn(watch);
        }
        let mut lanes = Lanes::default();
        let mut unknown = None;
        let (failed, mut failures) = mpsc::unbounded_channel();
        if self.stops_on_error {
            shared.failed = Some(failed.clone());
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
                    self.warn_of_unknown(&models, unknown.get_or_insert_default());
                    lanes.follow(served(models), &shared);
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
                    Some(ended) = lanes.set.join_next_with_id() => lanes.ended(ended),
                }
            };
            if is_stopped {
                break;
            }
        }
        stopping.send_replace(Some(Instant::now()));
        lanes.running.clear();
        // from here on nothing is claimed
        info!("stopping after the batches in hand");
        while let Some(ended) = lanes.set.join_next_with_id().await {
            lanes.ended(ended);
        }
        drop(heart);
        shared.tracking.heartbeat().await;
        failure.map_or(Ok(lanes.report), Err)
    }

    fn shared(&self, mode: Mode, stopping: Stopping) -> Result<Shared, WorkerError> {
        let pool = Database::new(self.pool()?, self.statement_timeout, stopping);
        Ok(Shared {
            tracking: Tracking::new(pool.clone()),
            pool,
            embedders: self.embedders.clone(),
            terms: self.terms.clone(),
            poll_interval: self.poll_interval,
            hook: self.hook.clone(),
            events: self.events.clone(),
            mode,
            alarm: Alarm::default(),
            failed: None,
        })
    }

    async fn models(&self, pool: &Database) -> Result<Present, WorkerError> {
        let failed = |error: Error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)));
        let find = Entity::find().build(DbBackend::Postgres).sql;
        let rows = statement(&find.into()).all_on(pool).await.map_err(failed);
        let models = rows.and_then(|rows| {
            rows.into_iter()
                .map(|row| Model::from_query_result(&row.into(), ""))
                .collect()
        });
        let models = models.map_err(CatalogError::from)?;
        let mut only = self.only.clone();
        for wanted in &mut only {
            if let VectorizerRef::Destination {
                schema: schema @ None,
                table,
                ..
            } = wanted
            {
                let found = statement(&SCHEMA.into()).bind(table.clone()).any_on(pool).await;
                let found = found.and_then(|row| row.map(|row| row.try_get(0)).transpose());
                *schema = found.map_err(failed).map_err(CatalogError::from)?;
            }
        }
        Ok(Present { models, only })
    }

    /// The vectorizers that were asked for and are not there.
    fn unknown<'w>(&'w self, present: &Present) -> impl Iterator<Item = &'w VectorizerRef> {
        let is_there = |wanted: &VectorizerRef| present.models.iter().any(|model| is_meant(wanted, model));
        let asked = self.only.iter().zip(&present.only);
        asked
            .filter(move |(_, wanted)| !is_there(wanted))
            .map(|(asked, _)| asked)
    }

    /// Says once of each name that nothing has it; `known` are those of which it was said.
    fn warn_of_unknown(&self, present: &Present, known: &mut Vec<String>) {
        for unknown in self.unknown(present).map(ToString::to_string) {
            if !known.contains(&unknown) {
                warn!("there is no vectorizer {unknown}; it is worked on as soon as there is");
                known.push(unknown);
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

fn served(Present { models, only }: Present) -> Vec<Model> {
    let is_wanted = |model: &Model| only.is_empty() || only.iter().any(|wanted| is_meant(wanted, model));
    models
        .into_iter()
        .filter(|model| !model.disabled && is_wanted(model))
        .collect()
}

fn is_meant(wanted: &VectorizerRef, model: &Model) -> bool {
    match wanted {
        VectorizerRef::Id(id) => *id == model.id,
        VectorizerRef::Name(name) => *name == model.name,
        VectorizerRef::Destination { schema, table, column } => {
            let stored = |key: &str| model.config["destination"][key].as_str();
            let found = match column {
                None => (stored("target_schema"), stored("target_table")),
                Some(_) => (Some(&*model.source_schema), Some(&*model.source_table)),
            };
            found == (schema.as_deref(), Some(table.as_str()))
                && schema.is_some()
                && (column.is_none() || stored("embedding_column") == column.as_deref())
        }
    }
}

/// The typed vectorizer, and the order in which the catalog has the key's columns.
fn understand(model: &Model) -> Result<(Vectorizer, Vec<String>), CatalogError> {
    let vectorizer = Vectorizer::try_from(model.clone())?;
    let columns = model.source_pk.as_array().into_iter().flatten();
    let names = columns.filter_map(|column| column.get("attname")?.as_str().map(str::to_owned));
    Ok((vectorizer, names.collect()))
}

fn unreadable(model: &Model, error: &CatalogError) -> VectorizerReport {
    let mut report = VectorizerReport::new(model.id, &model.name);
    warn!(vectorizer = model.name, %error, "the vectorizer cannot be read");
    report.error(error.to_string());
    report
}

/// A panic in a lane is a panic of the worker.
fn resume_panic(error: JoinError) {
    if let Ok(panic) = error.try_into_panic() {
        std::panic::resume_unwind(panic);
    }
}

/// The lanes of a worker that runs on.
#[derive(Default)]
struct Lanes {
    set: JoinSet<Ended>,
    running: HashMap<i32, Running>,
    /// Of which it was said that they cannot be read.
    unreadable: HashMap<i32, Model>,
    report: Report,
}

struct Running {
    model: Model,
    task: Id,
    /// Dropped to stop the lane.
    _stop: watch::Sender<bool>,
}

impl Lanes {
    /// Stops lanes of vectorizers that are gone or changed, and starts those that are missing. A changed vectorizer's old lane
    /// may finish its batches beside the new one, as another worker might.
    fn follow(&mut self, models: Vec<Model>, shared: &Shared) {
        self.running.retain(|_, running| models.contains(&running.model));
        for model in models {
            if self.running.contains_key(&model.id) {
                continue;
            }
            match understand(&model) {
                Ok((vectorizer, key_order)) => {
                    info!(vectorizer = vectorizer.name, "working on it");
                    let (stop, stopped) = watch::channel(false);
                    let lane = Lane::new(shared.clone(), &vectorizer, stopped);
                    let task = self.set.spawn(lane.run(vectorizer, key_order)).id();
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
                    // said once, until it is another
                    if self.unreadable.insert(model.id, model.clone()).as_ref() == Some(&model) {
                        continue;
                    }
                    let unreadable = unreadable(&model, &error);
                    if let Some(failed) = &shared.failed {
                        let (vectorizer, message) = (model.name.clone(), error.to_string());
                        failed.send(WorkerError::Stopped { vectorizer, message }).ok();
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
                    warn!(error = &error as &dyn std::error::Error, "a lane ended");
                }
                task
            }
            Err(error) => {
                warn!(%error, "a lane broke off and is started again");
                error.id()
            }
        };
        self.running.retain(|_, running| running.task != task);
    }
}
