//! Watching a build of an index that waits for other people's transactions.
//!
//! `CREATE INDEX CONCURRENTLY` waits twice for transactions that write to the table, and at last for all that began
//! before. No limit of time can be set for the first wait alone, so the worker looks. Before anything is built it gives
//! up after a while, and begins anew later: until then nobody could vacuum or alter the table. What has been built is
//! not thrown away: the last waits have no end, and are said again and again.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::Row as _;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Sql, statement};

/// How often it looks, unless the worker's patience is less.
const LOOK: Duration = Duration::from_secs(5);
/// What PostgreSQL calls the wait before anything is built.
const FIRST_WAIT: &str = "waiting for writers before build";

/// A build of the index that waits for somebody. A prepared transaction has no process.
const WAITS: &str = "
select p.pid, p.phase, coalesce(nullif(p.current_locker_pid, 0)::int, (pg_blocking_pids(p.pid))[1])
from pg_catalog.pg_stat_progress_create_index p
where p.datid = (select oid from pg_catalog.pg_database where datname = current_database())
and p.relid = to_regclass($1) and p.index_relid = to_regclass($2) and p.phase like 'waiting for %'";

/// Whom a build waits for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waits {
    build: i32,
    phase: String,
    pid: i32,
}

/// Looks after one build.
#[derive(Debug)]
pub(super) struct Watch<'b> {
    pub(super) vectorizer: &'b str,
    /// Quoted, as the index.
    pub(super) table: &'b str,
    pub(super) index: &'b str,
    gave_up: Mutex<Option<DatabaseError>>,
}

impl<'b> Watch<'b> {
    pub(super) fn new(vectorizer: &'b str, table: &'b str, index: &'b str) -> Self {
        let gave_up = Mutex::default();
        Self {
            vectorizer,
            table,
            index,
            gave_up,
        }
    }

    /// Looks until it is dropped.
    pub(super) async fn watch(&self, database: &Database) -> Infallible {
        // who builds is the connection's own role, and nobody else sees what it waits for
        let database = database.acting_as(None);
        let patience = database.patience();
        let (mut since, mut seen, mut told) = (Instant::now(), None, 0);
        loop {
            sleep(LOOK.min(patience / 4)).await;
            let Ok(waits) = self.waits(&database).await else {
                continue;
            };
            if waits != seen {
                // another wait of the first kind does not begin from the start: writers come and go
                let is_first = |waits: &Option<Waits>| waits.as_ref().is_some_and(|waits| waits.phase == FIRST_WAIT);
                if !(is_first(&waits) && is_first(&seen)) {
                    (since, told) = (Instant::now(), 0);
                }
                seen = waits;
            }
            let (Some(waits), waited) = (&seen, since.elapsed()) else {
                continue;
            };
            if waited < patience * (told + 1) {
                continue;
            }
            told += 1;
            if waits.phase == FIRST_WAIT {
                self.give_up(&database, waits, waited).await;
                continue;
            }
            let Waits { phase, pid, .. } = waits;
            let (vectorizer, seconds) = (self.vectorizer, waited.as_secs());
            warn!(
                vectorizer,
                pid, phase, seconds, "the index over the embeddings is almost built, and waits for a transaction"
            );
        }
    }

    async fn waits(&self, database: &Database) -> Result<Option<Waits>, DatabaseError> {
        let asked = statement(&Sql::from(WAITS)).bind(self.table.to_owned());
        let Some(row) = asked.bind(self.index.to_owned()).any_on(database).await? else {
            return Ok(None);
        };
        let pid: Option<i32> = row.try_get(2)?;
        let waits = pid.map(|pid| {
            Ok::<_, DatabaseError>(Waits {
                build: row.try_get(0)?,
                phase: row.try_get(1)?,
                pid,
            })
        });
        waits.transpose()
    }

    async fn give_up(&self, database: &Database, waits: &Waits, waited: Duration) {
        *self.gave_up.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(DatabaseError::Blocked { pid: waits.pid, waited });
        let cancel = statement(&Sql::from("select pg_cancel_backend($1)")).bind(waits.build);
        // if this fails, it is tried again after as long a time
        cancel.one_on(database).await.ok();
    }

    /// Why the build was ended, if it was ended here.
    pub(super) fn gave_up(self) -> Option<DatabaseError> {
        self.gave_up.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
