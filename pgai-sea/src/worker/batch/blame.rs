//! Whose fault an error of the database is: a row's, the configuration's, or the database's own.
//!
//! A batch is read and written as a whole first. If the database then refuses what may be one row's fault, the rows are
//! tried one by one, and [`are_the_rows`] decides whether those that failed are charged with an attempt. (A provider's
//! errors are judged in `embed`.)

use sea_orm::sqlx;

use super::stop_reason::StopReason;
use crate::worker::database_error::DatabaseError;

/// Connection, transaction state, authorization, serialization, resources, object state, intervention, system: the
/// database cannot work now, whatever the rows are.
const UNAVAILABLE: [&str; 8] = ["08", "25", "28", "40", "53", "55", "57", "58"];
/// The statement is wrong, or not allowed, whatever the rows are.
const NOT_ALLOWED: [&str; 2] = ["3F", "42"];
/// A statement was cancelled, by the role's `statement_timeout` for example.
const CANCELLED: [&str; 1] = ["57014"];
/// Internal errors. They may be over later.
const INTERNAL: [&str; 1] = ["XX"];

impl From<DatabaseError> for StopReason {
    /// The reason where no row is at fault.
    fn from(error: DatabaseError) -> Self {
        match &error {
            DatabaseError::HiddenRows(reason) => Self::Configuration(reason.clone()),
            DatabaseError::Answer(_) | DatabaseError::Bug(_) | DatabaseError::Panicked(_) => {
                Self::Refused(error.to_string())
            }
            DatabaseError::Reconfigured => Self::Reconfigured,
            DatabaseError::Locked(_) => Self::Cancelled(format!(
                "{error}: if it may take so long, raise the worker's `statement_timeout`"
            )),
            DatabaseError::NoAnswer(_)
            | DatabaseError::NoConnection(_)
            | DatabaseError::Busy
            | DatabaseError::Blocked { .. }
            | DatabaseError::Stopping => Self::Database(error),
            DatabaseError::Statement(_) => match error.refusal() {
                Some(refusal) if error.has_state(&CANCELLED) => Self::Cancelled(format!(
                    "the database cancelled a statement ({refusal}): if it took too long, raise the worker's \
                     `statement_timeout`"
                )),
                // the next attempt would be refused as well
                Some(refusal) if !error.has_state(&UNAVAILABLE) && !error.has_state(&INTERNAL) => {
                    Self::Refused(refusal.to_owned())
                }
                None if error.is_about_a_value() => Self::Refused(error.to_string()),
                Some(_) | None => Self::Database(error),
            },
        }
    }
}

impl From<sqlx::Error> for StopReason {
    fn from(error: sqlx::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

/// Whether one row may be the reason why the database refused to read rows: bytes that are no text, a damaged value.
pub(crate) fn may_be_a_row_that_is_read(error: &DatabaseError) -> bool {
    may_be_a_row_that_is_written(error) || error.is_unreadable_value()
}

/// Whether one row may be the reason why the database refused to write rows: its data, a trigger, a limit.
pub(crate) fn may_be_a_row_that_is_written(error: &DatabaseError) -> bool {
    error.refusal().is_some() && !error.has_state(&UNAVAILABLE) && !error.has_state(&NOT_ALLOWED)
}

/// A row that failed when it was tried alone.
pub(crate) struct FailedAlone<'r> {
    /// Failed attempts before this one.
    pub(crate) attempts: i32,
    pub(crate) reason: &'r str,
    /// Whether it can be nothing but what the row holds.
    pub(crate) is_certain: bool,
}

/// Whether rows that failed alone are charged.
///
/// They are if another row of the batch succeeded, or if all of them were charged before. If none succeeded, they are
/// charged only where the vectorizer has worked before and they fail for different reasons, or it can be nothing but
/// what they hold. Otherwise it is not the rows.
pub(crate) fn are_the_rows(failed: &[FailedAlone<'_>], has_succeeded: bool, has_worked: bool) -> bool {
    let were_charged = failed.iter().all(|row| row.attempts > 0);
    let are_alike = failed.len() > 1 && failed.windows(2).all(|pair| pair[0].reason == pair[1].reason);
    let is_certain = failed.iter().all(|row| row.is_certain);
    has_succeeded || were_charged || (has_worked && (!are_alike || is_certain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(attempts: i32, reason: &str) -> FailedAlone<'_> {
        let is_certain = false;
        FailedAlone {
            attempts,
            reason,
            is_certain,
        }
    }

    #[test]
    fn rows_are_charged_only_where_it_is_not_the_database() {
        let (alike, different) = ([alone(0, "x"), alone(1, "x")], [alone(0, "x"), alone(0, "y")]);
        assert!(are_the_rows(&alike, true, false), "another row was written");
        assert!(!are_the_rows(&alike, false, true), "all fail for the same reason");
        assert!(!are_the_rows(&different, false, false), "nothing was ever written");
        assert!(are_the_rows(&different, false, true));
        assert!(
            are_the_rows(&[alone(1, "x"), alone(2, "x")], false, false),
            "charged before"
        );
        assert!(are_the_rows(&[alone(0, "x")], false, true));
        let certain = alike.map(|row| FailedAlone {
            is_certain: true,
            ..row
        });
        assert!(
            are_the_rows(&certain, false, true),
            "no text that is not UTF-8 can be read"
        );
        assert!(!are_the_rows(&certain, false, false));
    }

    #[test]
    fn only_what_the_server_refuses_may_be_a_row() {
        for error in [
            DatabaseError::Stopping,
            DatabaseError::HiddenRows("some policy".into()),
            sqlx::Error::PoolClosed.into(),
        ] {
            assert!(!may_be_a_row_that_is_read(&error), "{error}");
        }
        let unreadable = DatabaseError::from(sqlx::Error::Decode("not UTF-8".into()));
        assert!(may_be_a_row_that_is_read(&unreadable) && !may_be_a_row_that_is_written(&unreadable));
        assert!(matches!(StopReason::from(unreadable), StopReason::Refused(_)));
        let hidden = DatabaseError::HiddenRows("some policy".into());
        assert!(matches!(StopReason::from(hidden), StopReason::Configuration(reason) if reason == "some policy"));
    }
}
