//! One vectorizer, made ready to be worked on: its configuration understood, its statements written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::PgPool;

use super::column::Column;
use super::columns::columns;
use super::embed::Requests;
use super::embedders::Embedders;
use super::failure::Failures;
use super::names::{KeyColumn, Names};
use super::queue::Queue;
use super::settle::Item;
use super::source::Source;
use super::splitter::Splitter;
use super::store::Store;
use super::template::{PythonType, Template};
use super::trouble::Trouble;
use crate::catalog::Vectorizer;
use crate::config::{Destination as DestinationConfig, Formatting, Loading, Parsing, Processing};
use crate::sql::qualified;

/// Queue rows in a batch where the configuration does not say, as in pgai.
const DEFAULT_BATCH_SIZE: i32 = 50;
/// Attempts of a row where the configuration does not say, as in pgai.
const DEFAULT_RETRIES: i32 = 6;
/// Vectors that are remembered for texts whose rows went back to the queue.
const REMEMBERED: usize = 1_024;

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
    /// Queue rows in a batch.
    pub(crate) batch_size: i32,
    /// Requests at once.
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    /// The wait after a row's first failed attempt.
    pub(crate) retry_delay: Option<Duration>,
    attempts: i32,
    /// Vectors of texts whose rows went back to the queue, so that a busy row is not paid for twice.
    remembered: Mutex<HashMap<String, Vec<f32>>>,
}

/// What the worker says about all vectorizers.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) lease: Duration,
    pub(crate) concurrency: Option<usize>,
    pub(crate) retry_delay: Option<Duration>,
}

impl Assignment {
    /// Reads what the source looks like and prepares everything else.
    ///
    /// `key_order` is the order of the key's columns in the catalog, which every worker's locks have to share.
    pub(crate) async fn new(
        pool: &PgPool,
        vectorizer: &Vectorizer,
        key_order: &[String],
        embedders: &Embedders,
        terms: &Terms,
    ) -> Result<Self, Trouble> {
        let config = &vectorizer.config;
        let unsupported = |what: String| Trouble::Configuration(what);
        let source_columns = columns(pool, &vectorizer.source_schema, &vectorizer.source_table).await?;
        let column = |name: &str| {
            let found = source_columns.iter().find(|column| column.name == name);
            let table = || format!("{}.{}", vectorizer.source_schema, vectorizer.source_table);
            found.ok_or_else(|| unsupported(format!("{} has no column `{name}`", table())))
        };

        let loaded = match &config.loading {
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
        if column(&loaded.column_name)?.base_type == "bytea" {
            return Err(unsupported(format!(
                "column `{}` holds documents (bytea), and parsing them is not supported by this worker",
                loaded.column_name
            )));
        }
        if let Some(Parsing::Pymupdf(_) | Parsing::Docling(_) | Parsing::Other(_)) = &config.parsing {
            return Err(unsupported("parsing documents is not supported by this worker".into()));
        }
        let splitter = Splitter::new(&config.chunking).map_err(|error| unsupported(error.to_string()))?;
        let template = template(&config.formatting)?;
        let mut types = Vec::new();
        for name in template.columns() {
            let known = source_columns.iter().find(|column| column.name == name);
            let missing = || unsupported(super::TemplateError::Missing { name: name.to_owned() }.to_string());
            types.push(PythonType::of(&known.ok_or_else(missing)?.base_type));
        }

        let keys = key_order
            .iter()
            .map(|name| {
                Ok(KeyColumn {
                    name: name.clone(),
                    sql_type: column(name)?.sql_type.clone(),
                })
            })
            .collect::<Result<Vec<_>, Trouble>>()?;
        let (Some(queue_schema), Some(queue_table)) = (&vectorizer.queue_schema, &vectorizer.queue_table) else {
            return Err(unsupported("it has no queue".into()));
        };
        let names = Names {
            id: vectorizer.id,
            source: qualified(&vectorizer.source_schema, &vectorizer.source_table),
            queue: qualified(queue_schema, queue_table),
            failed: vectorizer
                .queue_failed_table
                .as_ref()
                .map(|table| qualified(queue_schema, table)),
            keys,
        };
        let destination = match &config.destination {
            DestinationConfig::Table(table) => match (&table.target_schema, &table.target_table) {
                (Some(schema), Some(table)) => Destination::Table(Store::new(&names, &qualified(schema, table))),
                _ => return Err(unsupported("its destination names no table".into())),
            },
            DestinationConfig::Column(column) => Destination::Column(Column::new(&names, &column.embedding_column)),
            DestinationConfig::Other(_) => {
                return Err(unsupported("the destination is not one that this worker knows".into()));
            }
        };
        let template_columns: Vec<&str> = template.columns().collect();
        let updates = matches!(destination, Destination::Column(_));
        let source = Source::new(&names, &loaded.column_name, &template_columns, updates);
        let (batch_size, concurrency) = match &config.processing {
            Processing::Default(processing) => (processing.batch_size, processing.concurrency),
            Processing::Other(_) => (None, None),
        };
        let configured = concurrency.and_then(|concurrency| usize::try_from(concurrency).ok());
        let concurrency = terms.concurrency.or(configured).unwrap_or(1).max(1);
        let embedder = embedders
            .choose(&config.embedding)
            .map_err(|error| unsupported(error.to_string()))?;
        let dimensions = usize::try_from(config.embedding.dimensions()).unwrap_or_default();
        Ok(Self {
            name: vectorizer.name.clone(),
            queue: Arc::new(Queue::new(&names)),
            source,
            destination,
            failures: Failures::new(&names),
            splitter,
            template,
            types,
            requests: Requests::new(
                embedder,
                &vectorizer.name,
                config.embedding.model(),
                dimensions,
                concurrency,
            ),
            batch_size: batch_size.unwrap_or(DEFAULT_BATCH_SIZE).clamp(1, 2_048),
            concurrency,
            lease: terms.lease,
            retry_delay: terms.retry_delay,
            attempts: loaded.retries.unwrap_or(DEFAULT_RETRIES),
            remembered: Mutex::default(),
        })
    }

    /// Whether an item that has failed once more is tried again.
    pub(crate) fn tries_again(&self, item: &Item) -> bool {
        item.attempts.saturating_add(1) < self.attempts || !self.failures.can_bury()
    }

    /// The remembered vectors of `texts`.
    pub(crate) fn recall(&self, texts: &[String]) -> Vec<Option<Vec<f32>>> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().map(|text| remembered.get(text).cloned()).collect()
    }

    /// Keeps vectors that were not written.
    pub(crate) fn remember(&self, vectors: impl IntoIterator<Item = (String, Vec<f32>)>) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        for (text, vector) in vectors {
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
            remembered.insert(text, vector);
        }
    }

    /// Forgets them, once the queue is empty.
    pub(crate) fn forget(&self) {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn template(formatting: &Formatting) -> Result<Template, Trouble> {
    Template::new(formatting).map_err(|error| Trouble::Configuration(error.to_string()))
}
