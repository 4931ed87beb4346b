//! Why a change failed.

use std::time::Duration;

use sea_orm::DbErr;

use crate::catalog::CatalogError;
use crate::config::ConfigError;
use crate::embedder::EmbedError;

/// Why a step of a change failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The builder refuses it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The catalog cannot be read, or has no such vectorizer.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The step needs more than pgai's catalog has.
    #[error("pgai's own `ai` schema cannot {step}: {instead}")]
    Pgai {
        /// What was to be done.
        step: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// Nobody is changing it.
    #[error(
        "vectorizer {0} is not being changed: begin with `pgai-sea change start -i {0} ..`, \
         `SchemaManager::change_vectorizer` or `select ai.change_vectorizer(..)`"
    )]
    NotChanging(String),
    /// Others held locks all the time. Nothing was changed.
    #[error(
        "others held a lock on the tables of vectorizer {vectorizer} for {waited:?}: end the long transaction \
         ({holders}), and try again"
    )]
    Locked {
        /// The vectorizer.
        vectorizer: String,
        /// How long it was tried.
        waited: Duration,
        /// Who held them, by process.
        holders: String,
    },
    /// A question could not be embedded.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The database refused or failed.
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl From<ChangeError> for DbErr {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Db(error) => error,
            error => Self::Migration(error.to_string()),
        }
    }
}
