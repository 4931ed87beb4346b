//! What can go wrong, for the person in front of it.

use std::process::ExitCode;

/// Why an example has no database or no model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no server.
    #[error("the PostgreSQL server cannot be used")]
    Server(#[source] real_parts::Error),
    /// The server has no such database and lets this role create none.
    #[error("the database `{name}` cannot be opened: the role needs `createdb`, or someone has to create it")]
    Open {
        /// The database.
        name: String,
        /// What the server said.
        source: sea_orm::DbErr,
    },
    /// The model cannot be fetched.
    #[error(transparent)]
    Parts(#[from] real_parts::Error),
    /// The model is damaged.
    #[error("the model cannot be loaded")]
    Model(#[from] pgai_sea::embedder::LocalError),
    /// The database cannot be closed or dropped.
    #[error("the database failed")]
    Database(#[from] sea_orm::DbErr),
    /// A bug.
    #[error("a thread panicked")]
    Thread(#[from] tokio::task::JoinError),
}

/// What `main` returns: success, or failure after the error and its causes were printed.
pub fn exit_code<E: std::error::Error>(outcome: Result<(), E>) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}
