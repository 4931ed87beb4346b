//! [`TestDatabase`]: a database for one test.

use std::str::FromStr as _;
use std::thread;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, query_scalar};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, SqlxPostgresConnector};

use crate::sql::quote_identifier;

/// How many connections a test has at once.
const CONNECTIONS: u32 = 8;

/// A new database on a server that you run, for one test. It is dropped when the value is, also when the test fails.
///
/// ```no_run
/// # use sea_orm_migration::MigratorTrait;
/// # async fn f<Migrator: MigratorTrait>() -> Result<(), Box<dyn std::error::Error>> {
/// use pgai_sea::testing::TestDatabase;
///
/// let test = TestDatabase::from_env().await?;
/// Migrator::up(&test.db, None).await?;
/// # Ok(())
/// # }
/// ```
///
/// The server needs pgvector, and the role the privilege to create databases. `create extension vector` needs a
/// superuser on servers that do not trust the extension.
#[derive(Debug)]
pub struct TestDatabase {
    /// A pool of connections to it.
    pub db: DatabaseConnection,
    name: String,
    options: PgConnectOptions,
}

impl TestDatabase {
    /// Creates one on the server of the environment variable `DATABASE_URL`.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create), and if the variable is not set.
    pub async fn from_env() -> Result<Self, DbErr> {
        let url = std::env::var("DATABASE_URL").map_err(|_| {
            DbErr::Custom(
                "DATABASE_URL is not set: let it name a PostgreSQL with pgvector, such as \
                 postgres://postgres:postgres@localhost/postgres"
                    .to_owned(),
            )
        })?;
        Self::create(&url).await
    }

    /// Creates one on the server of an address. The database of the address has to be there, and nothing in it changes.
    ///
    /// # Errors
    ///
    /// An address that cannot be read, a server that cannot be reached, and a role that may not create databases.
    pub async fn create(url: &str) -> Result<Self, DbErr> {
        let options = PgConnectOptions::from_str(url)
            .map_err(failed)?
            .disable_statement_logging();
        let mut server = PgConnection::connect_with(&options).await.map_err(failed)?;
        let name = query_scalar("select 'pgai_sea_test_' || replace(gen_random_uuid()::text, '-', '')");
        let name: String = name.fetch_one(&mut server).await.map_err(failed)?;
        let create = format!("create database {}", quote_identifier(&name));
        server
            .execute(sea_orm::sqlx::AssertSqlSafe(create))
            .await
            .map_err(failed)?;
        server.close().await.map_err(failed)?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS);
        let pool = pool.connect_lazy_with(options.clone().database(&name));
        Ok(Self {
            db: SqlxPostgresConnector::from_sqlx_postgres_pool(pool),
            name,
            options,
        })
    }

    /// Its address, for another process. It has the password.
    #[must_use]
    pub fn url(&self) -> String {
        self.options.clone().database(&self.name).to_url_lossy().to_string()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (name, options) = (self.name.clone(), self.options.clone());
        // a test's runtime may have one thread, and may be about to end
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .ok()?;
            runtime.block_on(async {
                let mut server = PgConnection::connect_with(&options).await.ok()?;
                let drop = format!("drop database if exists {} with (force)", quote_identifier(&name));
                server.execute(sea_orm::sqlx::AssertSqlSafe(drop)).await.ok()
            })
        });
        if !matches!(dropping.join(), Ok(Some(_))) {
            tracing::warn!(database = self.name, "the database of a test could not be dropped");
        }
    }
}

fn failed(error: sea_orm::sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}
