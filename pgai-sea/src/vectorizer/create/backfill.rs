//! In which order rows that are there are queued in the background.

use crate::config::{ConfigError, check_identifier};
use crate::sql::{Arg, Call};

/// Queues the rows that are there in the background. See
/// [`CreateVectorizer::backfill`](super::CreateVectorizer::backfill).
///
/// ```
/// use pgai_sea::Backfill;
///
/// let oldest_first = Backfill::by_key();
/// let newest_first = Backfill::by_key().descending(); // of keys that grow
/// let by_date = Backfill::order_by("created_at").descending(); // an index has to begin with it
/// # let _ = (oldest_first, newest_first, by_date);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "pass it to CreateVectorizer::backfill"]
pub struct Backfill {
    order_by: Option<String>,
    descending: bool,
}

impl Backfill {
    /// By the order of the key.
    pub fn by_key() -> Self {
        Self {
            order_by: None,
            descending: false,
        }
    }

    /// By the order of this column. A btree index has to begin with it. Rows whose column is NULL come last.
    pub fn order_by(column: impl Into<String>) -> Self {
        Self {
            order_by: Some(column.into()),
            descending: false,
        }
    }

    /// The largest first: of serial keys and dates the newest.
    pub fn descending(mut self) -> Self {
        self.descending = true;
        self
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let column = self.order_by.as_ref();
        column.map_or(Ok(()), |column| check_identifier("backfill", column))
    }

    pub(super) fn call(&self, create: Call) -> Call {
        Call::new("backfill_vectorizer")
            .arg("vectorizer_id", Some(Arg::Call(create)))
            .arg("order_by", self.order_by.clone().map(Arg::Name))
            .arg("descending", self.descending.then_some(true))
    }
}
