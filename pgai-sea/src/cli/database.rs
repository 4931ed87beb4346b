//! Which database.

use std::time::Duration;

use clap::Args;
use sea_orm::sqlx::Error;
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr};
use tracing::warn;

use super::CliError;

/// pgai's worker reads the first; the second is what SeaORM's tools read.
const VARIABLES: [&str; 2] = ["PGAI_VECTORIZER_WORKER_DB_URL", "DATABASE_URL"];

#[derive(Debug, Args)]
pub(super) struct DatabaseArgs {
    /// The database, as postgres://user:password@host:port/database [env: PGAI_VECTORIZER_WORKER_DB_URL or DATABASE_URL]
    // not clap's `env`: it would print the password with --help
    #[arg(short, long, visible_alias = "database-url", value_name = "URL")]
    db_url: Option<String>,
}

impl DatabaseArgs {
    /// Connects, with at most `connections` connections.
    pub(super) async fn connect(&self, connections: u32) -> Result<DatabaseConnection, CliError> {
        let url = self.url()?;
        let connected = Database::connect(options(&url, connections)).await;
        connected.map_err(|source| CliError::Connect {
            address: without_password(&url),
            source,
        })
    }

    /// The same; but where the database is not there now, the connections are made once it is.
    pub(super) async fn connect_in_time(&self, connections: u32) -> Result<DatabaseConnection, CliError> {
        match self.connect(connections).await {
            Err(CliError::Connect { address, source }) if is_away(&source) => {
                warn!(error = %source, "cannot connect to {address} now; goes on trying");
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

/// The address as it may be shown: `postgres://user:***@host/database`.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "that address (is it a URL?)".to_owned();
    };
    // a parameter may hold one as well, and helps nobody to find the server
    let rest = rest.split('?').next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => {
            format!("{scheme}://{}:***@{host}", user.split(':').next().unwrap_or_default())
        }
        _ => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(
            without_password("postgres://bob:s3cr@t@host:1/db"),
            "postgres://bob:***@host:1/db"
        );
        assert_eq!(
            without_password("postgres://bob@host/db?password=s3cret"),
            "postgres://bob@host/db"
        );
        assert_eq!(
            without_password("host=x password=s3cret"),
            "that address (is it a URL?)"
        );
    }
}
