//! Transactions, and statements in transactions of their own.

use std::time::Duration;

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::{PgArguments, PgQueryResult, PgRow};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{Error, Execute as _, PgConnection, Postgres, query_with, raw_sql};
use tracing::debug;

use super::{Database, LockWait};
use crate::worker::database_error::DatabaseError;

/// A transaction. If it is dropped before it is over, its connection is closed.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(super) connection: PoolConnection<Postgres>,
    pub(super) patience: Duration,
    pub(super) is_over: bool,
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
