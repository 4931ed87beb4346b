//! How far vectorizers are: what waits, what is done, how fast it goes. Large tables are not counted but estimated.

mod counting;
mod sample;

use std::time::Duration;

use sea_orm::prelude::DateTimeWithTimeZone;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QuerySelect};
use serde::Serialize;

use self::counting::{backlog, coverage, natural, queue};
use self::sample::relation;
use super::entities::vectorizer_worker_usage;
use super::failed::count;
use super::{CatalogError, Vectorizer, VectorizerRef};
use crate::config::Destination;
use crate::sql::{qualified, quote_identifier};

/// How far a vectorizer is. What cannot be known is `None`, not 0: a table that the role may not read, a figure that
/// the catalog has no place for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct VectorizerStatus {
    /// Its number.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// The table that is embedded, quoted where it has to be.
    pub source: String,
    /// The table of embeddings, or the column.
    pub embeddings: String,
    /// Whether workers pass it over.
    pub disabled: bool,
    /// Rows in the queue: a row that was edited twice may be there twice, and one that a worker is at still is.
    pub pending: Option<Count>,
    /// When the oldest of them was written. If `pending` is no exact number, there may be an older one.
    pub oldest_pending: Option<DateTimeWithTimeZone>,
    /// Rows that were given up.
    pub failed: Option<i64>,
    /// How many of the source's rows have their embeddings.
    pub coverage: Option<Coverage>,
    /// Source rows done in a second, by all of this crate's workers together, over the last minute or so. `None` on
    /// pgai's catalog, and while nobody works.
    pub rows_per_second: Option<f64>,
    /// How long it takes until nothing is pending, if it goes on as fast and nothing is added.
    #[serde(rename = "seconds_left", serialize_with = "seconds")]
    pub time_left: Option<Duration>,
    /// Tokens that were sent to the provider since the vectorizer was created, as far as the provider says so. `None`
    /// on pgai's catalog.
    pub input_tokens: Option<u64>,
}

/// A number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Count {
    /// The number.
    pub rows: u64,
    /// Whether it was counted, and not estimated from a part of the table.
    pub exact: bool,
}

/// How many rows have embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Coverage {
    /// Source rows that have a text, be it only blanks, which give no embedding.
    pub rows: Count,
    /// Those of them that have embeddings, of whatever version of their text.
    pub embedded: Count,
}

impl Coverage {
    /// The share of rows that have embeddings, from 0 to 1; 1 if there are no rows.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn share(&self) -> f64 {
        match self.rows.rows {
            0 => 1.0,
            rows => self.embedded.rows as f64 / rows as f64,
        }
    }
}

/// How far a vectorizer is. It costs a few milliseconds, however large the tables are: up to 10,000 rows of a table are
/// counted, beyond that a part of its pages is.
///
/// ```no_run
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), pgai_sea::catalog::CatalogError> {
/// use pgai_sea::catalog;
///
/// let status = catalog::status(&db, "posts").await?; // or `content_embeddings::Entity`
/// if let Some(pending) = status.pending {
///     println!("{}{} rows to do", if pending.exact { "" } else { "about " }, pending.rows);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is no such vectorizer, and the database's.
pub async fn status<C: ConnectionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
) -> Result<VectorizerStatus, CatalogError> {
    Ok(status_of(db, &super::vectorizer(db, vectorizer).await?).await?)
}

async fn status_of<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<VectorizerStatus, DbErr> {
    let (pending, oldest_pending) = match queue(db, vectorizer).await? {
        Some(queue) => backlog(db, &queue).await?,
        None => (None, None),
    };
    let (rows_per_second, input_tokens) = usage(db, vectorizer.id).await?;
    let source = qualified(&vectorizer.source_schema, &vectorizer.source_table);
    let embeddings = match &vectorizer.config.destination {
        Destination::Table(table) => match (&table.target_schema, &table.target_table) {
            (Some(schema), Some(table)) => qualified(schema, table),
            _ => String::new(),
        },
        Destination::Column(column) => format!("{source}.{}", quote_identifier(&column.embedding_column)),
        Destination::Other(_) => String::new(),
    };
    let is_pending = pending.is_some_and(|pending| pending.rows > 0);
    let rows_per_second = rows_per_second.filter(|_| is_pending);
    Ok(VectorizerStatus {
        id: vectorizer.id,
        name: vectorizer.name.clone(),
        source,
        embeddings,
        disabled: vectorizer.disabled,
        time_left: rows_per_second.zip(pending).and_then(time_left),
        pending,
        oldest_pending,
        failed: count(db, vectorizer).await?,
        coverage: coverage(db, vectorizer).await?,
        rows_per_second,
        input_tokens,
    })
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn time_left((rate, pending): (f64, Count)) -> Option<Duration> {
    Duration::try_from_secs_f64(pending.rows as f64 / rate).ok()
}

/// Rows in a second, and tokens so far.
async fn usage<C: ConnectionTrait>(db: &C, vectorizer: i32) -> Result<(Option<f64>, Option<u64>), DbErr> {
    if relation(db, "ai", "vectorizer_worker_usage").await?.is_none() {
        return Ok((None, None));
    }
    let usage: Option<(Option<f64>, Option<i64>)> = vectorizer_worker_usage::Entity::find_by_id(vectorizer)
        .select_only()
        .expr(Expr::cust("ai._worker_rate(vectorizer_worker_usage)")) // the row
        .column(vectorizer_worker_usage::Column::InputTokens)
        .into_tuple()
        .one(db)
        .await?;
    let (rate, tokens) = usage.unwrap_or_default();
    Ok((rate, tokens.map(natural)))
}

#[expect(clippy::ref_option, reason = "serde's")]
fn seconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs()).serialize(serializer)
}
