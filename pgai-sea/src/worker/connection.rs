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

mod encoding;
mod locks;
mod own;
mod scarcity;
mod transaction;

use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{AssertSqlSafe, Error, PgConnection, PgPool, Postgres, Row as _, raw_sql};
use tokio::sync::{Mutex, OnceCell, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tracing::trace;

pub(crate) use self::encoding::{Encoding, UNTRANSLATABLE};
pub(crate) use self::locks::LockWait;
pub(crate) use self::scarcity::Scarcity;
use self::scarcity::is_no_room;
pub(crate) use self::transaction::{On, Transaction};
use super::database_error::DatabaseError;
use crate::sql::quote_identifier;

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
/// The pause before a pooler that is full is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// While the pool opens a connection, another one may become free.
const LOOK: Duration = Duration::from_millis(20);
/// However many vectorizers wait for their turns, there may be a batch in hand for every fourth connection: that keeps
/// a database busy.
const FEWEST: u32 = 4;
/// The first PostgreSQL that has `transaction_timeout`.
const TRANSACTION_TIMEOUT: u32 = 170_000;

/// What the text of a date, a number or bytes depends on. Keys are such texts, between one transaction and another.
const TEXTS: &str = "set local timezone = 'UTC'; set local datestyle = 'ISO, MDY'; set local intervalstyle = \
                     'postgres'; set local extra_float_digits = 1; set local bytea_output = 'hex'";

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
    /// Whether Citus sends statements on to the node of a tenant.
    is_on_nodes: bool,
    scarcity: Arc<Scarcity>,
    /// How many batches the worker has in its own hands.
    in_hand: Arc<watch::Sender<u32>>,
    /// Who waits for a turn waits for those that came before.
    turn: Arc<Mutex<()>>,
    /// How many vectorizers wait for one, or are prepared for it.
    waiting: Arc<watch::Sender<u32>>,
    encoding: Arc<OnceCell<Encoding>>,
}

impl Database {
    /// `patience` is the longest time of a statement.
    pub(crate) fn new(pool: PgPool, patience: Duration, stopping: Stopping) -> Self {
        Self {
            pool,
            patience,
            stopping,
            acting: None,
            is_on_nodes: false,
            scarcity: Arc::default(),
            in_hand: Arc::default(),
            turn: Arc::default(),
            waiting: Arc::default(),
            encoding: Arc::default(),
        }
    }

    /// The same database, in which transactions have the rights of the role that is taken.
    #[must_use]
    pub(crate) fn acting_as(&self, acting: Option<Acting>) -> Self {
        Self { acting, ..self.clone() }
    }

    /// The same database, whose transactions wait for locks on nodes no longer than here.
    #[must_use]
    pub(crate) fn on_nodes(self, is_on_nodes: bool) -> Self {
        Self { is_on_nodes, ..self }
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
                    if self.is_on_nodes {
                        propagate(transaction.connection()).await?;
                    }
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

    /// Counts a batch that the worker has in its own hands, and not at a provider.
    pub(crate) fn in_hand(&self) -> Counted {
        Counted::new(&self.in_hand)
    }

    /// Counts a vectorizer that waits for a turn or is prepared for one.
    pub(crate) fn waits(&self) -> Counted {
        Counted::new(&self.waiting)
    }

    /// Waits until there are fewer of them than connections, and counts one more. The more vectorizers wait, the fewer
    /// there may be, because an edit is behind all that is in hand.
    pub(crate) async fn turn(&self) -> Counted {
        let _waiting = self.waits();
        let _turn = self.turn.lock().await;
        let connections = self.pool.options().get_max_connections();
        let most = || (connections / (*self.waiting.borrow()).clamp(1, FEWEST)).max(connections.min(2));
        // the sender is not dropped before
        let _ = self.in_hand.subscribe().wait_for(|batches| *batches < most()).await;
        self.in_hand()
    }

    /// A connection, and whether it was idle. An idle one may be dead.
    async fn acquire(&self) -> Result<(PoolConnection<Postgres>, bool), DatabaseError> {
        if let Some(connection) = self.pool.try_acquire() {
            return Ok((connection, true));
        }
        let began = Instant::now();
        let acquire = async |pause| {
            sleep(pause).await;
            self.pool.acquire().await
        };
        let mut acquiring = pin!(acquire(Duration::ZERO));
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut diagnosis = pin!(self.scarcity.diagnose(&self.pool));
        loop {
            tokio::select! {
                acquired = &mut acquiring => return match acquired {
                    Ok(connection) => Ok((connection, false)),
                    Err(Error::PoolTimedOut) => Err(DatabaseError::NoConnection(self.scarcity.reason(&self.pool))),
                    // The pool waits where a server says that it is full, and not where a pooler says so.
                    Err(Error::Database(refused)) if is_no_room(&*refused) => {
                        self.scarcity.learn(&*refused);
                        if began.elapsed() < self.pool.options().get_acquire_timeout() {
                            acquiring.set(acquire(AGAIN));
                            continue;
                        }
                        Err(DatabaseError::NoConnection(self.scarcity.reason(&self.pool)))
                    }
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

/// One more of what is counted, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Arc<watch::Sender<u32>>);

impl Counted {
    fn new(counter: &Arc<watch::Sender<u32>>) -> Self {
        counter.send_modify(|count| *count += 1);
        Self(Arc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Makes the time to wait for a lock hold on the nodes that the transaction comes to. Citus sends whole messages on,
/// so this is one of its own.
async fn propagate(connection: &mut PgConnection) -> Result<(), DatabaseError> {
    for set in [
        "set local citus.propagate_set_commands = 'local'".to_owned(),
        format!("set local lock_timeout = {}", LockWait::EACH.as_millis()),
        "set local citus.propagate_set_commands = 'none'".to_owned(),
    ] {
        raw_sql(AssertSqlSafe(set)).execute(&mut *connection).await?;
    }
    Ok(())
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
