//! Preparing a vectorizer: its configuration is understood, its privileges are checked, its statements are written.

pub(crate) mod embedder;
mod loading;
mod neighbour;
mod owner;
mod places;
mod privileges;
#[cfg(feature = "documents")]
mod recheck;
mod source_relation;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use self::embedder::Embedders;
use self::neighbour::neighbour;
use self::privileges::Privilege;
use self::source_relation::{SourceColumn, SourceRelation, source_relation};
use super::backfill::{Backfill, Embeddings, Stepped};
use super::batch::stop_reason::StopReason;
use super::batch::{Drafter, Pipeline};
use super::connection::Database;
use super::database_error::DatabaseError;
use super::embed::{Budgets, Provider, Requests, VectorCache};
use super::maintenance::index_builder::{EmbeddingPlace, IndexBuilder};
use super::maintenance::orphans::Orphans;
#[cfg(feature = "documents")]
use super::maintenance::recheck::Recheck;
use super::pace::Pace;
use super::queue::Queue;
use super::queue::dead_letters::DeadLetters;
use super::queue::key_sql::{KeySql, TypedKeyColumn, has_one_text};
use super::store_identity::{StoreIdentity, store_identity};
use super::write::{
    Configuration, Copy, Destination, EmbeddingColumn, Retries, Source, Store, VectorFormat, Writer, row_security,
};
use crate::catalog::Vectorizer;
use crate::catalog::identity::identity;
use crate::config::{Chunking, Destination as DestinationConfig, DestinationTable, Embedding, Processing};
#[cfg(feature = "documents")]
use crate::document::Documents;
use crate::embedder::allowed::Allowed;
use crate::pgvector::Dimensions;
use crate::sql::qualified;
use crate::text::{PythonType, Splitter, Template, TemplateError};

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
    /// How orphans are found, where the catalog leaves some.
    pub(crate) orphans: Option<Arc<Orphans>>,
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
        if self.queue.pending(&self.database, few).await? < few.unsigned_abs() {
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
    let database = pool.acting_as(owner.as_ref().and_then(|owner| owner.acting.clone()));
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
    let key_sql = key_sql(&columns, &served.key_order)?;
    let (mut wanted, errors) = (
        privileges(&columns, &key_sql),
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
    let destination = destination(&config.destination, &key_sql, abilities)?;
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
    let embedder = embedders
        .choose(pool, &config.embedding, &settings.allowed, owner.as_ref())
        .await
        .map_err(|error| unsupported(error.to_string()))?;
    let concurrency = settings.concurrency.or(configured);
    let concurrency = concurrency.unwrap_or_else(|| embedder.default_concurrency()).max(1);
    let provider = Provider::new(
        embedder,
        &vectorizer.name,
        &config.embedding,
        dimensions(&config.embedding)?,
        concurrency,
        (settings.budgets.meter(&config.embedding), stop),
    )
    .until(pool.stopping())
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
            keeps_places: abilities.0,
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
        has_written: AtomicBool::new(false),
    };
    let backfill = identity.keeps_backfills().then(|| {
        let (pace, most_lag) = (settings.backfill.clone(), settings.most_lag);
        Arc::new(Backfill::new(
            key_sql.clone(),
            Embeddings::from(&config.destination),
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
        index: index(vectorizer, &queue),
        identity,
        queue,
        batch_size: batch_size.unwrap_or(DEFAULT_BATCH_SIZE).clamp(1, 2_048),
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

/// The source's columns, and whose they are.
struct Columns<'v> {
    vectorizer: &'v Vectorizer,
    relation: SourceRelation,
}

impl Columns<'_> {
    fn find(&self, name: &str) -> Option<&SourceColumn> {
        self.relation.columns.iter().find(|column| column.name == name)
    }

    fn table(&self) -> String {
        qualified(&self.relation.schema, &self.relation.name)
    }

    fn loaded(&self, name: &str) -> Result<&SourceColumn, StopReason> {
        let missing = || {
            unsupported(format!(
                "{} has no column `{name}`, whose text it embeds: if it was renamed, rename it back, or tell the \
                 vectorizer with \
                 `update ai.vectorizer set config = jsonb_set(config, '{{loading,column_name}}', '\"<new name>\"') \
                 where id = {}`",
                self.table(),
                self.vectorizer.id
            ))
        };
        self.find(name).ok_or_else(missing)
    }

    fn key(&self, name: &str) -> Result<&SourceColumn, StopReason> {
        let missing = || {
            let number = self.vectorizer.source_pk.iter().find(|key| key.attname == name);
            let now = number.and_then(|key| self.relation.columns.iter().find(|column| column.attnum == key.attnum));
            let now = now.map_or_else(String::new, |now| format!(" (it may be `{}` now)", now.name));
            unsupported(format!(
                "{} has no column `{name}`, by which its rows are known{now}: rename it back, or drop the vectorizer \
                 and create it anew",
                self.table()
            ))
        };
        self.find(name).ok_or_else(missing)
    }

    fn template_type(&self, name: &str) -> Result<PythonType, StopReason> {
        let missing = || unsupported(TemplateError::Missing { name: name.to_owned() }.to_string());
        Ok(PythonType::of(&self.find(name).ok_or_else(missing)?.base_type))
    }
}

fn key_sql(columns: &Columns<'_>, key_order: &[String]) -> Result<KeySql, StopReason> {
    let vectorizer = columns.vectorizer;
    let (Some(queue_schema), Some(queue_table)) = (&vectorizer.queue_schema, &vectorizer.queue_table) else {
        return Err(unsupported("it has no queue".into()));
    };
    let key = |name: &String| {
        let column = columns.key(name)?;
        Ok(TypedKeyColumn {
            name: name.clone(),
            sql_type: column.sql_type.clone(),
            equals: column.equals.clone().unwrap_or_else(|| "=".to_owned()),
            has_one_text: has_one_text(&column.base_type),
        })
    };
    Ok(KeySql {
        id: vectorizer.id,
        source: columns.table(),
        queue: qualified(queue_schema, queue_table),
        failed: vectorizer
            .queue_failed_table
            .as_ref()
            .map(|table| qualified(queue_schema, table)),
        keys: key_order.iter().map(key).collect::<Result<_, StopReason>>()?,
    })
}

/// The privileges that are needed on the vectorizer's tables.
fn privileges(columns: &Columns<'_>, key_sql: &KeySql) -> Vec<Privilege> {
    let Columns { vectorizer, relation } = columns;
    let source = |privilege| Privilege::on(&relation.schema, &relation.name, privilege);
    let mut privileges = vec![source("select")];
    match &vectorizer.config.destination {
        DestinationConfig::Column(column) => privileges.push(source("update").of(&column.embedding_column)),
        DestinationConfig::Table(DestinationTable {
            target_schema: Some(schema),
            target_table: Some(table),
            ..
        }) => {
            let column = if relation.is_view {
                "xmin"
            } else {
                &key_sql.keys[0].name
            };
            privileges.push(source("update").of_any(column));
            privileges.extend(["select", "insert", "delete"].map(|privilege| Privilege::on(schema, table, privilege)));
        }
        DestinationConfig::Table(_) | DestinationConfig::Other(_) => {}
    }
    if let Some(schema) = &vectorizer.queue_schema {
        let queue = vectorizer.queue_table.iter();
        privileges.extend(
            queue.flat_map(|table| {
                ["select", "update", "delete"].map(|privilege| Privilege::on(schema, table, privilege))
            }),
        );
        // a row that is embedded after all stops being a dead letter
        let failed = vectorizer.queue_failed_table.iter();
        privileges.extend(
            failed.flat_map(|table| {
                ["select", "insert", "delete"].map(|privilege| Privilege::on(schema, table, privilege))
            }),
        );
    }
    privileges
}

/// `has_places` and `format` say what the store can do: whether it has the columns, and in which format it takes
/// vectors that are copied.
fn destination(
    config: &DestinationConfig,
    key_sql: &KeySql,
    (has_places, format): (bool, Option<VectorFormat>),
) -> Result<Destination, StopReason> {
    match config {
        DestinationConfig::Table(table) => match (&table.target_schema, &table.target_table) {
            (Some(schema), Some(table)) => {
                let store = qualified(schema, table);
                // where chunks are is not copied
                let copy = format.filter(|_| !has_places);
                let copy = copy.and_then(|format| Copy::new(key_sql, &store, format));
                Ok(Destination::Table(Store::new(key_sql, &store, has_places, copy)))
            }
            _ => Err(unsupported("its destination names no table".into())),
        },
        DestinationConfig::Column(column) => Ok(Destination::Column(EmbeddingColumn::new(
            key_sql,
            &column.embedding_column,
        ))),
        DestinationConfig::Other(_) => Err(unsupported(
            "this worker does not know its `destination` configuration".into(),
        )),
    }
}

/// Where orphans are looked for. This crate's triggers leave none, and its catalog has a view. But no trigger sees a
/// partition that goes with its rows.
fn orphans(columns: &Columns<'_>, key_sql: &KeySql) -> Option<Arc<Orphans>> {
    let DestinationConfig::Table(table) = &columns.vectorizer.config.destination else {
        return None;
    };
    if columns.relation.is_view && !columns.relation.is_divided {
        return None;
    }
    let store = qualified(table.target_schema.as_ref()?, table.target_table.as_ref()?);
    Some(Arc::new(Orphans::new(&columns.vectorizer.name, key_sql, &store)))
}

/// The index that the configuration asks for, where the embeddings are.
fn index(vectorizer: &Vectorizer, queue: &Arc<Queue>) -> Option<Arc<IndexBuilder>> {
    let place = match &vectorizer.config.destination {
        DestinationConfig::Table(table) => EmbeddingPlace {
            schema: table.target_schema.as_ref()?,
            table: table.target_table.as_ref()?,
            column: "embedding",
        },
        DestinationConfig::Column(column) => EmbeddingPlace {
            schema: &vectorizer.source_schema,
            table: &vectorizer.source_table,
            column: &column.embedding_column,
        },
        DestinationConfig::Other(_) => return None,
    };
    let vectorizer_name = (vectorizer.id, vectorizer.name.as_str());
    let builder = IndexBuilder::new(
        vectorizer_name,
        vectorizer.config.indexing.as_ref(),
        place,
        Arc::clone(queue),
    );
    builder.map(Arc::new)
}

fn unsupported(what: String) -> StopReason {
    StopReason::Configuration(what)
}
