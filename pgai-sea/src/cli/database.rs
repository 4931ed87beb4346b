//! Which database.

use std::time::Duration;

use clap::Args;
use sea_orm::sqlx::Error;
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr};
use tracing::warn;

use super::CliError;
use super::address::address;
use crate::catalog;
use crate::pooled::Pooled;

/// pgai's worker reads the first; the second is what SeaORM's tools read.
pub(super) const VARIABLES: [&str; 2] = ["PGAI_VECTORIZER_WORKER_DB_URL", "DATABASE_URL"];

#[derive(Debug, Args)]
pub(super) struct DatabaseArgs {
    /// The database, as postgres://user:password@host:port/database [env: PGAI_VECTORIZER_WORKER_DB_URL or
    /// DATABASE_URL]
    // not clap's `env`: it would print the password with --help
    #[arg(short, long, visible_alias = "database-url", value_name = "URL")]
    db_url: Option<String>,
}

impl DatabaseArgs {
    /// Connects, once. A pooler may be in between.
    pub(super) async fn connect(&self) -> Result<Pooled, CliError> {
        let url = self.url()?;
        let address = address(&url)?;
        let connected = Pooled::connect(options(&url, 1)).await;
        connected.map_err(|cause| CliError::Connect { address, cause })
    }

    /// Connects to a database that has the `ai` schema, once.
    pub(super) async fn connect_installed(&self) -> Result<Pooled, CliError> {
        let db = self.connect().await?;
        if catalog::has_catalog(&db).await? {
            Ok(db)
        } else {
            Err(CliError::NotInstalled)
        }
    }

    /// A worker's connections.
    pub(super) async fn connect_worker(&self, connections: u32) -> Result<DatabaseConnection, CliError> {
        let url = self.url()?;
        let address = address(&url)?;
        let connected = Database::connect(options(&url, connections)).await;
        connected.map_err(|cause| CliError::Connect { address, cause })
    }

    /// The same, but where the database is not there now, the connections are made once it is.
    pub(super) async fn connect_in_time(&self, connections: u32) -> Result<DatabaseConnection, CliError> {
        match self.connect_worker(connections).await {
            Err(CliError::Connect { address, cause }) if is_away(&cause) => {
                warn!(error = %cause, "cannot connect to {address} now, and keeps trying");
                let options = options(&self.url()?, connections).connect_lazy(true).to_owned();
                Ok(Database::connect(options).await?)
            }
            connected => connected,
        }
    }

    fn url(&self) -> Result<String, CliError> {
        let from_environment = || {
            VARIABLES
                .iter()
                .find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()))
        };
        self.db_url
            .clone()
            .or_else(from_environment)
            .ok_or(CliError::NoDatabase)
    }
}

fn options(url: &str, connections: u32) -> ConnectOptions {
    ConnectOptions::new(url.to_owned())
        .max_connections(connections)
        .connect_timeout(Duration::from_secs(10))
        .sqlx_logging(false)
        // a pooler as it is installed refuses the setting
        .map_sqlx_postgres_opts(|options| options.extra_float_digits(None))
        .to_owned()
}

/// Whether waiting may help: nobody answers, or the server is starting, stopping or full.
fn is_away(error: &DbErr) -> bool {
    let error = match error {
        DbErr::ConnectionAcquire(_) => return true,
        DbErr::Conn(RuntimeErr::SqlxError(error)) => error,
        _ => return false,
    };
    match &**error {
        // a proxy without a server behind it hangs up in the middle of the greeting
        Error::Io(_) | Error::PoolTimedOut | Error::Protocol(_) => true,
        Error::Database(refusal) => refusal
            .code()
            .is_some_and(|code| ["08", "53", "57"].contains(&&code[..2])),
        _ => false,
    }
}
