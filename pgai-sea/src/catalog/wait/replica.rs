//! Waiting until a replica has what the primary has.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, TryGetable, Value};

use super::{LONGEST_PAUSE, WaitError, sleep};

/// Where the primary's log ends.
const WRITTEN: &str = "SELECT pg_catalog.pg_current_wal_insert_lsn()::text";
/// Whether a server has replayed the log up to there. One that recovers no more has all there is.
const REPLAYED: &str = "SELECT NOT pg_catalog.pg_is_in_recovery() \
                        OR coalesce(pg_catalog.pg_last_wal_replay_lsn() >= $1::text::pg_catalog.pg_lsn, false)";

/// Waits until a streaming replica has whatever was committed on the primary by now. After
/// [`wait_until_embedded`](super::wait_until_embedded) on the primary, a search on the replica finds the row.
///
/// ```no_run
/// # mod blog_post { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/blog_post.rs")); }
/// # use std::time::Duration;
/// # async fn f(primary: sea_orm::DatabaseConnection, replica: sea_orm::DatabaseConnection)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// use blog_post::content_embeddings;
/// use pgai_sea::catalog::{wait_until_embedded, wait_until_replayed};
///
/// wait_until_embedded(&primary, content_embeddings::Entity, 42, Duration::from_secs(5)).await?;
/// wait_until_replayed(&primary, &replica, Duration::from_secs(5)).await?;
/// # Ok(())
/// # }
/// ```
///
/// It looks every 5 to 100 milliseconds, and sleeps between looks in the replica. A replica that has become the primary
/// is not waited for.
///
/// # Errors
///
/// [`WaitError::NotReplayed`] after `timeout`, and [`WaitError::Position`] if one of the two cannot be asked.
pub async fn wait_until_replayed<P: ConnectionTrait, R: ConnectionTrait>(
    primary: &P,
    replica: &R,
    timeout: Duration,
) -> Result<(), WaitError> {
    let started = Instant::now();
    let position = |server| move |cause| WaitError::Position { server, cause };
    let written: String = value(primary, WRITTEN, []).await.map_err(position("primary"))?;
    let mut pause = Duration::from_millis(5);
    loop {
        let replayed = value(replica, REPLAYED, [written.clone().into()]).await;
        if replayed.map_err(position("replica"))? {
            return Ok(());
        }
        let left = timeout.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(WaitError::NotReplayed { waited: timeout });
        }
        sleep(replica, pause.min(left)).await.map_err(position("replica"))?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn value<T: TryGetable>(
    db: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<T, DbErr> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let row = db.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the server returned no row".to_owned()))?;
    row.try_get_by_index(0)
}
