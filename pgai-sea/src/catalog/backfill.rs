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
    Ok(Some(BackfillStatus {
        since: row.try_get_by_index(1)?,
        queued: kept.queued,
        rows: kept.rows,
        waits_for: kept.waits_for,
    }))
}
