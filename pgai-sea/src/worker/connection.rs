//! The worker's connections. A connection that does not answer in time is given up.
//!
//! A connection may fall silent without being closed: the server's machine is lost, a firewall forgets it. Whoever
//! waits for an answer would then wait for ever. The statement may or may not have run, and the worker's protocol
//! allows for both. A silent connection is closed and not given back to the pool, which would wait for it as well.

use std::time::Duration;

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgArguments, PgQueryResult, PgRow};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{Connection as _, PgPool, Postgres};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::database_error::DatabaseError;

/// An idle connection has to answer within this time.
const GREETING: Duration = Duration::from_secs(5);
/// A worker that was told to stop waits so long for the database ..
const GRACE: Duration = Duration::from_secs(3);
/// .. and then so long for each connection.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// When the worker was told to stop, if it was.
pub(crate) type Stopping = watch::Receiver<Option<Instant>>;

/// The connection pool, and how long the worker waits for answers.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pool: PgPool,
    /// The longest time of a statement.
    patience: Duration,
    stopping: Stopping,
}

impl Database {
    /// `patience` is the longest time of a statement.
    pub(crate) fn new(pool: PgPool, patience: Duration, stopping: Stopping) -> Self {
        Self {
            pool,
            patience,
            stopping,
        }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The longest time of a statement.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// A connection that answers. A caller that finds it silent later has to [close](silent) it.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, DatabaseError> {
        while let Some(mut connection) = self.pool.try_acquire() {
            match timeout(GREETING, connection.ping()).await {
                Ok(Ok(())) => return Ok(connection),
                Ok(Err(_)) => connection.close_on_drop(),
                Err(_) => {
                    connection.close_on_drop();
                    // one silent connection is seldom the only one
                    while let Some(mut other) = self.pool.try_acquire() {
                        other.close_on_drop();
                    }
                }
            }
        }
        tokio::select! {
            acquired = self.pool.acquire() => Ok(acquired?),
            () = self.grace(LAST_GRACE) => Err(DatabaseError::Stopping),
        }
    }

    /// Ends when a worker that stops has waited long enough; `least` is the shortest wait.
    async fn grace(&self, least: Duration) {
        let began = Instant::now();
        let mut stopping = self.stopping.clone();
        let since = stopping.wait_for(Option::is_some).await.ok().and_then(|since| *since);
        match since {
            Some(since) => sleep_until((since + GRACE).max(began + least)).await,
            // nobody can stop the worker any more
            None => std::future::pending().await,
        }
    }
}

/// Closes a connection that did not answer.
pub(crate) fn silent(connection: &mut PoolConnection<Postgres>, patience: Duration) -> DatabaseError {
    debug!("a connection does not answer and is closed");
    connection.close_on_drop();
    DatabaseError::NoAnswer(patience)
}

/// Runs a statement on any connection of the [`Database`], in a transaction of its own.
macro_rules! on {
    ($($name:ident, $method:ident, $answer:ty;)*) => {
        /// Runs a statement in a transaction of its own.
        pub(crate) trait On {
            $(fn $name(self, database: &Database) -> impl Future<Output = Result<$answer, DatabaseError>> + Send;)*
        }

        impl On for Query<'_, Postgres, PgArguments> {
            $(async fn $name(self, database: &Database) -> Result<$answer, DatabaseError> {
                let mut connection = database.acquire().await?;
                let answered = tokio::select! {
                    answered = timeout(database.patience, self.$method(&mut *connection)) => answered.ok(),
                    () = database.grace(GRACE) => None,
                };
                match answered {
                    Some(answered) => Ok(answered?),
                    None => Err(silent(&mut connection, database.patience)),
                }
            })*
        }
    };
}

on! {
    all_on, fetch_all, Vec<PgRow>;
    one_on, fetch_one, PgRow;
    any_on, fetch_optional, Option<PgRow>;
    execute_on, execute, PgQueryResult;
}
