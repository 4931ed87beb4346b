//! What ends a run.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr};

use super::database_error::DatabaseError;
use crate::catalog::CatalogError;

/// Why a worker could not run, or stopped.
///
/// Errors of single vectorizers or rows do not end a run. They are in the [`Report`](super::Report).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The connection is not one to PostgreSQL.
    #[error("the worker needs a connection to PostgreSQL, made with `Database::connect`")]
    NotPostgres,
    /// There is no vectorizer of that name or number.
    #[error("there is no vectorizer {0}: see `select id, name from ai.vectorizer`")]
    UnknownVectorizer(String),
    /// A vectorizer cannot be served, and the worker was told to [stop then](super::Worker::stop_on_error).
    #[error("vectorizer {vectorizer}: {message}")]
    Stopped {
        /// Its name.
        vectorizer: String,
        /// What is wrong with it.
        message: String,
    },
    /// The catalog cannot be read.
    #[error("the vectorizers cannot be read{why}: {0}", why = missing(.0))]
    Catalog(#[from] CatalogError),
    /// The database cannot be reached, or went away.
    #[error("the worker lost the database: {0}")]
    Database(DbErr),
}

/// A question, if the database says that it knows no such table or schema.
fn missing(error: &CatalogError) -> &'static str {
    let CatalogError::Db(DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) =
        error
    else {
        return "";
    };
    let code = error
        .as_database_error()
        .and_then(sea_orm::sqlx::error::DatabaseError::code);
    if code.is_some_and(|code| ["42P01", "3F000"].contains(&&*code)) {
        ", is the schema `ai` installed?"
    } else {
        ""
    }
}

impl From<DatabaseError> for WorkerError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error.into())
    }
}

impl From<DatabaseError> for DbErr {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Statement(error) => Self::Query(RuntimeErr::SqlxError(Arc::new(error))),
            error => Self::Query(RuntimeErr::Internal(error.to_string())),
        }
    }
}
