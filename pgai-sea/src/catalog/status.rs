//! How far vectorizers are: what waits, what is done, how fast it goes. Large tables are not counted but estimated.

mod sample;

use std::time::Duration;

use sea_orm::prelude::DateTimeWithTimeZone;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryResult, QuerySelect, Statement, Value};
use serde::Serialize;

use self::sample::{Relation, relation};
use super::entities::vectorizer_worker_usage;
use super::failed::count;
use super::{CatalogError, Vectorizer, VectorizerRef};
use crate::config::{Destination, Loading};
use crate::sql::{qualified, quote_identifier};

/// Rows are counted up to this.
const COUNTED: u64 = 10_000;

/// How far a vectorizer is. What cannot be known is `None`, not 0: a table that the role may not read, a figure that the catalog has no
/// place for.
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
    /// Source rows done in a second, by all of this crate's workers together, over the last minute or so. `None` on pgai's catalog, and while
    /// nobody works.
    pub rows_per_second: Option<f64>,
    /// How long it takes until nothing is pending, if it goes on as fast and nothing is added.
    #[serde(rename = "seconds_left", serialize_with = "seconds")]
    pub time_left: Option<Duration>,
    /// Tokens that were sent to the provider since the vectorizer was created, as far as the provider says so. `None` on pgai's catalog.
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

/// How far a vectorizer is. It costs a few milliseconds, however large the tables are: up to 10,000 rows of a table are counted, beyond
/// that a part of its pages is.
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

/// The queue, if the role may read it.
async fn queue<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<Option<Relation>, DbErr> {
    match (&vectorizer.queue_schema, &vectorizer.queue_table) {
        (Some(schema), Some(table)) => relation(db, schema, table).await,
        _ => Ok(None),
    }
}

/// How much waits, and since when.
async fn backlog<C: ConnectionTrait>(
    db: &C,
    queue: &Relation,
) -> Result<(Option<Count>, Option<DateTimeWithTimeZone>), DbErr> {
    let sql = format!(
        "SELECT count(*), min(queued_at) FROM (SELECT queued_at FROM {} LIMIT $1) q",
        queue.name
    );
    let row = one(db, sql, [(COUNTED + 1).into()]).await?;
    let (rows, oldest): (i64, _) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let rows = natural(rows);
    if rows <= COUNTED {
        return Ok((Some(Count { rows, exact: true }), oldest));
    }
    let (part, share) = queue.part();
    let sql = format!("SELECT count(*), least(min(queued_at), $1) FROM {part} q");
    let row = one(db, sql, [Value::from(oldest)]).await?;
    let (found, oldest): (i64, _) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let rows = scaled(natural(found), share).max(rows);
    Ok((Some(Count { rows, exact: false }), oldest))
}

/// Rows that have a text, and those with embeddings; `None` where the source is not as the configuration says, or may not be read.
async fn coverage<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<Option<Coverage>, DbErr> {
    let Some(source) = sample::source(db, vectorizer.id).await? else {
        return Ok(None);
    };
    let loaded = match &vectorizer.config.loading {
        Some(Loading::Column(loading)) => loading.column_name.as_str(),
        Some(Loading::Uri(loading)) => loading.column_name.as_str(),
        Some(Loading::Other(_)) | None => return Ok(None),
    };
    let key = || vectorizer.source_pk.iter().map(|column| column.attname.as_str());
    let mut columns: Vec<&str> = key().chain([loaded]).collect();
    let has_embedding = match &vectorizer.config.destination {
        Destination::Table(table) => {
            let (Some(schema), Some(table)) = (&table.target_schema, &table.target_table) else {
                return Ok(None);
            };
            let Some(store) = relation(db, schema, table).await? else {
                return Ok(None);
            };
            let same = key().map(|column| format!("e.{0} = s.{0}", quote_identifier(column)));
            let same = same.collect::<Vec<_>>().join(" AND ");
            format!("EXISTS (SELECT FROM {} e WHERE {same})", store.name)
        }
        Destination::Column(column) => {
            columns.push(&column.embedding_column);
            format!("s.{} IS NOT NULL", quote_identifier(&column.embedding_column))
        }
        Destination::Other(_) => return Ok(None),
    };
    if !source.has_columns(db, &columns).await? {
        return Ok(None);
    }
    columns.sort_unstable();
    columns.dedup();
    let columns: Vec<String> = columns.into_iter().map(quote_identifier).collect();
    // its length in bytes stands beside a long text, which is not read then
    let has_text = format!("octet_length(s.{}) > 0", quote_identifier(loaded));
    let count = |rows: &str| {
        format!(
            "SELECT count(*), count(*) FILTER (WHERE {has_text}), count(*) FILTER (WHERE {has_text} AND {has_embedding}) FROM {rows} s"
        )
    };
    let few = format!(
        "(SELECT {} FROM {} LIMIT {})",
        columns.join(", "),
        source.name,
        COUNTED + 1
    );
    let [all, with_text, embedded] = counts(&one(db, count(&few), []).await?)?;
    let coverage = |rows, embedded, exact| {
        Some(Coverage {
            rows: Count { rows, exact },
            embedded: Count { rows: embedded, exact },
        })
    };
    if all <= COUNTED {
        return Ok(coverage(with_text, embedded, true));
    }
    let (part, share) = source.part();
    let [_, with_text, embedded] = counts(&one(db, count(&part), []).await?)?;
    Ok(coverage(scaled(with_text, share), scaled(embedded, share), false))
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

async fn one<C: ConnectionTrait>(
    db: &C,
    sql: String,
    values: impl IntoIterator<Item = Value>,
) -> Result<QueryResult, DbErr> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let row = db.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("a count".to_owned()))
}

fn counts<const N: usize>(row: &QueryResult) -> Result<[u64; N], DbErr> {
    let mut counts = [0; N];
    for (place, count) in counts.iter_mut().enumerate() {
        *count = natural(row.try_get_by_index(place)?);
    }
    Ok(counts)
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// So many were found in this share.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate of a number that is not negative"
)]
fn scaled(found: u64, share: f64) -> u64 {
    (found as f64 / share).round() as u64
}

#[expect(clippy::ref_option, reason = "serde's")]
fn seconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs()).serialize(serializer)
}
