//! What a change costs, before it is begun.

use std::fmt;
use std::time::{Duration, Instant};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, TransactionSession as _, TransactionTrait, Value,
};
use serde::Serialize;
use tokio::task::spawn_blocking;

use super::configs::Configs;
use super::error::ChangeError;
use super::sample::{Row, Table};
use crate::catalog::identity::{identity, shared_dimensions};
use crate::catalog::{self, Vectorizer};
use crate::config::{Destination, Embedding, Processing};
#[cfg(feature = "embedder")]
use crate::embedder::Embedder as _;
use crate::embedder::{Embedders, InputType};
use crate::sql::{qualified, quote_literal};
use crate::vectorizer::ChangeVectorizer;

/// Texts of a request that measures the provider, if it takes as many.
const TEXTS: usize = 128;
/// Requests that measure it.
const REQUESTS: usize = 3;

/// Estimates what a change costs: from the table's size, and from a sample of its rows that is split and formatted as a
/// worker would.
///
/// ```no_run
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), pgai_sea::change::ChangeError> {
/// use pgai_sea::ChangeVectorizer;
/// use pgai_sea::change::Plan;
/// use pgai_sea::config::Embedding;
///
/// let larger = ChangeVectorizer::new("blog").embedding(Embedding::openai("text-embedding-3-large", 1024));
/// let estimate = Plan::new().price_per_million(0.13).run(&db, &larger).await?;
/// println!("{} tokens, {:?}", estimate.tokens, estimate.price);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Plan<'a> {
    sample: u32,
    price_per_million: Option<f64>,
    embedders: Option<&'a Embedders>,
    nested: Vec<(String, String)>,
}

/// What a change costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// Whether vectors are made anew. If not, the change is made in place and costs nothing.
    pub needs_generation: bool,
    /// Rows that have a text.
    pub rows: u64,
    /// Chunks of the new generation.
    pub chunks: u64,
    /// Those of them whose vectors are copied from the generation that answers: equal text, equal model.
    pub copied: u64,
    /// The tokens of the others.
    pub tokens: u64,
    /// Whether tokens were counted as the model counts them. Otherwise they are four bytes each.
    pub is_counted: bool,
    /// The price of these tokens, if that of a million was given.
    pub price: Option<f64>,
    /// How long one worker takes, if the provider was measured.
    pub time: Option<Duration>,
    /// The disk space that the new generation takes beside the one that answers, in bytes.
    pub disk: u64,
    /// Rows that were looked at.
    pub sample: u64,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Plan<'a> {
    /// From a sample of a thousand rows.
    pub fn new() -> Self {
        Self {
            sample: 1_000,
            price_per_million: None,
            embedders: None,
            nested: Vec::new(),
        }
    }

    /// About how many rows are looked at.
    pub fn sample(mut self, sample: u32) -> Self {
        self.sample = sample.max(1);
        self
    }

    /// What the provider asks for a million tokens, in any currency.
    pub fn price_per_million(mut self, price: f64) -> Self {
        self.price_per_million = Some(price);
        self
    }

    /// Measures the new model's provider with a few hundred texts of the sample, which are paid for.
    pub fn measure(mut self, embedders: &'a Embedders) -> Self {
        self.embedders = Some(embedders);
        self
    }

    /// What the worker is told with [`nested_model`](crate::worker::Worker::nested_model).
    pub fn nested_model(mut self, provider: impl Into<String>, model: impl Into<String>) -> Self {
        self.nested.push((provider.into(), model.into()));
        self
    }

    /// Estimates. It reads every row's size, and the texts of the sample.
    ///
    /// # Errors
    ///
    /// Where there is no such vectorizer, and what the builder, the database or the provider refuses.
    pub async fn run<C: ConnectionTrait + TransactionTrait>(
        self,
        db: &C,
        change: &ChangeVectorizer,
    ) -> Result<Estimate, ChangeError> {
        let before = catalog::vectorizer(db, change.vectorizer().clone()).await?;
        let Configs { was, becomes } = Configs::of(db, change, before.id).await?;
        let after = Vectorizer {
            config: serde_json::from_value(becomes.clone()).map_err(|error| refused(&before, &error.to_string()))?,
            ..before.clone()
        };
        if change.get_vector_type().is_some() && matches!(before.config.destination, Destination::Column(_)) {
            let why = "its vectors are in a column of the source, whose type is not the vectorizer's: leave out the \
                       vector type";
            return Err(refused(&before, why));
        }
        if change.changes_partitions() && matches!(before.config.destination, Destination::Column(_)) {
            let why =
                "its vectors are in a column of the source, which is partitioned or not: leave out the partitions";
            return Err(refused(&before, why));
        }
        let (was, becomes) = (identity(&was), identity(&becomes));
        let mut table = Table::of(&after)?;
        let look = catalog::look(db).await?;
        table.check(&look, &before).await?;
        table.read_types(&look).await?;
        let (rows, bytes) = table.size(&look).await?;
        let mut estimate = Estimate {
            needs_generation: was != becomes,
            rows,
            chunks: 0,
            copied: 0,
            tokens: 0,
            is_counted: false,
            price: None,
            time: None,
            disk: 0,
            sample: 0,
        };
        if !estimate.needs_generation || rows == 0 {
            return Ok(estimate);
        }
        let may_copy = shared_dimensions(&becomes["embedding"], &was["embedding"], &self.nested).is_some();
        let store = match &before.config.destination {
            Destination::Table(_) if may_copy => Some(&before),
            _ => None,
        };
        let sampled = table.sample(&look, rows, self.sample, store).await?;
        let counter = Counter::of(&after.config.embedding);
        estimate.is_counted = counter.is_exact();
        // splitting and counting take a second and more, and other tasks may need this thread
        let seen = spawn_blocking(move || Sample::of(&table, &sampled, &counter)).await;
        let seen =
            seen.map_err(|error| DbErr::Custom(format!("splitting the sample stopped unexpectedly: {error}")))??;
        // longer texts have more of everything: what was seen is scaled by bytes
        let scale = |part: u64| scaled(part, bytes, seen.bytes);
        estimate.sample = seen.rows;
        estimate.chunks = scale(seen.chunks);
        estimate.copied = scale(seen.copied);
        estimate.tokens = scale(seen.tokens);
        estimate.price = self.price_per_million.map(|price| price * per_million(estimate.tokens));
        estimate.disk = disk(&look, &before, &after, estimate.chunks).await?;
        look.rollback().await?;
        if let Some(embedders) = self.embedders {
            let texts = estimate.chunks - estimate.copied;
            estimate.time = Some(time(embedders, &after, &seen.paid, texts).await?);
        }
        Ok(estimate)
    }
}

/// A line for each figure.
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.needs_generation {
            return write!(f, "no vector changes: it is changed in place");
        }
        let Self { rows, chunks, .. } = self;
        writeln!(f, "rows      {rows} (looked at {})", self.sample)?;
        writeln!(f, "chunks    {chunks}")?;
        writeln!(
            f,
            "to embed  {} ({} are copied: equal text, equal model)",
            chunks - self.copied,
            self.copied
        )?;
        let estimated = if self.is_counted { "" } else { ", four bytes each" };
        writeln!(f, "tokens    {}{estimated}", self.tokens)?;
        if let Some(price) = self.price {
            writeln!(f, "price     {price:.2}")?;
        }
        if let Some(time) = self.time {
            writeln!(f, "time      {} s", time.as_secs())?;
        }
        write!(f, "disk      {} MB", self.disk.div_ceil(1 << 20))
    }
}

/// What was seen of the sample.
#[derive(Default)]
struct Sample {
    rows: u64,
    bytes: u64,
    chunks: u64,
    copied: u64,
    tokens: u64,
    /// The texts that are not copied.
    paid: Vec<String>,
}

impl Sample {
    /// What a worker would make of these rows.
    fn of(table: &Table, rows: &[Row], counter: &Counter) -> Result<Self, ChangeError> {
        let mut seen = Self::default();
        for row in rows {
            let chunks = table.chunks(row)?;
            seen.rows += 1;
            seen.bytes += row.bytes;
            seen.chunks += chunks.len() as u64;
            for chunk in chunks {
                if row.stored.contains(&chunk) {
                    seen.copied += 1;
                } else {
                    seen.tokens += counter.count(&chunk);
                    seen.paid.push(chunk);
                }
            }
        }
        Ok(seen)
    }
}

/// Counts tokens.
enum Counter {
    /// As the model does.
    #[cfg(feature = "embedder")]
    Exact(Box<crate::embedder::OpenAi>),
    /// A quarter of the bytes.
    Estimate,
}

impl Counter {
    fn of(embedding: &Embedding) -> Self {
        match embedding {
            #[cfg(feature = "embedder")]
            Embedding::OpenAi(openai) => Self::Exact(Box::new(crate::embedder::OpenAi::new(&openai.model, 1))),
            _ => Self::Estimate,
        }
    }

    fn is_exact(&self) -> bool {
        !matches!(self, Self::Estimate)
    }

    fn count(&self, text: &str) -> u64 {
        let tokens = match self {
            #[cfg(feature = "embedder")]
            Self::Exact(openai) => openai.count_tokens(text),
            Self::Estimate => text.len().div_ceil(4),
        };
        tokens as u64
    }
}

/// How long it takes to embed so many texts like these.
async fn time(embedders: &Embedders, after: &Vectorizer, paid: &[String], texts: u64) -> Result<Duration, ChangeError> {
    let embedder = embedders.of_config(&after.config.embedding)?;
    let in_request = TEXTS.min(embedder.limits().inputs.max(1));
    let mut took = Vec::new();
    for request in paid.chunks(in_request).take(REQUESTS) {
        let request: Vec<&str> = request.iter().map(String::as_str).collect();
        let began = Instant::now();
        embedder.embed(&request, InputType::Document).await?;
        took.push((began.elapsed(), request.len()));
    }
    // the first may have to wait for a connection or a model
    let Some((request, length)) = took
        .into_iter()
        .min_by_key(|(took, length)| *took / u32::try_from(*length).unwrap_or(1))
    else {
        return Ok(Duration::ZERO);
    };
    let at_once = match &after.config.processing {
        Processing::Default(processing) => processing.concurrency.and_then(|most| usize::try_from(most).ok()),
        Processing::Other(_) => None,
    };
    let at_once = at_once.unwrap_or_else(|| embedder.default_concurrency()).max(1);
    let requests = as_f64(texts) / as_f64(length as u64);
    Ok(request.mul_f64(requests / as_f64(at_once as u64)))
}

/// The bytes that so many chunks take: as much as each takes now, with vectors of the new length and type.
async fn disk<C: ConnectionTrait>(db: &C, before: &Vectorizer, after: &Vectorizer, chunks: u64) -> Result<u64, DbErr> {
    let numbers = |vectorizer: &Vectorizer| {
        let each = if vectorizer.config.destination.is_halfvec() {
            2
        } else {
            4
        };
        each * i64::from(vectorizer.config.embedding.dimensions().unwrap_or_default())
    };
    let vector = numbers(after) + 8;
    let Destination::Table(table) = &before.config.destination else {
        return Ok(chunks.saturating_mul(vector.unsigned_abs()));
    };
    let store = quote_literal(&qualified(
        table.target_schema.as_deref().unwrap_or_default(),
        table.target_table.as_deref().unwrap_or_default(),
    ));
    // vectors are in the table, and once more in an index over them
    let sql = format!(
        "SELECT s.size
             , (SELECT count(*) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
                WHERE i.indrelid = c.oid AND m.amname IN ('hnsw', 'ivfflat'))
             , s.rows
         FROM pg_class c
         CROSS JOIN LATERAL (SELECT sum(pg_total_relation_size(p.oid))::int8 AS size
                 , coalesce(sum(greatest(p.reltuples, 0)) FILTER (WHERE p.relkind <> 'p'), 0)::int8 AS rows
             FROM pg_class p WHERE p.oid = c.oid OR p.oid IN (SELECT t.relid FROM pg_partition_tree(c.oid) t)) s
         WHERE c.oid = to_regclass({store})"
    );
    let row = one(db, &sql, []).await?;
    let (size, indexes, stored) = (unsigned(&row, 0)?, row.try_get_by_index::<i64>(1)?, unsigned(&row, 2)?);
    let each = match size.checked_div(stored) {
        // not analyzed, or empty: a row's header, its keys and three entries of indexes
        None => vector + 200,
        Some(each) => i64::try_from(each).unwrap_or(i64::MAX) + (numbers(after) - numbers(before)) * (1 + indexes),
    };
    Ok(chunks.saturating_mul(each.max(vector).unsigned_abs()))
}

pub(super) async fn one<C: ConnectionTrait>(
    db: &C,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<QueryResult, DbErr> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let row = db.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("the table is gone".to_owned()))
}

pub(super) fn unsigned(row: &QueryResult, place: usize) -> Result<u64, DbErr> {
    Ok(row.try_get_by_index::<i64>(place)?.unsigned_abs())
}

pub(super) fn refused(vectorizer: &Vectorizer, why: &str) -> ChangeError {
    ChangeError::Db(DbErr::Custom(format!(
        "what a change of vectorizer {} costs cannot be said: {why}",
        vectorizer.name
    )))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, of something that is not negative"
)]
fn scaled(part: u64, all: u64, seen: u64) -> u64 {
    if seen == 0 {
        return 0;
    }
    (as_f64(part) * as_f64(all) / as_f64(seen)).round() as u64
}

fn per_million(tokens: u64) -> f64 {
    as_f64(tokens) / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "estimates")]
pub(super) fn as_f64(number: u64) -> f64 {
    number as f64
}
