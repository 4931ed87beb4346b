//! Why a batch, and with it its vectorizer, stops for a while.

use std::fmt;
use std::time::Duration;

use crate::worker::database_error::DatabaseError;

/// What stops a vectorizer without being the fault of a row.
#[derive(Debug)]
pub(crate) enum StopReason {
    /// The provider is down, slow or limits the rate.
    Provider {
        message: String,
        retry_after: Option<Duration>,
    },
    /// The day's tokens are spent. There are more after this time.
    Spent { message: String, wait: Duration },
    /// Nothing will work until someone changes something.
    Configuration(String),
    /// The configuration changed. The vectorizer has to be prepared anew.
    Reconfigured,
    /// The database refuses: a table is gone, a privilege is missing.
    Refused(String),
    /// The database cancelled a statement: a timeout, or a person.
    Cancelled(String),
    /// The database cannot be reached.
    Database(DatabaseError),
}

impl fmt::Display for StopReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider { message, .. }
            | Self::Spent { message, .. }
            | Self::Configuration(message)
            | Self::Refused(message)
            | Self::Cancelled(message) => formatter.write_str(message),
            Self::Reconfigured => formatter.write_str("its configuration changed"),
            Self::Database(error) => error.fmt(formatter),
        }
    }
}
