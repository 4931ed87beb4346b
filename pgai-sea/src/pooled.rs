//! A database behind a pooler that shares sessions by the transaction.
//!
//! SeaORM prepares each statement under a name and runs it by that name later. Such a pooler may give the two to
//! different sessions, and a session may have another client's statement of the same name. Within a transaction the
//! session is one. So each statement gets a transaction, which first closes what another client left behind, and
//! nothing that was prepared is counted on afterwards.

use std::pin::Pin;
#[cfg(feature = "worker")]
use std::time::Duration;

#[cfg(feature = "worker")]
use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseConnectionType,
    DatabaseTransaction, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult, RuntimeErr, Statement,
    TransactionError, TransactionOptions, TransactionTrait,
};

/// Closes the statements that sqlx has prepared on this session. A pooler that keeps prepared statements gives them
/// names of its own, and those are left alone.
const CLOSE_OTHERS: &str = "do $$
declare
    other text;
begin
    for other in
        select s.name from pg_catalog.pg_prepared_statements s where pg_catalog.starts_with(s.name, 'sqlx_s_')
    loop
        execute pg_catalog.format('deallocate %I', other);
    end loop;
end
$$";

/// A connection through a pooler in transaction mode that keeps no prepared statements, such as PgBouncer before 1.21.
///
/// Searches, other queries of SeaORM and this crate's functions take it as they take a [`DatabaseConnection`].
///
/// ```no_run
/// # mod blog_post { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/blog_post.rs")); }
/// # use blog_post::content_embeddings;
/// # async fn f(vector: Vec<f32>) -> Result<(), Box<dyn std::error::Error>> {
/// use pgai_sea::{Pooled, prelude::*};
///
/// let db = Pooled::connect("postgres://app@pooler:6432/blog").await?;
/// let hits = content_embeddings::Entity::search(vector).limit(5).all(&db).await?;
/// # Ok(())
/// # }
/// ```
///
/// Each statement runs in a transaction of its own, which takes three round trips more. [`begin`](Self::begin) gives
/// one for several statements, and for migrations:
///
/// ```no_run
/// # async fn f<Migrator: sea_orm_migration::MigratorTrait>(db: pgai_sea::Pooled) -> Result<(), sea_orm::DbErr> {
/// # use sea_orm::TransactionTrait as _;
/// let transaction = db.begin().await?;
/// Migrator::up(&transaction, None).await?;
/// transaction.commit().await?;
/// # Ok(())
/// # }
/// ```
///
/// A [`Worker`](crate::worker::Worker) needs none of this. It works on any connection, also on
/// [`connection()`](Self::connection).
#[derive(Clone, Debug)]
pub struct Pooled {
    db: DatabaseConnection,
}

impl Pooled {
    /// Connects. `options` are those of [`Database::connect`].
    ///
    /// # Errors
    ///
    /// Those of [`Database::connect`], and that the database is no PostgreSQL.
    pub async fn connect(options: impl Into<ConnectOptions>) -> Result<Self, DbErr> {
        let mut options = options.into();
        let is_lazy = options.get_connect_lazy();
        let db = Database::connect(options.connect_lazy(true).to_owned()).await?;
        if !matches!(db.inner, DatabaseConnectionType::SqlxPostgresPoolConnection(_)) {
            let message = "a pooled connection is one to PostgreSQL".to_owned();
            return Err(DbErr::Conn(RuntimeErr::Internal(message)));
        }
        let pool = db.get_postgres_connection_pool();
        // a statement that was prepared in an earlier transaction may be on another session
        let options = pool.connect_options().as_ref().clone();
        // .. and a pooler as it is installed refuses this setting, which matters to numbers as text alone
        let forgetful = options.statement_cache_capacity(0).extra_float_digits(None);
        pool.set_connect_options(forgetful);
        while let Some(mut earlier) = pool.try_acquire() {
            earlier.close_on_drop();
        }
        if !is_lazy {
            let connected = pool.acquire().await;
            drop(connected.map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?);
        }
        Ok(Self { db })
    }

    /// A connection of its own to the same database, which is closed when it is not needed for a second.
    #[cfg(feature = "worker")]
    pub(crate) fn beside(db: &DatabaseConnection) -> Self {
        let options = db.get_postgres_connection_pool().connect_options();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(Duration::from_secs(1))
            .connect_lazy_with(options.as_ref().clone().statement_cache_capacity(0));
        Self { db: pool.into() }
    }

    /// The pool beneath, for a worker. A query of SeaORM's on it is not safe behind the pooler.
    #[must_use]
    pub fn connection(&self) -> &DatabaseConnection {
        &self.db
    }

    /// A transaction, in which SeaORM's statements are safe.
    async fn safe(transaction: DatabaseTransaction) -> Result<DatabaseTransaction, DbErr> {
        transaction.execute_unprepared(CLOSE_OTHERS).await?;
        Ok(transaction)
    }

    async fn run<T, E, F>(transaction: DatabaseTransaction, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c DatabaseTransaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let done = callback(&transaction).await;
        let ended = if done.is_ok() {
            transaction.commit().await
        } else {
            transaction.rollback().await
        };
        match done {
            Ok(done) => ended.map(|()| done).map_err(TransactionError::Connection),
            Err(error) => Err(TransactionError::Transaction(error)),
        }
    }
}

/// Ends a transaction of one statement.
async fn end<T>(transaction: DatabaseTransaction, done: Result<T, DbErr>) -> Result<T, DbErr> {
    match done {
        Ok(done) => transaction.commit().await.map(|()| done),
        Err(error) => {
            // the statement's error says more than what may go wrong now
            transaction.rollback().await.ok();
            Err(error)
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Pooled {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let transaction = self.begin().await?;
        let done = transaction.execute_raw(statement).await;
        end(transaction, done).await
    }

    /// One message, and no transaction: some statements are not allowed in one.
    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.db.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let transaction = self.begin().await?;
        let row = transaction.query_one_raw(statement).await;
        end(transaction, row).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let transaction = self.begin().await?;
        let rows = transaction.query_all_raw(statement).await;
        end(transaction, rows).await
    }
}

#[async_trait::async_trait]
impl TransactionTrait for Pooled {
    type Transaction = DatabaseTransaction;

    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        Self::safe(self.db.begin().await?).await
    }

    async fn begin_with_config(
        &self,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<DatabaseTransaction, DbErr> {
        Self::safe(self.db.begin_with_config(isolation_level, access_mode).await?).await
    }

    async fn begin_with_options(&self, options: TransactionOptions) -> Result<DatabaseTransaction, DbErr> {
        Self::safe(self.db.begin_with_options(options).await?).await
    }

    async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c DatabaseTransaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let transaction = self.begin().await.map_err(TransactionError::Connection)?;
        Self::run(transaction, callback).await
    }

    async fn transaction_with_config<F, T, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c DatabaseTransaction) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let transaction = self.begin_with_config(isolation_level, access_mode).await;
        Self::run(transaction.map_err(TransactionError::Connection)?, callback).await
    }
}

/// What to do about an error, to be put behind its message. Nothing, if it is not a pooler's.
///
/// The name of a statement is another client's on the session that the pooler chose (42P05), or not known there
/// (26000).
pub(crate) fn advice(error: &DbErr) -> &'static str {
    if is_of_a_pooler(error) {
        " (the connection goes through a pooler that shares sessions by the transaction and keeps no prepared \
         statements: connect with `pgai_sea::Pooled`, or to the server itself, or set the pooler's \
         `max_prepared_statements`, as pgbouncer 1.21 and later have it)"
    } else {
        ""
    }
}

/// Whether a statement's name was another client's.
pub(crate) fn is_of_a_pooler(error: &DbErr) -> bool {
    let (DbErr::Query(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Conn(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let code = error
        .as_database_error()
        .and_then(sea_orm::sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("42P05" | "26000"))
}
