//! Why the worker's database access failed.

use std::time::Duration;

use sea_orm::sqlx;

/// SQLSTATEs that a session does not recover from: the connection broke, the server is read-only or aborted the
/// transaction, the session was told to go, a prepared statement is not this session's.
const LOST: [&str; 8] = ["08", "25006", "25P02", "25P03", "25P04", "57P", "26", "42P05"];

/// Why a statement, or what the worker makes of its answer, failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// The server refused the statement, the connection broke, or a value could not be read.
    #[error(transparent)]
    Statement(#[from] sqlx::Error),
    /// The connection was silent for too long. The statement may or may not have run.
    #[error("the database has not answered within {} s", .0.as_secs_f64())]
    NoAnswer(Duration),
    /// The pool gave no connection. Says why.
    #[error("{0}")]
    NoConnection(String),
    /// Someone else has held a lock for longer than this.
    #[error("somebody else has kept a table or a row locked for {} s (pg_locks says who)", .0.as_secs_f64())]
    Locked(Duration),
    /// Someone else holds a lock that is not waited for.
    #[error("someone else has the table locked")]
    Busy,
    /// A transaction that writes to the table kept an index from being built.
    #[error(
        "its build has waited {} s for the transaction of process {pid}, which has written to the table, and begins \
         anew in a few minutes: end that transaction (pg_stat_activity says whose it is, pg_prepared_xacts if the \
         process is 0)",
        .waited.as_secs_f64().round()
    )]
    Blocked {
        /// Its process.
        pid: i32,
        /// How long.
        waited: Duration,
    },
    /// The worker stops, and waits for a connection no longer.
    #[error("the worker stops, and the database gave it no connection in time")]
    Stopping,
    /// Row-level security may hide source rows. Says what to do.
    #[error("{0}")]
    HiddenRows(String),
    /// The vectorizer's configuration was edited, or another generation answers now.
    #[error("its configuration changed: it is prepared anew")]
    Reconfigured,
    /// The statement's answer is not one that it can have.
    #[error("the database gave an answer that the worker does not understand: {0}")]
    Answer(String),
    /// The worker is wrong about its own data.
    #[error("{0}: this is an error in the worker, please report it")]
    Bug(String),
    /// A task beside the batches panicked.
    #[error("{0}")]
    Panicked(String),
}

impl DatabaseError {
    /// Whether the server refused the statement with an SQLSTATE that begins with one of these.
    pub(crate) fn has_state(&self, classes: &[&str]) -> bool {
        let Self::Statement(error) = self else { return false };
        let state = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        state.is_some_and(|state| classes.iter().any(|class| state.starts_with(class)))
    }

    /// Whether the session is of no use any more, even if it still answers. It may be on a server that became a
    /// replica, or have been told to go.
    pub(crate) fn ends_the_session(&self) -> bool {
        match self {
            Self::Statement(sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_))
            | Self::NoAnswer(_) => true,
            _ => {
                self.has_state(&LOST)
                    || (self.has_state(&["0A000"]) && self.refusal().is_some_and(|words| words.contains("recovery")))
            }
        }
    }

    /// What the server said when it refused the statement. `None` if it did not.
    pub(crate) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Statement(sqlx::Error::Database(refusal)) => Some(refusal.message()),
            _ => None,
        }
    }

    /// Whether a value could not be read, as text with bytes that are none.
    pub(crate) fn is_unreadable_value(&self) -> bool {
        matches!(
            self,
            Self::Statement(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
        )
    }

    /// Whether a value could neither be read nor written, or has a type that the driver does not know.
    pub(crate) fn is_about_a_value(&self) -> bool {
        self.is_unreadable_value()
            || matches!(
                self,
                Self::Statement(sqlx::Error::Encode(_) | sqlx::Error::TypeNotFound { .. })
            )
    }
}
