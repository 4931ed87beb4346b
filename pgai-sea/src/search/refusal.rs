//! Makes the database's errors those of a search.

use sea_orm::sea_query::{Expr, Value};
use sea_orm::{DbErr, RuntimeErr};

use super::error::{SearchError, table_of};
use crate::entity::EmbeddingTrait;

/// An answer of the database to a search of `E`.
pub(super) trait Searching<T> {
    /// Says in an error which table was searched.
    fn searching<E: EmbeddingTrait>(self) -> Result<T, SearchError>;

    /// The same for a statement that compares the stored vectors with `query`. If their lengths differ, the error says
    /// so.
    fn comparing<E: EmbeddingTrait>(self, query: &Expr) -> Result<T, SearchError>;
}

impl<T> Searching<T> for Result<T, DbErr> {
    fn searching<E: EmbeddingTrait>(self) -> Result<T, SearchError> {
        self.map_err(|source| {
            let table = table_of::<E>();
            if is_of_search_path(&source) {
                SearchError::NoPgvector { table, source }
            } else if is_of_catalog(&source) {
                SearchError::Hidden { table, source }
            } else {
                SearchError::Db { table, source }
            }
        })
    }

    fn comparing<E: EmbeddingTrait>(self, query: &Expr) -> Result<T, SearchError> {
        let stored = match &self {
            Err(error) if is_checked(query) => stored_dimensions(error, E::DIMENSIONS),
            _ => None,
        };
        match stored {
            Some(stored) => Err(SearchError::StoredDimensions {
                table: table_of::<E>(),
                stored,
                query: E::DIMENSIONS,
            }),
            None => self.searching::<E>(),
        }
    }
}

/// Whether the query is a vector, which was checked before the search, and not an expression.
pub(super) fn is_checked(query: &Expr) -> bool {
    matches!(query, Expr::Value(Value::Vector(Some(_))))
}

/// Whether a text could not be read as a value of its column.
pub(super) fn is_of_bad_value(error: &SearchError) -> bool {
    let SearchError::Db {
        source: DbErr::Query(RuntimeErr::SqlxError(error)),
        ..
    } = error
    else {
        return false;
    };
    let state = error
        .as_database_error()
        .and_then(sea_orm::sqlx::error::DatabaseError::code);
    matches!(state.as_deref(), Some("22P02" | "22003" | "22007" | "22008"))
}

/// Whether a type, an operator or a function of pgvector was not found.
fn is_of_search_path(error: &DbErr) -> bool {
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) = error else {
        return false;
    };
    match &**error {
        // the driver looks for the type of a vector that it sends
        sea_orm::sqlx::Error::TypeNotFound { type_name } => is_pgvectors(type_name),
        sea_orm::sqlx::Error::Encode(error) => is_pgvectors(&error.to_string()),
        sea_orm::sqlx::Error::Database(error) => {
            matches!(error.code().as_deref(), Some("42704" | "42883")) && is_pgvectors(error.message())
        }
        _ => false,
    }
}

/// Whether the role may not read the catalog.
fn is_of_catalog(error: &DbErr) -> bool {
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) = error else {
        return false;
    };
    error.as_database_error().is_some_and(|error| {
        let message = error.message();
        error.code().as_deref() == Some("42501")
            && (message.ends_with("schema ai") || message.ends_with("table vectorizer"))
    })
}

fn is_pgvectors(text: &str) -> bool {
    [
        "vector",
        "halfvec",
        "sparsevec",
        "binary_quantize",
        "<=>",
        "<->",
        "<#>",
        "<+>",
        "<~>",
        "<%>",
    ]
    .iter()
    .any(|name| text.contains(name))
}

/// pgvector's errors of this kind: `data_exception`.
const MISMATCH: &str = "22000";

/// The length of the stored vectors, if the database refused to compare them with a vector of `declared` dimensions.
fn stored_dimensions(error: &DbErr, declared: usize) -> Option<usize> {
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) = error else {
        return None;
    };
    let error = error.as_database_error()?;
    if error.code()? != MISMATCH {
        return None;
    }
    other_length(error.message(), declared)
}

/// Of the two lengths in pgvector's message the one that is not `declared`. An index scan has them in another order
/// than a comparison.
fn other_length(message: &str, declared: usize) -> Option<usize> {
    let (first, second) = match message.strip_prefix("expected ") {
        // `expected 3 dimensions, not 4`
        Some(lengths) => lengths.split_once(" dimensions, not ")?,
        // `different vector dimensions 3 and 4`, or of another type
        None => message
            .strip_prefix("different ")?
            .split_once(" dimensions ")?
            .1
            .split_once(" and ")?,
    };
    match (first.parse().ok()?, second.parse().ok()?) {
        (length, other) | (other, length) if length == declared => Some(other),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_that_is_not_declared_is_the_databases() {
        for (message, stored) in [
            ("different vector dimensions 4 and 3", Some(4)),
            ("different halfvec dimensions 3 and 4", Some(4)),
            ("expected 3 dimensions, not 4", Some(4)),
            // neither is declared
            ("different vector dimensions 4 and 5", None),
            ("NaN not allowed in vector", None),
        ] {
            assert_eq!(other_length(message, 3), stored, "{message}");
        }
    }
}
