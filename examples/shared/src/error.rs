//! What can go wrong, for the person in front of it.

use std::path::PathBuf;
use std::process::ExitCode;

/// Why an example has no database, no model or no crates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Cargo has unpacked none.
    #[error(
        "there are no crates in {}: run `cargo fetch` in a Rust project first, which downloads its dependencies \
         (CARGO_HOME says where to)",
        .0.display()
    )]
    NoCrates(PathBuf),
    /// There is no home directory.
    #[error("there is no home directory to look for Cargo's registry in: set CARGO_HOME")]
    NoHome,
    /// There is no server.
    #[error("there is no PostgreSQL to run on: {0}")]
    Server(#[source] real_parts::Error),
    /// The server has no such database and lets this role create none.
    #[error(
        "the database `{name}` cannot be opened: {source}; let the role create databases, or create this one for it"
    )]
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
    #[error("the model cannot be loaded: {0}")]
    Model(#[from] pgai_sea::embedder::LocalError),
    /// The database cannot be closed or dropped.
    #[error("the database cannot be closed or dropped: {0}")]
    Database(#[from] sea_orm::DbErr),
    /// A bug.
    #[error("a thread panicked: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// What `main` returns. Of a failure it prints the error first, and the causes that the error does not tell itself.
pub fn exit_code<E: std::error::Error>(outcome: Result<(), E>) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    let mut said = error.to_string();
    eprintln!("error: {said}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            eprintln!("  because: {text}");
            said = text;
        }
        cause = error.source();
    }
    ExitCode::FAILURE
}
