//! The worker's transactions. Every statement of the worker runs in one of them.
//!
//! Nothing outlives a transaction: no setting, no session lock, no named statement. So a pooler may give each
//! transaction another session, and a session that another client had before says nothing about this one. A named
//! statement would be another client's behind such a pooler, so the worker's statements have no name.
//!
//! A transaction begins with one message that sets whatever it depends on, whatever the defaults of server, database
//! and role are: isolation, write access, the search path, timeouts, the role. The search path has nothing but
//! `pg_catalog`, as in PostgreSQL's own subscriptions: nobody can put a function or an operator of their own in the
//! way. The text of a key is that of one time zone and one style, whatever session reads it.
//!
//! A transaction waits for a lock for less time than PostgreSQL takes to look for deadlocks. Then it gives back what it
//! has, and is tried again. So a deadlock with an application ends before the application hears of it.
//!
//! A connection may fall silent without being closed: the server's machine is lost, a firewall forgets it. Whoever
//! waits for an answer would then wait for ever. The statement may or may not have run, and the worker's protocol
//! allows for both. A silent connection is closed and not given back to the pool, which would wait for it as well.

mod locks;
mod scarcity;

use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgArguments, PgConnectOptions, PgQueryResult, PgRow};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{
    AssertSqlSafe, Connection as _, Error, Execute as _, PgConnection, PgPool, Postgres, Row as _, query_with, raw_sql,
};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::{debug, trace};

pub(crate) use self::locks::LockWait;
pub(crate) use self::scarcity::Scarcity;
use super::database_error::DatabaseError;
use crate::sql::{quote_identifier, quote_literal};

/// A connection that was idle has to answer within this time.
const GREETING: Duration = Duration::from_secs(5);
/// A statement that takes too long is cancelled by the server. If the server does not do it, the worker gives up so
/// much later.
const MARGIN: Duration = Duration::from_secs(1);
/// A worker that was told to stop waits so long for the database ..
const GRACE: Duration = Duration::from_secs(3);
/// .. and at least so long for each transaction ..
const LAST_GRACE: Duration = Duration::from_secs(1);
/// .. but for nothing any more after this time.
const END: Duration = Duration::from_secs(7);
/// While the pool opens a connection, another one may become free.
const LOOK: Duration = Duration::from_millis(20);
/// The first PostgreSQL that has `transaction_timeout`.
const TRANSACTION_TIMEOUT: u32 = 170_000;

/// What the text of a date, a number or bytes depends on. Keys are such texts, between one transaction and another.
const TEXTS: &str = "set local timezone = 'UTC'; set local datestyle = 'ISO, MDY'; set local intervalstyle = \
                     'postgres'; set local extra_float_digits = 1; set local bytea_output = 'hex'";

/// The class of SQLSTATEs that say that there is no room for a connection.
const NO_ROOM: &str = "53";

/// When the worker was told to stop, if it was.
pub(crate) type Stopping = watch::Receiver<Option<Instant>>;

/// A role that transactions take, and the one that the connections have by themselves.
#[derive(Clone, Debug)]
pub(crate) struct Acting {
    role: Arc<str>,
    own: Arc<str>,
}

impl Acting {
    pub(crate) fn new(role: &str, own: &str) -> Self {
        let (role, own) = (role.into(), own.into());
        Self { role, own }
    }
}

/// The connection pool, and how the worker's transactions begin and end.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pool: PgPool,
    /// The longest time of a statement.
    patience: Duration,
    stopping: Stopping,
    /// The role that transactions take; `None` for the connection's own.
    acting: Option<Acting>,
    scarcity: Arc<Scarcity>,
}

impl Database {
    /// `patience` is the longest time of a statement.
    pub(crate) fn new(pool: PgPool, patience: Duration, stopping: Stopping) -> Self {
        Self {
            pool,
            patience,
            stopping,
            acting: None,
            scarcity: Arc::default(),
        }
    }

    /// The same database, in which transactions have the rights of the role that is taken.
    #[must_use]
    pub(crate) fn acting_as(&self, acting: Option<Acting>) -> Self {
        Self { acting, ..self.clone() }
    }

    /// Gives the rest of a transaction the connection's own rights, until [`take_role`](Self::take_role). What runs at
    /// the commit has to have the other role's again.
    pub(crate) async fn leave_role(&self, connection: &mut PgConnection) -> Result<(), DatabaseError> {
        self.set_role(connection, |acting| &acting.own).await
    }

    /// Takes the role again.
    pub(crate) async fn take_role(&self, connection: &mut PgConnection) -> Result<(), DatabaseError> {
        self.set_role(connection, |acting| &acting.role).await
    }

    async fn set_role(
        &self,
        connection: &mut PgConnection,
        role: impl FnOnce(&Acting) -> &Arc<str>,
    ) -> Result<(), DatabaseError> {
        if let Some(acting) = &self.acting {
            let set = format!("set local role {}", quote_identifier(role(acting)));
            raw_sql(AssertSqlSafe(set)).execute(connection).await?;
        }
        Ok(())
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The longest time of a statement.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// When the worker was told to stop.
    pub(crate) fn stopping(&self) -> Stopping {
        self.stopping.clone()
    }

    /// What is known about a lack of connections.
    pub(crate) fn scarcity(&self) -> &Scarcity {
        &self.scarcity
    }

    /// Begins a transaction that takes no longer than `patience`.
    pub(crate) async fn begin(&self, patience: Duration) -> Result<Transaction, DatabaseError> {
        let mut grace = pin!(self.grace(LAST_GRACE));
        loop {
            let (mut connection, was_idle) = tokio::select! {
                acquired = self.acquire() => acquired?,
                () = &mut grace => return Err(DatabaseError::Stopping),
            };
            let begin = self.opening(connection.server_version_num(), patience);
            let within = if was_idle { GREETING } else { patience };
            let begun = tokio::select! {
                begun = timeout(within, raw_sql(AssertSqlSafe(begin)).execute(&mut *connection)) => begun,
                () = &mut grace => {
                    connection.close_on_drop();
                    return Err(DatabaseError::Stopping);
                }
            };
            // a refused `begin` may leave an aborted transaction behind
            let mut transaction = Transaction {
                connection,
                patience: within,
                is_over: false,
            };
            match begun {
                Ok(Ok(_)) => {
                    transaction.patience = patience;
                    return Ok(transaction);
                }
                Ok(Err(error)) => {
                    let error = DatabaseError::from(error);
                    if !was_idle || !error.ends_the_session() {
                        return Err(error);
                    }
                }
                Err(_) if !was_idle => return Err(transaction.silent()),
                Err(_) => {
                    transaction.silent();
                    // one silent connection is seldom the only one
                    while let Some(mut other) = self.pool.try_acquire() {
                        other.close_on_drop();
                    }
                }
            }
        }
    }

    /// A connection, and whether it was idle. An idle one may be dead.
    async fn acquire(&self) -> Result<(PoolConnection<Postgres>, bool), DatabaseError> {
        if let Some(connection) = self.pool.try_acquire() {
            return Ok((connection, true));
        }
        let mut acquiring = pin!(self.pool.acquire());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut diagnosis = pin!(self.scarcity.diagnose(&self.pool));
        loop {
            tokio::select! {
                acquired = &mut acquiring => return match acquired {
                    Ok(connection) => Ok((connection, false)),
                    Err(Error::PoolTimedOut) => Err(DatabaseError::NoConnection(self.scarcity.reason(&self.pool))),
                    Err(error) => Err(error.into()),
                },
                // The pool does not look again while it opens a connection, which a full server refuses for long.
                _ = look.tick() => if let Some(connection) = self.pool.try_acquire() {
                    return Ok((connection, true));
                },
                never = &mut diagnosis => match never {},
            }
        }
    }

    /// The schemas in which the connections by themselves look for a name.
    pub(crate) async fn search_path(&self) -> Result<Vec<String>, DatabaseError> {
        let path = "select pg_catalog.current_schemas(false)::pg_catalog.text[]";
        let (mut connection, _) = self.acquire().await?;
        match self
            .wait(self.patience, async {
                Ok(raw_sql(path).fetch_one(&mut *connection).await?)
            })
            .await
        {
            Some(Ok(row)) => Ok(row.try_get(0)?),
            failed => {
                connection.close_on_drop();
                Err(failed
                    .and_then(Result::err)
                    .unwrap_or(DatabaseError::NoAnswer(self.patience)))
            }
        }
    }

    /// A connection of its own without timeouts, for one statement that may take hours and cannot be in a transaction.
    ///
    /// The timeouts, and `more` settings, are asked for when it connects. A pooler may refuse that, and then they are
    /// what they are: to set them afterwards would set them for the pooler's next client. Where the server has no room
    /// for one more connection, the pool gives one away.
    pub(crate) async fn own_connection(&self, more: &[(&str, String)]) -> Result<PgConnection, DatabaseError> {
        let mut transaction = self.begin(self.patience).await?;
        let version = transaction.connection().server_version_num().unwrap_or_default();
        transaction.end(Ok(())).await?;
        // an index is built outside of a transaction, which could say so itself
        let since = [
            (0, "statement_timeout", "0"),
            (0, "lock_timeout", "0"),
            (0, "default_transaction_read_only", "off"),
            (TRANSACTION_TIMEOUT, "transaction_timeout", "0"),
        ];
        let settings = since.iter().filter(|(since, ..)| *since <= version);
        let settings = settings.map(|(_, setting, value)| (*setting, (*value).to_owned()));
        let settings: Vec<(&str, String)> = settings.chain(more.iter().cloned()).collect();
        let options = self.pool.connect_options();
        let patient = options.as_ref().clone().options(settings.clone());
        match self.connect(&patient).await {
            Err(error) if error.has_state(&["08P01"]) => self.connect(&options).await,
            Err(error) if error.has_state(&[NO_ROOM]) => {
                let (mut connection, _) = self.acquire().await?;
                connection.close_on_drop();
                let set = settings
                    .iter()
                    .map(|(name, value)| format!("set {name} = {}; ", quote_literal(value)));
                let set: String = set.collect();
                raw_sql(AssertSqlSafe(set)).execute(&mut *connection).await?;
                Ok(connection.detach())
            }
            connected => connected,
        }
    }

    async fn connect(&self, options: &PgConnectOptions) -> Result<PgConnection, DatabaseError> {
        let connected = timeout(self.patience, PgConnection::connect_with(options)).await;
        Ok(connected.map_err(|_| DatabaseError::NoAnswer(self.patience))??)
    }

    /// The message that begins a transaction.
    fn opening(&self, server: Option<u32>, patience: Duration) -> String {
        let milliseconds = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        // Read committed: each statement has to see what was committed before it. The timeouts: a large batch takes its
        // time, the locks of a worker that is gone are free soon, and an application that waits for one is not waited
        // for.
        let mut begin = format!(
            "begin isolation level read committed, read write, not deferrable; \
             set local search_path = pg_catalog, pg_temp; set local row_security = on; \
             set local statement_timeout = {milliseconds}; \
             set local lock_timeout = {}; set local idle_in_transaction_session_timeout = {milliseconds}; {TEXTS}",
            LockWait::EACH.as_millis()
        );
        if server.is_some_and(|server| server >= TRANSACTION_TIMEOUT) {
            begin.push_str("; set local transaction_timeout = 0");
        }
        if let Some(acting) = &self.acting {
            let _ = write!(begin, "; set local role {}", quote_identifier(&acting.role));
        }
        begin
    }

    /// Tells, as a tracing event, that a statement comes.
    fn tell(&self, sql: &str) {
        trace!(database = self.pool.connect_options().get_database(), sql);
    }

    /// Ends when a worker that stops has waited long enough; `least` is the shortest wait.
    async fn grace(&self, least: Duration) {
        let began = Instant::now();
        let mut stopping = self.stopping.clone();
        let since = stopping.wait_for(Option::is_some).await.ok().and_then(|since| *since);
        match since {
            Some(since) => sleep_until((since + GRACE).max(began + least).min(since + END)).await,
            // nobody can stop the worker any more
            None => std::future::pending().await,
        }
    }

    /// Runs `work`, which is done in `transaction` and ends it, for as long as it may take.
    pub(crate) async fn wait<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = Result<T, DatabaseError>>,
    ) -> Option<Result<T, DatabaseError>> {
        tokio::select! {
            done = timeout(patience + MARGIN, work) => done.ok(),
            () = self.grace(GRACE) => None,
        }
    }
}

/// A transaction. If it is dropped before it is over, its connection is closed.
#[derive(Debug)]
pub(crate) struct Transaction {
    connection: PoolConnection<Postgres>,
    patience: Duration,
    is_over: bool,
}

impl Transaction {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Commits if the work was done, and undoes it if not.
    pub(crate) async fn end<T>(&mut self, done: Result<T, DatabaseError>) -> Result<T, DatabaseError> {
        let end = if done.is_ok() { "commit" } else { "rollback" };
        let ended = match &done {
            // such a session is of no use to anybody
            Err(error) if error.ends_the_session() => return done,
            _ => raw_sql(end).execute(&mut *self.connection).await,
        };
        match (done, ended) {
            (Ok(done), Ok(_)) => {
                self.is_over = true;
                Ok(done)
            }
            (Ok(_), Err(error)) => {
                let error = DatabaseError::from(error);
                // a refused commit has ended the transaction
                self.is_over = error.refusal().is_some() && !error.ends_the_session();
                Err(error)
            }
            (Err(error), ended) => {
                self.is_over = ended.is_ok();
                Err(error)
            }
        }
    }

    /// The connection did not answer: it will be closed.
    pub(crate) fn silent(&self) -> DatabaseError {
        debug!("a connection does not answer and is closed");
        DatabaseError::NoAnswer(self.patience)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.close_on_drop();
        }
    }
}

/// Runs a statement on any connection of the [`Database`], in a transaction of its own.
macro_rules! on {
    ($($name:ident, $method:ident, $answer:ty;)*) => {
        /// Runs a statement in a transaction of its own.
        pub(crate) trait On {
            $(fn $name(self, database: &Database) -> impl Future<Output = Result<$answer, DatabaseError>> + Send;)*
        }

        impl On for Query<'_, Postgres, PgArguments> {
            $(async fn $name(mut self, database: &Database) -> Result<$answer, DatabaseError> {
                let arguments = self.take_arguments().map_err(Error::Encode)?.unwrap_or_default();
                let sql = self.sql();
                let locks = LockWait::new(database.patience);
                loop {
                    let mut transaction = database.begin(database.patience).await?;
                    database.tell(sql.as_str());
                    // without a name
                    let statement = query_with(sql.clone(), arguments.clone()).persistent(false);
                    let work = async {
                        let answer = statement.$method(transaction.connection()).await;
                        transaction.end(answer.map_err(DatabaseError::from)).await
                    };
                    match database.wait(database.patience, work).await {
                        Some(Ok(answer)) => return Ok(answer),
                        Some(Err(error)) => locks.wait(error).await?,
                        None => return Err(transaction.silent()),
                    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transaction_begins_with_all_that_it_depends_on() {
        let pool = PgPool::connect_lazy("postgres://nobody@localhost/nothing").unwrap();
        let (_stop, stopping) = watch::channel(None);
        let database = Database::new(pool, Duration::from_mins(1), stopping);
        let patience = Duration::from_millis(1_500);
        assert_eq!(
            database.opening(Some(160_004), patience),
            "begin isolation level read committed, read write, not deferrable; set local search_path = pg_catalog, \
             pg_temp; set local row_security = on; set local statement_timeout = 1500; set local lock_timeout = \
             250; set local \
             idle_in_transaction_session_timeout = 1500; set local timezone = 'UTC'; set local datestyle = 'ISO, MDY'; \
             set local intervalstyle = 'postgres'; set local extra_float_digits = 1; set local bytea_output = 'hex'"
        );
        let owner = database.acting_as(Some(Acting::new("the \"owner\"", "worker")));
        let begin = owner.opening(Some(170_000), patience);
        assert!(
            begin.ends_with(r#"; set local transaction_timeout = 0; set local role "the ""owner""""#),
            "{begin}"
        );
    }
}
