//! What can go wrong with the catalog.

use sea_orm::DbErr;

/// Why the `ai` schema could not be installed, removed or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The database is not PostgreSQL.
    #[error("vectorizers need PostgreSQL with pgvector, this is a connection to {0}")]
    NotPostgres(&'static str),
    /// The role lacks a privilege.
    #[error("role {role:?} may not {what}: run `{grant}` as its owner, then try again")]
    NoPrivilege {
        /// The role that is connected.
        role: String,
        /// What it may not do: create a schema, say.
        what: &'static str,
        /// The statement that grants it.
        grant: String,
    },
    /// pgvector is missing and could not be added.
    #[error(
        "the extension vector cannot be created: as a superuser run `CREATE EXTENSION vector` in this database \
         (the server needs pgvector installed): {0}"
    )]
    NoVector(#[source] DbErr),
    /// The database has a version of pgai whose functions this crate cannot call.
    #[error(
        "this database has pgai {found}, and pgai-sea works with 0.10 to 0.12: upgrade with `pip install pgai==0.12.1` \
         and `pgai install`"
    )]
    UnsupportedPgai {
        /// The version found.
        found: String,
    },
    /// The extension `ai` owns the schema, and has no vectorizers since 0.10: pgai's own installer adds them.
    #[error(
        "the extension ai {extension} owns the schema ai, which has no vectorizers: add them with `pip install \
         pgai==0.12.1` \
         and `pgai install`"
    )]
    NoVectorizers {
        /// The extension's version.
        extension: String,
    },
    /// The schema `ai` is neither pgai's nor ours, and something in it has a name that is needed.
    #[error("the schema ai has a {name} that is not pgai's: move it to another schema, then try again")]
    Occupied {
        /// The name that is taken.
        name: String,
    },
    /// An upgrade would drop a function that something of the user's calls.
    #[error(
        "the schema ai cannot be upgraded: {} uses the function {function}, which the new version does not have. \
         Drop it or change what it calls, then try again", .users.join(", ")
    )]
    StillUsed {
        /// The function, with its arguments.
        function: String,
        /// What depends on it: views, defaults and triggers, say.
        users: Vec<String>,
    },
    /// A later version of this crate has installed the schema.
    #[error("the schema ai is of version {found}, and this pgai-sea knows {known} at most: upgrade pgai-sea")]
    TooNew {
        /// The version of the schema.
        found: i32,
        /// The version that this crate brings.
        known: i32,
    },
    /// The schema is not one that [`install`](super::install) brought.
    #[error("there is no schema ai of pgai-sea to remove")]
    NotOurs,
    /// Vectorizers exist.
    #[error("the schema ai is in use by vectorizers {}: drop them first", .vectorizers.join(", "))]
    InUse {
        /// Their names.
        vectorizers: Vec<String>,
    },
    /// There is no such vectorizer.
    #[error("there is no vectorizer {0}")]
    NotFound(String),
    /// A key has other columns than the vectorizer's source.
    #[error("a key of vectorizer {vectorizer:?} has the columns {}: give a value for each", .columns.join(", "))]
    Key {
        /// The vectorizer's name.
        vectorizer: String,
        /// The key's columns.
        columns: Vec<String>,
    },
    /// What an application declares is not understood.
    #[error("the declarations cannot be read: {0}. Write the file anew, with `pgai_sea::check::declared_json`")]
    Declarations(#[source] serde_json::Error),
    /// A row of `ai.vectorizer` is not understood.
    #[error("vectorizer {name:?} has a {column} that cannot be read: {source}")]
    Unreadable {
        /// The vectorizer's name.
        name: String,
        /// The column of `ai.vectorizer`.
        column: &'static str,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// The database refused a statement, or cannot be reached.
    #[error("{0}{advice}", advice = crate::pooled::advice(.0))]
    Db(#[from] DbErr),
}

impl From<CatalogError> for DbErr {
    /// For migrations, whose errors are SeaORM's: the message is kept, and a database's own error stays what it was.
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Db(error) => error,
            error => Self::Migration(error.to_string()),
        }
    }
}
