//! A test's database.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement, TryGetable};
use uuid::Uuid;

use real_parts::Postgres;

use crate::Catalog;
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
    pub(crate) server: &'static Postgres,
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
            server,
        })
    }

    /// Drops it, whoever is still connected.
    pub(crate) async fn drop(self) -> Result<(), DbErr> {
        // a task that the test left behind may hold on to a connection for longer
        tokio::time::timeout(Duration::from_secs(2), self.db.close()).await.ok();
        on_maintenance(self.server, &format!(r#"drop database "{}" with (force)"#, self.name)).await
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
