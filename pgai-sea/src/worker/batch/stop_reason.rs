//! What stops a vectorizer for a while without being any row's fault.

use std::time::Duration;

use sea_orm::sqlx::Error;
use sea_orm::sqlx::error::DatabaseError;

/// What stops a vectorizer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The provider is down, slow or limits the rate.
    Provider {
        message: String,
        retry_after: Option<Duration>,
    },
    /// Nothing will work until someone changes something.
    Configuration(String),
    /// The database refuses: a table is gone, a right is missing.
    Refused(String),
    /// It cancelled a statement, as a timeout or a person wants it.
    Cancelled(String),
    /// The database is not there.
    Database(Error),
}

/// Connection, transaction state, authorization, serialization, resources, object state, intervention, system: the database is not there,
/// or not as it should be, whatever the rows.
const NOT_THERE: [&str; 8] = ["08", "25", "28", "40", "53", "55", "57", "58"];
/// The statement is wrong, or not allowed, whatever the rows.
const NOT_ALLOWED: [&str; 2] = ["3F", "42"];
/// A statement took longer than the role's `statement_timeout`, say.
const CANCELLED: [&str; 1] = ["57014"];
/// What should never be, and may be over later.
const INTERNAL: [&str; 1] = ["XX"];

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match &error {
            Error::Database(refusal) if class_is(&error, &CANCELLED) => Self::Cancelled(format!(
                "{}: raise `statement_timeout` for the worker's role, if that was it",
                refusal.message()
            )),
            // asking again changes nothing
            Error::Database(refusal) if !class_is(&error, &NOT_THERE) && !class_is(&error, &INTERNAL) => {
                Self::Refused(refusal.message().to_owned())
            }
            // no connection's: what the settling transaction found
            Error::Configuration(reason) => Self::Configuration(reason.to_string()),
            Error::ColumnDecode { .. } | Error::Decode(_) | Error::Encode(_) | Error::TypeNotFound { .. } => {
                Self::Refused(error.to_string())
            }
            _ => Self::Database(error),
        }
    }
}

/// Whether a row may be the reason why rows could not be read: bytes that are no text, a value that is damaged.
pub(crate) fn may_be_a_rows_to_read(error: &Error) -> bool {
    may_be_a_rows(error) || matches!(error, Error::ColumnDecode { .. } | Error::Decode(_))
}

/// Whether the database may have refused to write for one row's sake: its data, what a trigger says of it, a limit that it exceeds.
pub(crate) fn may_be_a_rows(error: &Error) -> bool {
    matches!(error, Error::Database(_)) && !class_is(error, &NOT_THERE) && !class_is(error, &NOT_ALLOWED)
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Provider { message, .. }
            | Self::Configuration(message)
            | Self::Refused(message)
            | Self::Cancelled(message) => formatter.write_str(message),
            Self::Database(error) => error.fmt(formatter),
        }
    }
}

/// Whether the error's SQLSTATE begins with one of these.
pub(crate) fn class_is(error: &Error, classes: &[&str]) -> bool {
    let state = error.as_database_error().and_then(DatabaseError::code);
    state.is_some_and(|state| classes.iter().any(|class| state.starts_with(class)))
}
