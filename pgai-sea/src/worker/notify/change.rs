//! Whether any transaction has ended, asked of the server and waited for there.

use std::time::Duration;

use sea_orm::sqlx::postgres::PgListener;
use sea_orm::sqlx::{AssertSqlSafe, Error, Executor as _, Row as _, query, raw_sql};
use tokio::time::Instant;

use crate::sql::quote_literal;

/// For how long the server waits in one statement, whose snapshot keeps dead rows from being removed meanwhile. Less than a second, from
/// which on many servers write statements into their log.
const WAIT: Duration = Duration::from_millis(900);

/// Another one than before if any transaction that writes has begun or ended.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    text: String,
    /// It was taken before this.
    pub(super) seen: Instant,
}

impl Snapshot {
    pub(super) async fn now(listener: &mut PgListener) -> Result<Self, Error> {
        let row = query("select pg_current_snapshot()::text").fetch_one(listener).await?;
        Ok(Self::of(row.try_get(0)?))
    }

    fn of(text: String) -> Self {
        Self {
            text,
            seen: Instant::now(),
        }
    }

    /// Whether nothing that writes has begun or ended between the two.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.text == other.text
    }

    /// Whether the server looks several times in one wait.
    pub(super) fn is_waited_for(interval: Duration) -> bool {
        !interval.is_zero() && interval * 2 <= WAIT
    }

    /// The snapshot as soon as it is another, seen with the next look of the server, or the same after a while.
    ///
    /// After an error of the database the connection is in a transaction that failed.
    pub(super) async fn next(self, interval: Duration, listener: &mut PgListener) -> Result<Self, Error> {
        let looks = WAIT.as_millis() / interval.as_millis().max(1);
        // One message there, one back. Beyond read committed a transaction would see the same snapshot for ever. The block's text is
        // always the same: to pg_stat_statements another one is another statement.
        let sql = format!(
            "begin isolation level read committed read only; \
             select pg_catalog.set_config('pgai_sea.snapshot', {}, true); \
             do $wait$ begin \
                 for look in 1 .. {looks} loop \
                     perform pg_catalog.pg_sleep({}); \
                     exit when pg_catalog.pg_current_snapshot()::pg_catalog.text <> pg_catalog.current_setting('pgai_sea.snapshot'); \
                 end loop; \
             end $wait$; \
             select pg_catalog.pg_current_snapshot()::pg_catalog.text; \
             commit",
            quote_literal(&self.text),
            interval.as_secs_f64()
        );
        let rows = listener.fetch_all(raw_sql(AssertSqlSafe(sql))).await?;
        let text: String = rows.last().ok_or(Error::RowNotFound)?.try_get(0)?;
        Ok(if text == self.text { self } else { Self::of(text) })
    }
}
