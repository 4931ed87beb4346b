//! The catalog counts what all workers of a role ask, in `ai.vectorizer_worker_spending`. pgai's schema has no such
//! table.

use std::time::Duration;

use sea_orm::sqlx::{Row as _, query};

use super::Most;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;

/// Somebody has the count for longer than a worker waits for a lock.
const BUSY: Duration = Duration::from_millis(100);

/// What the catalog says of a request.
#[derive(Debug)]
pub(super) enum Asked {
    /// It is counted.
    Spent,
    /// There is room after this time, if nobody else takes it.
    Full(Duration),
    /// The day's tokens are spent. There are more after this time.
    Day(Duration),
}

/// Whether the catalog counts for this role.
pub(crate) async fn keeps_budgets(pool: &Database) -> Result<bool, DatabaseError> {
    let keeps = "select to_regclass('ai.vectorizer_worker_spending') is not null \
                 and has_table_privilege(to_regclass('ai.vectorizer_worker_spending'), 'insert')";
    Ok(query(keeps).one_on(pool).await?.try_get(0)?)
}

/// Spends a request, if there is room.
pub(super) async fn spend_in(
    pool: &Database,
    provider: &str,
    most: Most,
    tokens: u64,
    is_backfill: bool,
) -> Result<Asked, DatabaseError> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let spend = query("select wait, is_day from ai._worker_spend($1, $2, $3, make_interval(secs => $4), $5, $6, $7)")
        .bind(provider.to_owned())
        .bind(number(tokens))
        .bind(is_backfill)
        .bind(most.window.as_secs_f64())
        .bind(most.requests.map(number))
        .bind(most.tokens.map(number))
        .bind(most.tokens_a_day.map(number));
    let row = match spend.one_on(pool).await {
        Ok(row) => row,
        Err(error) if error.has_state(&["55P03"]) => return Ok(Asked::Full(BUSY)),
        Err(error) => return Err(error),
    };
    let Some(wait) = row.try_get::<Option<f64>, _>(0)? else {
        return Ok(Asked::Spent);
    };
    let wait = Duration::try_from_secs_f64(wait).unwrap_or_default();
    Ok(if row.try_get(1)? {
        Asked::Day(wait)
    } else {
        Asked::Full(wait)
    })
}
