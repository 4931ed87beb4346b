//! What ends a run.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr};

use crate::catalog::CatalogError;

/// Why a worker could not run, or stopped.
///
/// What goes wrong with single vectorizers or rows does not end a run: it is in the [`Report`](super::Report).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The connection is not one to PostgreSQL.
    #[error("the worker needs a connection to PostgreSQL, made with `Database::connect`")]
    NotPostgres,
    /// There is no vectorizer of that name or number.
    #[error("there is no vectorizer {0}: see `select id, name from ai.vectorizer`")]
    UnknownVectorizer(String),
    /// A vectorizer could not be worked on, and the worker was to stop then.
    #[error("vectorizer {vectorizer}: {message}")]
    Stopped {
        /// Its name.
        vectorizer: String,
        /// What is wrong with it.
        message: String,
    },
    /// The catalog cannot be read.
    #[error("the vectorizers cannot be read: is the schema `ai` installed?")]
    Catalog(#[from] CatalogError),
    /// The database is not there, or went away.
    #[error("the database failed")]
    Database(#[source] DbErr),
}

impl From<sea_orm::sqlx::Error> for WorkerError {
    fn from(error: sea_orm::sqlx::Error) -> Self {
        Self::Database(DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))
    }
}
