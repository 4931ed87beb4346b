//! Which database.

use std::time::Duration;

use clap::Args;
use sea_orm::{ConnectOptions, Database, DatabaseConnection};

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
        let from_environment = || {
            VARIABLES
                .iter()
                .find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()))
        };
        let url = self
            .db_url
            .clone()
            .or_else(from_environment)
            .ok_or(CliError::NoDatabase)?;
        let options = ConnectOptions::new(url.clone())
            .max_connections(connections)
            .connect_timeout(Duration::from_secs(10))
            .sqlx_logging(false)
            .to_owned();
        Database::connect(options).await.map_err(|source| CliError::Connect {
            address: without_password(&url),
            source,
        })
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
