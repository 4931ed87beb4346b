//! An example's database: on a server of one's own, or on one that is fetched and started.

use std::path::{Path, PathBuf};

use real_parts::Postgres;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::Error;

/// The database, and the server behind it.
#[derive(Debug)]
pub struct Database {
    /// A pool of connections to it.
    pub connection: DatabaseConnection,
    server: Postgres,
    /// What it is called on any server.
    name: String,
    /// Whether it was here before.
    found: bool,
    keep: bool,
    /// Where the started server keeps its data, if it is to be kept.
    data_dir: Option<PathBuf>,
}

/// What gave the address: clap takes it from either.
fn named(url: &str) -> &'static str {
    if std::env::var("DATABASE_URL").is_ok_and(|variable| variable == url) {
        "DATABASE_URL"
    } else {
        "--database-url"
    }
}

impl Database {
    /// Connects to the database on the server at `url`, or on one that is started, and creates it where it is missing.
    pub(crate) async fn open(example: &str, url: Option<String>, keep: bool) -> Result<Self, Error> {
        let name = format!("pgai_sea_{}", example.replace('-', "_"));
        let data_dir = (keep && url.is_none()).then(|| data_dir(example));
        let start = {
            let data_dir = data_dir.clone();
            move || match (url, data_dir) {
                (Some(url), _) => Postgres::at(&url, named(&url)),
                (None, Some(dir)) => Postgres::with_data_dir(dir),
                (None, None) => Postgres::start(),
            }
        };
        let server = tokio::task::spawn_blocking(start).await?.map_err(Error::Server)?;
        let open_error = |source| Error::Open {
            name: name.clone(),
            source,
        };
        let found = create(&server, &name).await.map_err(open_error)?;
        let connection = connect(&server.database_url(&name)).await.map_err(open_error)?;
        Ok(Self {
            connection,
            server,
            name,
            found,
            keep,
            data_dir,
        })
    }

    /// What was opened, for a person.
    #[must_use]
    pub fn what(&self) -> String {
        let age = if self.found {
            "the database of an earlier run"
        } else {
            "a new database"
        };
        if self.server.is_started() {
            format!("{age} on a PostgreSQL of its own")
        } else {
            format!("{age}, {}, on your server", self.name)
        }
    }

    /// Closes the connections, and drops the database unless it is to stay. Returns what there is to know afterwards.
    ///
    /// # Errors
    ///
    /// The server does not answer, or does not let the role drop it.
    pub async fn close(self) -> Result<String, Error> {
        self.connection.close().await?;
        let name = &self.name;
        if let Some(dir) = self.data_dir {
            return Ok(format!(
                "Kept in {dir}. The next run with --keep finds it there; to look into it yourself:\n  cargo run -p \
                    real-parts -- \
                 {dir}\nprints the server's address, and the database on it is {name}.",
                dir = dir.display()
            ));
        }
        if self.server.is_started() {
            return Ok("The database is gone with its server; --keep keeps it.".to_owned());
        }
        if self.keep || self.found {
            return Ok(format!(
                "Kept as the database {name} on your server: psql with your URL, ending in /{name}. To be rid of it: \
                    drop \
                 database {name}."
            ));
        }
        let maintenance = connect(self.server.url()).await?;
        maintenance
            .execute_unprepared(&format!("drop database {name} with (force)"))
            .await?;
        maintenance.close().await?;
        Ok(format!("Dropped the database {name}; --keep keeps it."))
    }
}

/// Creates the database unless it is there; whether it was.
async fn create(server: &Postgres, name: &str) -> Result<bool, sea_orm::DbErr> {
    let maintenance = connect(server.url()).await?;
    let known = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "select from pg_database where datname = $1",
        [name.into()],
    );
    let found = maintenance.query_one_raw(known).await?.is_some();
    if !found {
        maintenance
            .execute_unprepared(&format!("create database {name}"))
            .await?;
    }
    maintenance.close().await?;
    Ok(found)
}

async fn connect(url: &str) -> Result<DatabaseConnection, sea_orm::DbErr> {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false);
    sea_orm::Database::connect(options).await
}

/// Beside the other things that builds leave behind.
fn data_dir(example: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let workspace = workspace.canonicalize().unwrap_or(workspace);
    workspace.join("target").join(example)
}
