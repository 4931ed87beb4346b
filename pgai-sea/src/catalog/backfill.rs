//! How far a backfill is: the rows that were there when it began, queued a few at a time.

use sea_orm::prelude::DateTimeWithTimeZone;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use serde::{Deserialize, Serialize};

/// How far the rows that are there are queued. See [`CreateVectorizer::backfill`](crate::CreateVectorizer::backfill).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BackfillStatus {
    /// When it began.
    pub since: DateTimeWithTimeZone,
    /// Rows that were queued so far.
    pub queued: u64,
    /// Rows of the table when it began, as PostgreSQL's statistics had it. `None` where they had none.
    pub rows: Option<u64>,
    /// What it waits for, if it does: a standby that is behind.
    pub waits_for: Option<String>,
    /// The provider's batches that embed its texts, if it goes through such.
    pub batches: Option<BatchesStatus>,
}

/// Batches of a backfill that are at a provider. See the guide, *A large table*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BatchesStatus {
    /// Those whose vectors are not written yet. `None` for who may not read them, as the numbers below.
    pub batches: Option<u64>,
    /// Their texts.
    pub texts: Option<u64>,
    /// Texts that the provider has embedded, as it said when it was asked last.
    pub done: Option<u64>,
    /// When the first of them was handed in.
    pub since: Option<DateTimeWithTimeZone>,
}

/// What is kept of a backfill, in `ai.vectorizer_generation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// As PostgreSQL writes a `timestamptz`.
    pub(crate) since: String,
    /// The column by whose order rows are queued first; then come the others, by key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) order_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) order_type: Option<String>,
    #[serde(default)]
    pub(crate) descending: bool,
    /// The row that was queued last: the value of the column, if there is one, and the key's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<Vec<String>>,
    /// Whether rows that have embeddings are left out: they were queued by the column's order.
    #[serde(default)]
    pub(crate) only_missing: bool,
    /// Whether there were no embeddings when it began.
    #[serde(default)]
    pub(crate) was_empty: bool,
    #[serde(default)]
    pub(crate) queued: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waits_for: Option<String>,
    /// Who embeds the rows through a provider's batches. Workers queue none meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<Hold>,
}

/// Who is at a backfill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) holder: String,
    /// Somebody else may go on after this moment. As PostgreSQL writes a `timestamptz`.
    pub(crate) until: String,
}

/// A catalog without the column, an older one of ours or pgai's, keeps none.
pub(crate) async fn status<C: ConnectionTrait>(db: &C, vectorizer: i32) -> Result<Option<BackfillStatus>, DbErr> {
    use super::identity::HAS_TABLE;
    if !super::presence::scalar::<C, bool>(db, HAS_TABLE).await? {
        return Ok(None);
    }
    let sql = "SELECT b, (b ->> 'since')::timestamptz FROM ai.vectorizer_generation g \
               CROSS JOIN LATERAL (SELECT to_jsonb(g) -> 'backfill') x (b) \
               WHERE g.vectorizer_id = $1 AND jsonb_typeof(b) = 'object'";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [vectorizer.into()]);
    let Some(row) = db.query_one_raw(statement).await? else {
        return Ok(None);
    };
    let kept: serde_json::Value = row.try_get_by_index(0)?;
    let kept: Kept = serde_json::from_value(kept).map_err(|error| DbErr::Json(error.to_string()))?;
    let batches = match kept.batch {
        Some(_) => Some(batches(db, vectorizer).await?),
        None => None,
    };
    Ok(Some(BackfillStatus {
        batches,
        since: row.try_get_by_index(1)?,
        queued: kept.queued,
        rows: kept.rows,
        waits_for: kept.waits_for,
    }))
}

async fn batches<C: ConnectionTrait>(db: &C, vectorizer: i32) -> Result<BatchesStatus, DbErr> {
    let unknown = BatchesStatus {
        batches: None,
        texts: None,
        done: None,
        since: None,
    };
    let may = "SELECT coalesce(has_table_privilege(to_regclass('ai.vectorizer_batch'), 'select'), false)";
    if !super::presence::scalar::<C, bool>(db, may).await? {
        return Ok(unknown);
    }
    let sql = "SELECT count(*), coalesce(sum(b.texts), 0)::int8, coalesce(sum(b.done), 0)::int8, min(b.handed_in_at) \
               FROM ai.vectorizer_batch b WHERE b.vectorizer_id = $1 AND b.handed_in_at IS NOT NULL";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [vectorizer.into()]);
    let Some(row) = db.query_one_raw(statement).await? else {
        return Ok(unknown);
    };
    let number = |column| row.try_get_by_index::<i64>(column).map(i64::unsigned_abs);
    Ok(BatchesStatus {
        batches: Some(number(0)?),
        texts: Some(number(1)?),
        done: Some(number(2)?),
        since: row.try_get_by_index(3)?,
    })
}
