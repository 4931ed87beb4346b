//! The worker's way to the database: what does not answer in time is taken for gone.
//!
//! A connection may fall silent without being closed: the server's machine is lost, a firewall forgets it. Nothing would ever come of what
//! waits for an answer then. What was asked may have been done or not; the [protocol](super) takes it for either. Such a connection is not
//! given back to the pool, which would wait for it in its turn.

use std::time::Duration;

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgArguments, PgQueryResult, PgRow};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{Connection as _, Error, PgPool, Postgres};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

/// An idle connection answers within this, or is closed.
const GREETING: Duration = Duration::from_secs(5);
/// A worker that was told to stop gives the database so long to be there, ..
const GRACE: Duration = Duration::from_secs(3);
/// .. and so long for each connection after that.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// When the worker was told to stop, if it was.
pub(crate) type Stopping = watch::Receiver<Option<Instant>>;

/// A pool, and how long it is waited for.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pool: PgPool,
    patience: Duration,
    stopping: Stopping,
}

impl Database {
    /// `patience` is what a statement may take.
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

    /// What a statement may take.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// A connection that answers. Who finds in the end that it does not has to close it.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, Error> {
        while let Some(mut connection) = self.pool.try_acquire() {
            match timeout(GREETING, connection.ping()).await {
                Ok(Ok(())) => return Ok(connection),
                Ok(Err(_)) => connection.close_on_drop(),
                Err(_) => {
                    connection.close_on_drop();
                    // one that is silent is seldom the only one
                    while let Some(mut other) = self.pool.try_acquire() {
                        other.close_on_drop();
                    }
                }
            }
        }
        tokio::select! {
            acquired = self.pool.acquire() => acquired,
            () = self.grace(LAST_GRACE) => Err(Error::PoolTimedOut),
        }
    }

    /// Ends when a worker that stops has waited long enough for what takes so long at least.
    async fn grace(&self, least: Duration) {
        let began = Instant::now();
        let mut stopping = self.stopping.clone();
        let since = stopping.wait_for(Option::is_some).await.ok().and_then(|since| *since);
        match since {
            Some(since) => sleep_until((since + GRACE).max(began + least)).await,
            // nobody is left who could stop it
            None => std::future::pending().await,
        }
    }
}

/// Closes a connection that did not answer.
pub(crate) fn silent(connection: &mut PoolConnection<Postgres>, patience: Duration) -> Error {
    debug!("a connection does not answer and is closed");
    connection.close_on_drop();
    let error = format!("the database has not answered within {} s", patience.as_secs_f64());
    Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, error))
}

/// Statements that are by themselves on a [`Database`].
macro_rules! on {
    ($($name:ident, $method:ident, $answer:ty;)*) => {
        /// A statement by itself.
        pub(crate) trait On {
            $(fn $name(self, database: &Database) -> impl Future<Output = Result<$answer, Error>> + Send;)*
        }

        impl On for Query<'_, Postgres, PgArguments> {
            $(async fn $name(self, database: &Database) -> Result<$answer, Error> {
                let mut connection = database.acquire().await?;
                let answered = tokio::select! {
                    answered = timeout(database.patience, self.$method(&mut *connection)) => answered.ok(),
                    () = database.grace(GRACE) => None,
                };
                answered.unwrap_or_else(|| Err(silent(&mut connection, database.patience)))
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
