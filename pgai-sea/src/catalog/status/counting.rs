//! Counting what waits and what has embeddings: small tables row by row, of large ones a part.

use sea_orm::prelude::DateTimeWithTimeZone;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};

use super::sample::{Relation, relation, source};
use super::{Count, Coverage};
use crate::catalog::Vectorizer;
use crate::catalog::wait::state::same_key;
use crate::config::{Destination, Loading};
use crate::sql::quote_identifier;

/// Rows are counted up to this.
const COUNTED: u64 = 10_000;

/// The queue, if the role may read it.
pub(super) async fn queue<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<Option<Relation>, DbErr> {
    match (&vectorizer.queue_schema, &vectorizer.queue_table) {
        (Some(schema), Some(table)) => relation(db, schema, table).await,
        _ => Ok(None),
    }
}

/// What a queue holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backlog {
    pub(super) pending: Count,
    pub(super) oldest: Option<DateTimeWithTimeZone>,
    /// Of the first rows, those that a worker may claim now ..
    pub(super) due: u64,
    /// .. those that a worker has claimed ..
    pub(super) leased: u64,
    /// .. and when the first of the others, which have failed, is tried again.
    pub(super) next_attempt: Option<DateTimeWithTimeZone>,
}

/// How much waits, since when, and for what.
pub(super) async fn backlog<C: ConnectionTrait>(db: &C, queue: &Relation) -> Result<Backlog, DbErr> {
    let sql = format!(
        "SELECT count(*), min(queued_at), count(*) FILTER (WHERE due),
                count(*) FILTER (WHERE NOT due AND loading_retries = 0),
                min(loading_retry_after) FILTER (WHERE NOT due AND loading_retries > 0)
         FROM (SELECT queued_at, loading_retries, loading_retry_after,
                      coalesce(loading_retry_after < clock_timestamp(), true) AS due FROM {} LIMIT $1) q",
        queue.name
    );
    let row = one(db, sql, [(COUNTED + 1).into()]).await?;
    let count = |index| Ok::<u64, DbErr>(natural(row.try_get_by_index(index)?));
    let mut backlog = Backlog {
        pending: Count {
            rows: count(0)?,
            exact: true,
        },
        oldest: row.try_get_by_index(1)?,
        due: count(2)?,
        leased: count(3)?,
        next_attempt: row.try_get_by_index(4)?,
    };
    if backlog.pending.rows > COUNTED {
        let (part, share) = queue.part();
        let sql = format!("SELECT count(*), least(min(queued_at), $1) FROM {part} q");
        let row = one(db, sql, [Value::from(backlog.oldest)]).await?;
        backlog.pending = Count {
            rows: scaled(natural(row.try_get_by_index(0)?), share).max(backlog.pending.rows),
            exact: false,
        };
        backlog.oldest = row.try_get_by_index(1)?;
    }
    Ok(backlog)
}

/// The rows of a table, counted up to `most`. More than 10,000 are estimated.
pub(super) async fn rows_up_to<C: ConnectionTrait>(db: &C, table: &Relation, most: u64) -> Result<u64, DbErr> {
    let counted = most.min(COUNTED);
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT $1) t", table.name);
    let rows = natural(one(db, sql, [counted.into()]).await?.try_get_by_index(0)?);
    if rows < COUNTED || most <= COUNTED {
        return Ok(rows);
    }
    let (part, share) = table.part();
    let sql = format!("SELECT count(*) FROM {part} t");
    let found = natural(one(db, sql, []).await?.try_get_by_index(0)?);
    Ok(scaled(found, share).max(rows))
}

/// Rows that have a text, and those with embeddings; `None` where the source is not as the configuration says, or may
/// not be read.
pub(super) async fn coverage<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<Option<Coverage>, DbErr> {
    let Some(source) = source(db, vectorizer.id).await? else {
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
            let same = same_key(db, vectorizer, "e", "s").await?;
            format!("EXISTS (SELECT 1 FROM {} e WHERE {same})", store.name)
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
            "SELECT count(*), count(*) FILTER (WHERE {has_text}), count(*) FILTER (WHERE {has_text} AND \
                {has_embedding}) FROM {rows} s"
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

pub(super) fn natural(number: i64) -> u64 {
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
