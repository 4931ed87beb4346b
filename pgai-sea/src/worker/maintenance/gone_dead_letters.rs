//! Dead letters of rows that are gone: deleted, truncated, or with another key now.
//!
//! A trigger that removed them would make every delete dearer. So the worker looks, as often as for
//! [orphans](super::orphans). Until then `status` and `failed list` leave them out.

use tracing::{debug, info};

use crate::sql::quote_literal;
use crate::worker::connection::{Database, On as _};
use crate::worker::queue::key_sql::{KeySql, Sql, statement};

/// So many are removed at once.
const MOST: i64 = 10_000;

/// The statement that removes a vectorizer's dead letters without a row.
#[derive(Debug)]
pub(super) struct GoneDeadLetters {
    remove: Sql,
}

impl GoneDeadLetters {
    /// `None` in pgai's first versions, which keep none.
    pub(super) fn new(key_sql: &KeySql) -> Option<Self> {
        let (failed, source) = (key_sql.failed.as_ref()?, &key_sql.source);
        let has_row = key_sql.same("r", "f");
        // a worker that may not see all rows must not take them for gone
        let sees_all = format!("not row_security_active({})", quote_literal(source));
        Some(Self {
            remove: format!(
                "with gone as materialized (select f.ctid as at from {failed} f where {sees_all} and not exists \
                 (select 1 from {source} r where {has_row}) limit $1 for update of f skip locked) \
                 delete from {failed} f where f.ctid = any (array(select gone.at from gone))"
            )
            .into(),
        })
    }

    pub(super) async fn remove(&self, database: &Database, vectorizer: &str) {
        match statement(&self.remove)
            .bind(MOST)
            .execute_on(database)
            .await
            .map(|done| done.rows_affected())
        {
            Ok(0) => {}
            Ok(rows) => info!(vectorizer, rows, "forgot rows that were given up, as they are gone"),
            Err(error) => debug!(vectorizer, %error, "cannot look for rows that were given up and are gone"),
        }
    }
}
