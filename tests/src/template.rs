//! Template databases: a catalog is installed once in a test process, and copied for each test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};
use uuid::Uuid;

use real_parts::Postgres;

use crate::server::chain;
use crate::{Catalog, TestDatabase};

/// On a server that others use as well, processes must not share templates: they may be of different builds. Nothing
/// runs at the end of a test process that could drop its own, so the next one drops those of this age.
const STALE: Duration = Duration::from_hours(6);
const PREFIX: &str = "pgai_sea_template_";

/// Names by the server's address and the catalog.
type Templates = BTreeMap<(String, Catalog), Arc<OnceLock<String>>>;

/// The name of the template with this catalog on this server, made at the first call.
pub(crate) fn template(server: &'static Postgres, catalog: Catalog) -> String {
    static TEMPLATES: Mutex<Templates> = Mutex::new(BTreeMap::new());
    let mut templates = TEMPLATES.lock().unwrap_or_else(PoisonError::into_inner);
    let once = Arc::clone(templates.entry((server.url().to_owned(), catalog)).or_default());
    drop(templates);
    // on a thread and runtime of its own: the other tests' threads wait for it, whatever runtime they are in
    once.get_or_init(|| {
        let made = thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| DbErr::Custom(error.to_string()))?
                .block_on(make(server, catalog))
        });
        match made.join() {
            Ok(Ok(name)) => name,
            Ok(Err(error)) => panic!("no template database with {catalog}: {}", chain(&error)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
    .clone()
}

async fn make(server: &Postgres, catalog: Catalog) -> Result<String, DbErr> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let unique = &Uuid::new_v4().simple().to_string()[..8];
    let name = format!("{PREFIX}{now}_{}_{unique}", catalog.word());
    let maintenance = Database::connect(server.url()).await?;
    drop_stale(&maintenance, now).await?;
    maintenance
        .execute_unprepared(&format!("create database {name}"))
        .await?;
    let db = TestDatabase::connect(server.database_url(&name)).await?;
    catalog.install(&db).await?;
    // a template that someone is connected to cannot be copied
    db.close().await?;
    maintenance.close().await?;
    Ok(name)
}

async fn drop_stale(maintenance: &DatabaseConnection, now: u64) -> Result<(), DbErr> {
    let sql = format!("select datname from pg_database where starts_with(datname, '{PREFIX}')");
    let rows = maintenance
        .query_all_raw(Statement::from_string(maintenance.get_database_backend(), sql))
        .await?;
    for row in rows {
        let name: String = row.try_get("", "datname")?;
        let made: Option<u64> = name[PREFIX.len()..]
            .split('_')
            .next()
            .and_then(|made| made.parse().ok());
        if made.is_some_and(|made| now.saturating_sub(made) > STALE.as_secs()) {
            // another process may be doing the same
            maintenance
                .execute_unprepared(&format!("drop database if exists {name}"))
                .await
                .ok();
        }
    }
    Ok(())
}
