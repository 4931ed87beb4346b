//! A test's database.

use std::path::PathBuf;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement, TryGetable};
use tokio::process::Command;
use uuid::Uuid;

use real_parts::Postgres;

use crate::Catalog;
use crate::server::chain;
use crate::template::template;

/// A database that belongs to one test.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    /// A pool of connections to it, as the superuser.
    pub db: DatabaseConnection,
    /// Its address, for other processes.
    pub url: String,
    /// What it had at the beginning.
    pub catalog: Catalog,
    pub(crate) name: String,
    /// The server that many tests share; none on one of its own.
    pub(crate) server: Option<&'static Postgres>,
}

impl TestDatabase {
    /// Executes statements; for setting things up, and for doing what an application's SQL does.
    pub async fn execute(&self, sql: &str) -> Result<(), DbErr> {
        self.db.execute_unprepared(sql).await.map(drop)
    }

    /// The first column of the one row that `sql` selects.
    pub async fn value<T: TryGetable>(&self, sql: &str) -> Result<T, DbErr> {
        let row = self.db.query_one_raw(self.statement(sql)).await?;
        row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?
            .try_get_by_index(0)
    }

    /// The first column of all rows that `sql` selects.
    pub async fn values<T: TryGetable>(&self, sql: &str) -> Result<Vec<T>, DbErr> {
        let rows = self.db.query_all_raw(self.statement(sql)).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    fn statement(&self, sql: &str) -> Statement {
        Statement::from_string(self.db.get_database_backend(), sql)
    }

    /// A new role of this test's own, without rights: roles belong to the server, databases do not.
    pub async fn role(&self, kind: &str) -> Result<String, DbErr> {
        let name: String = self.value("select current_database()::text").await?;
        let role = format!("{kind}_{}", &name[name.len().saturating_sub(13)..]);
        self.execute(&format!("create role {role}")).await?;
        Ok(role)
    }

    /// Drops a role, with what it has and was granted.
    pub async fn drop_role(&self, role: &str) -> Result<(), DbErr> {
        self.execute(&format!("drop owned by {role} cascade; drop role {role}"))
            .await
    }

    /// A few connections as the superuser who has become `role`.
    pub async fn connect_as(&self, role: &str) -> Result<DatabaseConnection, DbErr> {
        let join = if self.url.contains('?') { '&' } else { '?' };
        let options = ConnectOptions::new(format!("{}{join}options[role]={role}", self.url))
            .max_connections(4)
            .sqlx_logging(false)
            .to_owned();
        Database::connect(options).await
    }

    /// The path of a client program of PostgreSQL's that goes with the server, such as `pg_dump`.
    pub fn program(&self, name: &str) -> Result<PathBuf, DbErr> {
        self.shared()?
            .program(name)
            .map_err(|error| DbErr::Custom(chain(&error)))
    }

    fn shared(&self) -> Result<&'static Postgres, DbErr> {
        let none = || DbErr::Custom("only a test on the shared server can do that".to_owned());
        self.server.ok_or_else(none)
    }

    /// What `pg_dump` writes of this database, brought into a new one by `pg_restore`, which stops at the first error.
    /// It is the caller's to [drop](Self::drop).
    pub async fn restored(&self) -> Result<Self, DbErr> {
        let name = name("restored", self.catalog);
        let server = self.shared()?;
        on_maintenance(server, &format!(r#"create database "{name}""#)).await?;
        let url = server.database_url(&name);
        let dump = std::env::temp_dir().join(&name);
        let run = async {
            let mut write = Command::new(self.program("pg_dump")?);
            run(write.arg("--format=custom").arg("--file").arg(&dump).arg(&self.url)).await?;
            let mut read = Command::new(self.program("pg_restore")?);
            run(read.arg("--exit-on-error").arg("--dbname").arg(&url).arg(&dump)).await
        };
        let outcome = run.await;
        std::fs::remove_file(&dump).ok(); // there is none if it failed
        outcome?;
        Ok(Self {
            db: Self::connect(url.clone()).await?,
            url,
            catalog: self.catalog,
            name,
            server: self.server,
        })
    }

    /// A new one on the same server and with the same catalog, whose texts are any bytes (`SQL_ASCII`). It is the
    /// caller's to [drop](Self::drop).
    pub async fn of_bytes(&self) -> Result<Self, DbErr> {
        self.of_encoding("SQL_ASCII").await
    }

    /// The same whose texts are in this encoding.
    pub async fn of_encoding(&self, encoding: &str) -> Result<Self, DbErr> {
        let name = name(encoding, self.catalog);
        let server = self.shared()?;
        let create = format!(r#"create database "{name}" encoding '{encoding}' locale 'C' template template0"#);
        on_maintenance(server, &create).await?;
        let url = server.database_url(&name);
        let db = Self::connect(url.clone()).await?;
        self.catalog.install(&db).await?;
        Ok(Self {
            db,
            url,
            catalog: self.catalog,
            name,
            server: self.server,
        })
    }

    /// Creates the database of the test called `test`.
    pub(crate) async fn create(server: &'static Postgres, test: &str, catalog: Catalog) -> Result<Self, DbErr> {
        let name = name(test, catalog);
        let url = server.database_url(&name);
        let template = template(server, catalog);
        on_maintenance(server, &format!(r#"create database "{name}" template {template}"#)).await?;
        Ok(Self {
            db: Self::connect(url.clone()).await?,
            url,
            catalog,
            name,
            server: Some(server),
        })
    }

    /// Creates a database on the server at `url`, with nobody to drop it.
    pub(crate) async fn made_at(url: &str, name: &str, catalog: Catalog) -> Result<Self, DbErr> {
        let maintenance = Self::connect(url.to_owned()).await?;
        maintenance
            .execute_unprepared(&format!(r#"create database "{name}""#))
            .await?;
        maintenance.close().await?;
        let (server, _) = url.rsplit_once('/').unwrap_or((url, ""));
        let url = format!("{server}/{name}");
        let db = Self::connect(url.clone()).await?;
        catalog.install(&db).await?;
        Ok(Self {
            db,
            url,
            catalog,
            name: name.to_owned(),
            server: None,
        })
    }

    /// Drops it, whoever is still connected.
    pub async fn drop(self) -> Result<(), DbErr> {
        // a task that the test left behind may hold on to a connection for longer
        tokio::time::timeout(Duration::from_secs(2), self.db.close()).await.ok();
        match self.server {
            Some(server) => on_maintenance(server, &format!(r#"drop database "{}" with (force)"#, self.name)).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn connect(url: String) -> Result<DatabaseConnection, DbErr> {
        // of the server's hundred connections every test that runs meanwhile wants some
        let options = ConnectOptions::new(url)
            .max_connections(8)
            .sqlx_logging(false)
            .to_owned();
        Database::connect(options).await
    }
}

async fn run(command: &mut Command) -> Result<(), DbErr> {
    let program = command.as_std().get_program().to_owned();
    let failed = |what: String| DbErr::Custom(format!("{}: {what}", program.display()));
    let output = command.output().await.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

async fn on_maintenance(server: &Postgres, sql: &str) -> Result<(), DbErr> {
    let db = TestDatabase::connect(server.url().to_owned()).await?;
    db.execute_unprepared(sql).await?;
    db.close().await
}

/// Names the database after the test, within the 63 bytes that PostgreSQL keeps; unique, as several processes may run
/// the same test on one server.
fn name(test: &str, catalog: Catalog) -> String {
    let unique = &Uuid::new_v4().simple().to_string()[..8];
    let suffix = format!("_{}_{unique}", catalog.word());
    let test: String = test
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .take(63 - suffix.len())
        .collect();
    test + &suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_after_its_test_and_no_two_are_the_same() {
        let first = name("worker::an_edit", Catalog::Pgai);
        assert!(first.starts_with("worker__an_edit_pgai_"), "{first}");
        assert_ne!(first, name("worker::an_edit", Catalog::Pgai));
        assert_eq!(name(&"long".repeat(40), Catalog::Bare).len(), 63);
    }
}
