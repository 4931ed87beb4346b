//! Why a command failed.

use sea_orm::DbErr;

use crate::catalog::CatalogError;
use crate::embedder::EmbedError;
use crate::worker::WorkerError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// No address was given.
    #[error("no database is given: pass --db-url postgres://user@host/database, or set DATABASE_URL")]
    NoDatabase,
    /// The address is no URL of PostgreSQL. It is not shown: a password may be anywhere in it.
    #[error("the database's address cannot be read{why}: write postgres://user:password@host:port/database")]
    Address {
        /// `, {reason}` if that can be said without saying any of it.
        why: String,
    },
    /// The address does not lead to a database.
    #[error("cannot connect to {address}: {cause}")]
    Connect {
        /// The address without its password.
        address: String,
        /// What was said.
        cause: DbErr,
    },
    /// There is no `ai` schema.
    #[error("this database has no `ai` schema, so there are no vectorizers: run `pgai-sea install` first")]
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
    /// Vectorizers fail, or cannot be read.
    #[error("{}: the lines above say why and what to do", vectorizers.join(", "))]
    Failing {
        /// `posts is failing`.
        vectorizers: Vec<String>,
    },
    /// A check found something.
    #[error("{0} found: the lines above say what, and how to mend it")]
    Found(usize),
    /// A file cannot be read.
    #[error("{file} cannot be read: {error}")]
    File {
        /// The file.
        file: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file cannot be written.
    #[error("{file} cannot be written: {error}")]
    Written {
        /// The file.
        file: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// Searches cannot be evaluated, or are not good enough.
    #[error("{0}")]
    Evaluate(String),
    /// A question cannot be embedded.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// There is nothing to try again.
    #[error("vectorizer {vectorizer}: no row with the key {key} has failed. `pgai-sea failed list` shows keys")]
    NothingFailed {
        /// The vectorizer's name.
        vectorizer: String,
        /// The key.
        key: String,
    },
    /// The model of `--local-model` cannot be used.
    #[error("--local-model {argument}: {problem}")]
    LocalModel {
        /// The argument.
        argument: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The pages of `--listen` cannot be served.
    #[error("--listen {address}: {error}: name an address of this machine and a port that is free")]
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A change failed.
    #[error(transparent)]
    Changing(#[from] crate::change::ChangeError),
    /// What was asked of `change` makes no sense.
    #[error("{0}")]
    Change(String),
    /// The generations find too little alike.
    #[error("the two generations share {overlap:.3} of what they find, and {least} was asked for")]
    Unlike {
        /// The mean share.
        overlap: f64,
        /// What was asked for.
        least: f64,
    },
    /// A document has no text.
    #[cfg(feature = "documents")]
    #[error(transparent)]
    Document(#[from] crate::document::DocumentError),
    /// A folder or bucket cannot be written to a table.
    #[cfg(feature = "documents")]
    #[error(transparent)]
    Sync(#[from] crate::document::SyncError),
    /// A document's text cannot be split.
    #[cfg(feature = "documents")]
    #[error(transparent)]
    Split(#[from] crate::text::SplitError),
    /// A query failed.
    #[error("a query failed: {0}{advice}", advice = crate::pooled::advice(.0))]
    Db(#[from] DbErr),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}
