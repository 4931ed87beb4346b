//! One vectorizer, made ready to be worked on: its configuration understood, its statements written.

pub(crate) mod embedder;
pub(crate) mod privileges;
pub(crate) mod source_relation;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sea_orm::sqlx::Error;
use tokio::sync::watch;

use crate::catalog::Vectorizer;
use crate::config::{Destination as DestinationConfig, DestinationTable, Loading, LoadingColumn, Parsing, Processing};
use crate::pgvector::Dimensions;
use crate::sql::qualified;
use crate::text::{PythonType, Splitter, Template, TemplateError};
use crate::worker::batch::stop_reason::Trouble;
use crate::worker::connection::Database;
use crate::worker::embed::{Budgets, Provider, Requests, VectorCache};
use crate::worker::maintenance::index_builder::Index;
use crate::worker::maintenance::orphans::Orphans;
use crate::worker::prepare::embedder::Embedders;
use crate::worker::prepare::privileges::Right;
use crate::worker::prepare::source_relation::{Relation, SourceColumn, source};
use crate::worker::queue::Queue;
use crate::worker::queue::dead_letters::Failures;
use crate::worker::queue::key_sql::{KeyColumn, Names};
use crate::worker::write::commit::Item;
use crate::worker::write::embedding_column::Column;
use crate::worker::write::source::Source;
use crate::worker::write::store::Store;
use crate::worker::write::vector_array::VectorType;

/// Queue rows in a batch where the configuration does not say. More than pgai's 50: a batch is a claim, a request and a write, which take
/// their round trips whatever its size. Not many more: what is in a batch is paid for again if the worker is killed.
const DEFAULT_BATCH_SIZE: i32 = 128;
/// Further attempts of a row that failed, where the configuration does not say, as in pgai.
const DEFAULT_RETRIES: i32 = 6;

/// Where embeddings go.
#[derive(Debug)]
pub(crate) enum Destination {
    Table(Store),
    Column(Column),
}

/// A vectorizer that can be worked on.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    pub(crate) queue: Arc<Queue>,
    pub(crate) source: Source,
    pub(crate) destination: Destination,
    pub(crate) failures: Failures,
    pub(crate) splitter: Splitter,
    pub(crate) template: Template,
    /// The types of the template's columns.
    pub(crate) types: Vec<PythonType>,
    pub(crate) requests: Requests,
    /// How embeddings without a row are found, where the catalog leaves some.
    pub(crate) orphans: Option<Orphans>,
    /// The index over the embeddings that is to be built.
    pub(crate) index: Option<Index>,
    /// Queue rows in a batch.
    pub(crate) batch_size: i32,
    /// Requests at once.
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    /// The wait after a row's first failed attempt.
    pub(crate) retry_delay: Option<Duration>,
    retries: i32,
    /// Vectors of texts whose rows went back to the queue, so that a busy row is not paid for twice.
    pub(crate) vector_cache: VectorCache,
    /// Whether embeddings were ever written: if so, rows of which none can be are not written for their own sake.
    pub(crate) has_written: AtomicBool,
}

/// What the worker says about all vectorizers.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) lease: Duration,
    pub(crate) concurrency: Option<usize>,
    pub(crate) retry_delay: Option<Duration>,
    pub(crate) budgets: Budgets,
}

impl Assignment {
    /// Reads what the source looks like and prepares everything else.
    ///
    /// `key_order` is the order of the key's columns in the catalog, which every worker's locks have to share.
    pub(crate) async fn new(
        pool: &Database,
        vectorizer: &Vectorizer,
        key_order: &[String],
        embedders: &Embedders,
        terms: &Terms,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, Trouble> {
        let config = &vectorizer.config;
        let Some(relation) = source(pool, vectorizer.id).await? else {
            let name = qualified(&vectorizer.source_schema, &vectorizer.source_table);
            return Err(unsupported(format!(
                "its source {name} was dropped: drop the vectorizer too"
            )));
        };
        let columns = Columns { vectorizer, relation };
        let loaded = loaded_column(&columns)?;
        let splitter = Splitter::new(&config.chunking).map_err(|error| unsupported(error.to_string()))?;
        let template = Template::new(&config.formatting).map_err(|error| unsupported(error.to_string()))?;
        let template_columns: Vec<&str> = template.columns().collect();
        let types = template_columns
            .iter()
            .map(|name| columns.template_type(name))
            .collect::<Result<_, _>>()?;
        let names = names(&columns, key_order)?;
        privileges::check(pool, &wanted(&columns, &names)).await?;
        if let Some(reason) = privileges::hidden_on(pool, &names.source).await? {
            return Err(unsupported(reason));
        }
        // this crate's triggers leave none, and its catalog has a view; but no trigger sees a partition that goes with its rows
        let orphans = match &config.destination {
            DestinationConfig::Table(table) if !columns.relation.is_view || columns.relation.is_divided => {
                orphans(table, &names)
            }
            _ => None,
        };
        let destination = destination(pool, &config.destination, &names).await?;
        let updates = matches!(destination, Destination::Column(_));
        let loaded_type = &columns.loaded(&loaded.column_name)?.base_type;
        let source = Source::new(&names, (&loaded.column_name, loaded_type), &template_columns, updates);
        let (batch_size, concurrency) = match &config.processing {
            Processing::Default(processing) => (processing.batch_size, processing.concurrency),
            Processing::Other(_) => (None, None),
        };
        let configured = concurrency.and_then(|concurrency| usize::try_from(concurrency).ok());
        let embedder = embedders
            .choose(pool, &config.embedding)
            .await
            .map_err(|error| unsupported(error.to_string()))?;
        let concurrency = terms.concurrency.or(configured);
        let concurrency = concurrency.unwrap_or_else(|| embedder.default_concurrency()).max(1);
        let Some(dimensions) = config.embedding.dimensions() else {
            return Err(unsupported("its embedding configuration has no `dimensions`".into()));
        };
        let dimensions = Dimensions::try_from(dimensions).map_err(|error| unsupported(error.to_string()))?;
        Ok(Self {
            name: vectorizer.name.clone(),
            queue: Arc::new(Queue::new(&names)),
            source,
            destination,
            failures: Failures::new(&names),
            splitter,
            template,
            types,
            requests: Requests::new(Provider::new(
                embedder,
                &vectorizer.name,
                &config.embedding,
                dimensions,
                concurrency,
                (terms.budgets.meter(&config.embedding), stop),
            )),
            orphans,
            index: index(vectorizer),
            batch_size: batch_size.unwrap_or(DEFAULT_BATCH_SIZE).clamp(1, 2_048),
            concurrency,
            lease: terms.lease,
            retry_delay: terms.retry_delay,
            retries: loaded.retries.unwrap_or(DEFAULT_RETRIES),
            vector_cache: VectorCache::new(concurrency + 1),
            has_written: AtomicBool::new(false),
        })
    }

    /// Whether an item that has failed once more is tried again. As in pgai, the first attempt is no retry.
    pub(crate) fn tries_again(&self, item: &Item) -> bool {
        item.attempts < self.retries || !self.failures.can_bury()
    }

    /// Forgets vectors that were not written, once the queue is empty.
    pub(crate) async fn forget(&self, pool: &Database) -> Result<(), Error> {
        if !self.vector_cache.is_empty() && self.queue.pending(pool, 1).await? == 0 {
            self.vector_cache.clear();
        }
        Ok(())
    }
}

/// The source's columns, and whose they are.
struct Columns<'v> {
    vectorizer: &'v Vectorizer,
    relation: Relation,
}

impl Columns<'_> {
    fn find(&self, name: &str) -> Option<&SourceColumn> {
        self.relation.columns.iter().find(|column| column.name == name)
    }

    fn table(&self) -> String {
        qualified(&self.relation.schema, &self.relation.name)
    }

    fn loaded(&self, name: &str) -> Result<&SourceColumn, Trouble> {
        let missing = || {
            unsupported(format!(
                "{} has no column `{name}`, whose text it embeds: if it was renamed, rename it back, or tell the vectorizer with \
                 `update ai.vectorizer set config = jsonb_set(config, '{{loading,column_name}}', '\"<new name>\"') where id = {}`",
                self.table(),
                self.vectorizer.id
            ))
        };
        self.find(name).ok_or_else(missing)
    }

    fn key(&self, name: &str) -> Result<&SourceColumn, Trouble> {
        let missing = || {
            let number = self.vectorizer.source_pk.iter().find(|key| key.attname == name);
            let now = number.and_then(|key| self.relation.columns.iter().find(|column| column.attnum == key.attnum));
            let now = now.map_or_else(String::new, |now| format!(" (it may be `{}` now)", now.name));
            unsupported(format!(
                "{} has no column `{name}`, by which its rows are known{now}: rename it back, or drop the vectorizer and create it anew",
                self.table()
            ))
        };
        self.find(name).ok_or_else(missing)
    }

    fn template_type(&self, name: &str) -> Result<PythonType, Trouble> {
        let missing = || unsupported(TemplateError::Missing { name: name.to_owned() }.to_string());
        Ok(PythonType::of(&self.find(name).ok_or_else(missing)?.base_type))
    }
}

/// Text only: documents are for other workers.
fn loaded_column<'v>(columns: &Columns<'v>) -> Result<&'v LoadingColumn, Trouble> {
    let config = &columns.vectorizer.config;
    let loading = match &config.loading {
        Some(Loading::Column(loading)) => loading,
        Some(Loading::Uri(_)) => {
            return Err(unsupported(
                "loading documents from a uri is not supported by this worker".into(),
            ));
        }
        Some(Loading::Other(_)) | None => {
            return Err(unsupported(
                "the loading configuration is not one that this worker knows".into(),
            ));
        }
    };
    let name = &loading.column_name;
    if columns.loaded(name)?.base_type == "bytea" {
        return Err(unsupported(format!(
            "column `{name}` holds documents (bytea), and parsing them is not supported by this worker"
        )));
    }
    if let Some(Parsing::Pymupdf(_) | Parsing::Docling(_) | Parsing::Other(_)) = &config.parsing {
        return Err(unsupported("parsing documents is not supported by this worker".into()));
    }
    Ok(loading)
}

fn names(columns: &Columns<'_>, key_order: &[String]) -> Result<Names, Trouble> {
    let vectorizer = columns.vectorizer;
    let (Some(queue_schema), Some(queue_table)) = (&vectorizer.queue_schema, &vectorizer.queue_table) else {
        return Err(unsupported("it has no queue".into()));
    };
    let key = |name: &String| {
        let sql_type = columns.key(name)?.sql_type.clone();
        Ok(KeyColumn {
            name: name.clone(),
            sql_type,
        })
    };
    Ok(Names {
        id: vectorizer.id,
        source: columns.table(),
        queue: qualified(queue_schema, queue_table),
        failed: vectorizer
            .queue_failed_table
            .as_ref()
            .map(|table| qualified(queue_schema, table)),
        keys: key_order.iter().map(key).collect::<Result<_, Trouble>>()?,
    })
}

/// What the worker does to the vectorizer's tables.
fn wanted(columns: &Columns<'_>, names: &Names) -> Vec<Right> {
    let Columns { vectorizer, relation } = columns;
    let source = |privilege| Right::on(&relation.schema, &relation.name, privilege);
    let mut wanted = vec![source("select"), Right::on("ai", "_vectorizer_errors", "insert")];
    match &vectorizer.config.destination {
        DestinationConfig::Column(column) => wanted.push(source("update").of(&column.embedding_column)),
        DestinationConfig::Table(DestinationTable {
            target_schema: Some(schema),
            target_table: Some(table),
            ..
        }) => {
            let column = if relation.is_view { "xmin" } else { &names.keys[0].name };
            wanted.push(source("update").of_any(column));
            wanted.extend(["select", "insert", "delete"].map(|privilege| Right::on(schema, table, privilege)));
        }
        DestinationConfig::Table(_) | DestinationConfig::Other(_) => {}
    }
    if let Some(schema) = &vectorizer.queue_schema {
        let queue = vectorizer.queue_table.iter();
        wanted.extend(
            queue.flat_map(|table| ["select", "update", "delete"].map(|privilege| Right::on(schema, table, privilege))),
        );
        // a row that is embedded after all is no dead letter any more
        let failed = vectorizer.queue_failed_table.iter();
        wanted.extend(
            failed
                .flat_map(|table| ["select", "insert", "delete"].map(|privilege| Right::on(schema, table, privilege))),
        );
    }
    wanted
}

async fn destination(pool: &Database, config: &DestinationConfig, names: &Names) -> Result<Destination, Trouble> {
    match config {
        DestinationConfig::Table(table) => match (&table.target_schema, &table.target_table) {
            (Some(schema), Some(table)) => {
                let vector_type = VectorType::of(pool, schema, table).await?;
                let store = Store::new(names, &qualified(schema, table), vector_type);
                Ok(Destination::Table(store))
            }
            _ => Err(unsupported("its destination names no table".into())),
        },
        DestinationConfig::Column(column) => Ok(Destination::Column(Column::new(names, &column.embedding_column))),
        DestinationConfig::Other(_) => Err(unsupported("the destination is not one that this worker knows".into())),
    }
}

fn orphans(table: &DestinationTable, names: &Names) -> Option<Orphans> {
    let (schema, table) = (table.target_schema.as_ref()?, table.target_table.as_ref()?);
    Some(Orphans::new(names, &qualified(schema, table)))
}

/// The index that the configuration asks for, where the embeddings are.
fn index(vectorizer: &Vectorizer) -> Option<Index> {
    let (schema, table, column) = match &vectorizer.config.destination {
        DestinationConfig::Table(table) => (table.target_schema.as_ref()?, table.target_table.as_ref()?, "embedding"),
        DestinationConfig::Column(column) => (
            &vectorizer.source_schema,
            &vectorizer.source_table,
            column.embedding_column.as_str(),
        ),
        DestinationConfig::Other(_) => return None,
    };
    Index::new(
        vectorizer.id,
        vectorizer.config.indexing.as_ref(),
        schema,
        table,
        column,
    )
}

fn unsupported(what: String) -> Trouble {
    Trouble::Configuration(what)
}
