//! Preparing a vectorizer: its configuration is understood, its privileges are checked, its statements are written.

mod columns;
mod destination;
pub(crate) mod embedder;
mod loading;
mod neighbour;
mod owner;
mod places;
mod privileges;
#[cfg(feature = "documents")]
mod recheck;
mod source_relation;
mod tenant;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use self::columns::{Columns, key_sql};
use self::destination::{destination, index, orphans};
use self::embedder::Embedders;
use self::neighbour::neighbour;
use self::privileges::Privilege;
use self::source_relation::source_relation;
use super::backfill::{Backfill, Embeddings, Stepped};
use super::batch::stop_reason::StopReason;
use super::batch::{Drafter, Pipeline};
use super::connection::{Database, Encoding};
use super::database_error::DatabaseError;
#[cfg(feature = "embedder")]
use super::embed::given::GivenVectors;
use super::embed::{Budgets, Provider, Requests, VectorCache, keeps_budgets};
use super::maintenance::index_builder::IndexBuilder;
use super::maintenance::orphans::Orphans;
#[cfg(feature = "documents")]
use super::maintenance::recheck::Recheck;
use super::pace::Pace;
use super::queue::Queue;
use super::queue::dead_letters::DeadLetters;
use super::store_identity::{StoreIdentity, store_identity};
use super::write::{Configuration, Destination, Retries, Source, Writer, row_security};
use crate::catalog::Vectorizer;
use crate::catalog::identity::identity;
use crate::config::{Chunking, Embedding, Processing};
#[cfg(feature = "documents")]
use crate::document::Documents;
use crate::embedder::allowed::Allowed;
use crate::pgvector::Dimensions;
use crate::sql::qualified;
use crate::text::{Splitter, Template};

/// Queue rows in a batch, unless the configuration says. More than pgai's 50: a claim, a request and a write take their
/// round trips whatever the size is. Not many more: a batch is paid for again if the worker is killed.
const DEFAULT_BATCH_SIZE: i32 = 128;
/// The most that `ai.processing_default` takes for `concurrency`.
const MOST_CONCURRENCY: usize = 50;
/// Attempts after a row's first one, unless the configuration says. As in pgai.
const DEFAULT_RETRIES: i32 = 6;

/// What the worker was told about all vectorizers.
#[derive(Clone, Debug)]
pub(crate) struct WorkerSettings {
    pub(crate) lease: Duration,
    pub(crate) concurrency: Option<usize>,
    pub(crate) retry_delay: Option<Duration>,
    pub(crate) budgets: Budgets,
    pub(crate) allowed: Allowed,
    /// How fast all rows of a vectorizer are embedded anew.
    pub(crate) backfill: Pace,
    /// A backfill waits while a standby is more bytes behind.
    pub(crate) most_lag: Option<i64>,
    /// Models whose shorter vectors are the beginning of their longer ones, by provider and name.
    pub(crate) nested: Vec<(String, String)>,
    #[cfg(feature = "documents")]
    pub(crate) documents: Option<Documents>,
    /// Vectors that a provider's batch gave.
    #[cfg(feature = "embedder")]
    pub(crate) given: Arc<GivenVectors>,
}

/// A vectorizer that can be worked on.
#[derive(Clone, Debug)]
pub(crate) struct PreparedVectorizer {
    /// The database, with the rights that the vectorizer's tables are touched with.
    pub(crate) database: Database,
    pub(crate) queue: Arc<Queue>,
    pub(crate) pipeline: Arc<Pipeline>,
    /// Whether its vectors are of one model.
    pub(crate) identity: Arc<StoreIdentity>,
    /// How rows that were there before are queued. `None` on pgai's catalog, which queues them at once.
    pub(crate) backfill: Option<Arc<Backfill>>,
    /// How orphans, and dead letters of rows that are gone, are found.
    pub(crate) orphans: Arc<Orphans>,
    /// How documents that change are found, if the worker was told to look.
    #[cfg(feature = "documents")]
    pub(crate) recheck: Option<Arc<Recheck>>,
    /// The index over the embeddings, if one is configured.
    pub(crate) index: Option<Arc<IndexBuilder>>,
    /// Queue rows in a batch.
    pub(crate) batch_size: i32,
    /// Requests at once.
    pub(crate) concurrency: usize,
}

impl PreparedVectorizer {
    /// Something was claimed.
    pub(crate) fn has_work(&self) {
        if let Some(backfill) = &self.backfill {
            backfill.may_be_on();
        }
    }

    /// Takes the first step of a backfill, unless there is work already. Edits that are queued by now are then claimed
    /// together with their rows' turns, not apart from them.
    pub(crate) async fn begin_backfill(&self, pool: &Database) -> Result<(), DatabaseError> {
        let Some(backfill) = &self.backfill else { return Ok(()) };
        let few = i64::from(self.batch_size);
        if backfill.kept(pool).await?.is_some() && self.queue.pending(&self.database, few).await? < few.unsigned_abs() {
            backfill.step(pool, &self.database).await?;
        }
        Ok(())
    }

    /// Nothing could be claimed: rows that wait for their place in the queue come into it.
    pub(crate) async fn queue_more(&self, pool: &Database) -> Result<Stepped, DatabaseError> {
        match &self.backfill {
            Some(backfill) => backfill.step(pool, &self.database).await,
            None => Ok(Stepped::Over),
        }
    }

    /// Whether nothing is left to be embedded.
    pub(crate) async fn is_done(&self) -> bool {
        !self.backfill.as_ref().is_some_and(|backfill| backfill.is_on())
            && matches!(self.queue.pending(&self.database, 1).await, Ok(0))
    }
}

/// A vectorizer as the catalog has it.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) vectorizer: Vectorizer,
    /// The order of the key's columns in the catalog. All workers have to lock keys in this order.
    pub(crate) key_order: Vec<String>,
    /// The configuration as it is stored.
    pub(crate) config: Value,
}

/// Prepares a vectorizer.
#[allow(clippy::too_many_lines, reason = "one step after the other")]
pub(crate) async fn prepare(
    pool: &Database,
    served: &Served,
    embedders: &Embedders,
    settings: &WorkerSettings,
    stop: watch::Receiver<bool>,
) -> Result<PreparedVectorizer, StopReason> {
    let vectorizer = &served.vectorizer;
    let config = &vectorizer.config;
    let owner = owner::owner(pool, vectorizer.id).await?;
    let database = pool
        .acting_as(owner.as_ref().and_then(|owner| owner.acting.clone()))
        .on_nodes(tenant::is_tenant(pool, vectorizer.queue_schema.as_deref()).await?);
    let Some(relation) = source_relation(pool, vectorizer.id).await? else {
        let name = qualified(&vectorizer.source_schema, &vectorizer.source_table);
        return Err(unsupported(format!(
            "its source {name} was dropped: drop the vectorizer too"
        )));
    };
    let columns = Columns { vectorizer, relation };
    #[cfg_attr(
        not(feature = "documents"),
        expect(unused_mut, reason = "documents are looked at again")
    )]
    let mut loading = loading::loading(&columns, settings)?;
    let splitter = Splitter::new(&config.chunking).map_err(|error| unsupported(error.to_string()))?;
    let mut template = Template::new(&config.formatting).map_err(|error| unsupported(error.to_string()))?;
    template.take_places(|name| columns.find(name).is_some());
    let template_columns: Vec<&str> = template.columns().collect();
    let types = template_columns
        .iter()
        .map(|name| columns.template_type(name))
        .collect::<Result<_, _>>()?;
    let is_bytes = pool.encoding().await? == Encoding::Bytes;
    let key_sql = key_sql(&columns, &served.key_order, is_bytes)?;
    let (mut wanted, errors) = (
        privileges::wanted(&columns, &key_sql),
        Privilege::on("ai", "_vectorizer_errors", "insert"),
    );
    if owner.as_ref().is_some_and(|owner| owner.acting.is_some()) {
        privileges::check(pool, &[errors]).await?;
    } else {
        wanted.push(errors);
    }
    privileges::check(&database, &wanted).await?;
    row_security::check(&database, &key_sql.source).await?;
    row_security::check_queue(&database, [Some(&key_sql.queue), key_sql.failed.as_ref()]).await?;
    let store_identity = store_identity(pool, &database, vectorizer, &served.config, &key_sql).await?;
    let abilities = places::abilities(&database, &config.destination).await?;
    let destination = destination(&config.destination, &key_sql, &abilities)?;
    let updates = matches!(destination, Destination::Column(_));
    let loaded = (loading.column_name.as_str(), loading.column_type.as_str());
    let source = Source::new(&key_sql, loaded, &template_columns, updates);
    #[cfg(feature = "documents")]
    let recheck = {
        let addresses = Source::new(&key_sql, loaded, &[], updates);
        recheck::recheck(pool, &vectorizer.name, &key_sql, loading.documents.as_mut(), addresses).await?
    };
    let (batch_size, configured) = match &config.processing {
        Processing::Default(processing) => (processing.batch_size, processing.concurrency),
        Processing::Other(_) => (None, None),
    };
    // an owner may have written any number into the row
    let configured = configured.and_then(|concurrency| usize::try_from(concurrency).ok());
    let configured = configured.map(|concurrency| concurrency.min(MOST_CONCURRENCY));
    let batch_size = batch_size.unwrap_or(DEFAULT_BATCH_SIZE).clamp(1, 2_048);
    let embedder = embedders
        .choose(pool, &config.embedding, &settings.allowed, owner.as_ref())
        .await
        .map_err(|error| unsupported(error.to_string()))?;
    let concurrency = settings.concurrency.or(configured);
    let concurrency = concurrency.unwrap_or_else(|| embedder.default_concurrency()).max(1);
    let budget = settings.budgets.meter(&config.embedding);
    let counts_in = match &budget {
        Some(_) if keeps_budgets(pool).await? => Some(pool.clone()),
        _ => None,
    };
    let provider = Provider::new(
        embedder,
        &vectorizer.name,
        &config.embedding,
        dimensions(&config.embedding)?,
        concurrency,
        (budget, stop),
    )
    .until(pool.stopping())
    .counting_in(counts_in)
    .yielding(store_identity.is_anew());
    let neighbour = match &destination {
        Destination::Table(_) => {
            let embedding = &identity(&served.config)["embedding"];
            neighbour(pool, &key_sql, embedding, &settings.nested).await?
        }
        Destination::Column(_) => None,
    };
    let queue = Arc::new(Queue::new(&key_sql));
    let identity = Arc::new(store_identity);
    let writer = Writer {
        vectorizer: vectorizer.name.clone(),
        configuration: Configuration::new(vectorizer.id, &served.config),
        queue: Arc::clone(&queue),
        source,
        destination,
        dead_letters: DeadLetters::new(&key_sql),
        retries: Retries {
            most: loading.retries.unwrap_or(DEFAULT_RETRIES),
            first_delay: settings.retry_delay,
        },
    };
    let pipeline = Pipeline {
        vectorizer: vectorizer.name.clone(),
        queue: Arc::clone(&queue),
        lease: settings.lease,
        #[cfg(feature = "documents")]
        documents: loading.documents,
        drafter: Drafter {
            splitter,
            template,
            types,
            keeps_places: abilities.has_places,
            has_headings: match &config.chunking {
                Chunking::Markdown(_) => true,
                Chunking::Code(_) => false,
                _ => loading.has_headings,
            },
        },
        requests: Requests::new(provider),
        vector_cache: VectorCache::new(concurrency + 1),
        writer,
        has_locked: AtomicBool::new(false),
        identity: Arc::clone(&identity),
        neighbour,
        #[cfg(feature = "embedder")]
        given: Arc::clone(&settings.given),
        has_written: AtomicBool::new(false),
        most_claimed: usize::try_from(batch_size).unwrap_or(usize::MAX),
    };
    let backfill = identity.keeps_backfills().then(|| {
        let (pace, most_lag) = (settings.backfill.clone(), settings.most_lag);
        Arc::new(Backfill::new(
            key_sql.clone(),
            &Embeddings::from(&config.destination),
            pace,
            most_lag,
        ))
    });
    Ok(PreparedVectorizer {
        database,
        backfill,
        pipeline: Arc::new(pipeline),
        orphans: orphans(&columns, &key_sql),
        #[cfg(feature = "documents")]
        recheck,
        index: index(vectorizer, &queue, identity.keeps_backfills()),
        identity,
        queue,
        batch_size,
        concurrency,
    })
}

/// The length that every vector must have.
fn dimensions(config: &Embedding) -> Result<Dimensions, StopReason> {
    let Some(dimensions) = config.dimensions() else {
        return Err(unsupported("its embedding configuration has no `dimensions`".into()));
    };
    Dimensions::try_from(dimensions).map_err(|error| unsupported(error.to_string()))
}

fn unsupported(what: String) -> StopReason {
    StopReason::Configuration(what)
}
