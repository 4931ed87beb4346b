//! Why a command failed.

use sea_orm::DbErr;

use crate::catalog::CatalogError;
use crate::worker::WorkerError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// No address was given.
    #[error("which database? pass --db-url postgres://user@host/database, or set DATABASE_URL")]
    NoDatabase,
    /// The address does not lead to a database.
    #[error("cannot connect to {address}")]
    Connect {
        /// The address without its password.
        address: String,
        /// What was said.
        #[source]
        source: DbErr,
    },
    /// There is no `ai` schema.
    #[error("there are no vectorizers in this database, it has no `ai` schema: run `pgai-sea install` first")]
    NotInstalled,
    /// The `ai` schema cannot be installed or read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The worker gave up.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The worker ran, and not everything was done.
    #[error("not everything could be embedded:{}", errors.iter().map(|e| format!("\n  {e}")).collect::<String>())]
    Unserved {
        /// The vectorizer's name and what went wrong, one line each.
        errors: Vec<String>,
    },
    /// The model of `--local-model` cannot be used.
    #[error("--local-model {argument}: {problem}")]
    LocalModel {
        /// The argument.
        argument: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A query failed.
    #[error("the database refused a query")]
    Db(#[from] DbErr),
    /// The output cannot be written.
    #[error("cannot write the output")]
    Output(#[from] std::io::Error),
}
