//! A lack of connections, in the server's own words.
//!
//! A pool that gets no connection says only that it waited. The server says why: a role's or a database's connection
//! limit, too many clients, a pooler's limit.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::{Connection as _, Error, PgConnection, PgPool};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::debug;

/// Whoever has waited so long asks the server why, and again each time.
const LONG: Duration = Duration::from_secs(1);
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_secs(4);
/// The longest time of an answer.
const SILENCE: Duration = Duration::from_secs(5);

/// The class of SQLSTATEs that say that there is no room for a connection.
const NO_ROOM: &str = "53";
/// What pgbouncer says, some versions with another SQLSTATE.
const NO_ROOM_AT_A_POOLER: &str = "no more connections allowed";

/// Whether there is no room for one more connection.
pub(super) fn is_no_room(refused: &dyn DatabaseError) -> bool {
    refused.code().is_some_and(|code| code.starts_with(NO_ROOM)) || refused.message().contains(NO_ROOM_AT_A_POOLER)
}

/// What is known about a lack of connections.
#[derive(Debug, Default)]
pub(crate) struct Scarcity {
    words: Mutex<Option<String>>,
    asking: tokio::sync::Mutex<()>,
    felt: Notify,
}

impl Scarcity {
    /// Completes when the server has refused a connection for lack of room.
    pub(crate) async fn felt(&self) {
        self.felt.notified().await;
    }

    /// Asks the server again and again why the pool gets no connection.
    pub(super) async fn diagnose(&self, pool: &PgPool) -> Infallible {
        loop {
            sleep(LONG).await;
            // the pool has a limit, and one that asks is enough
            let Ok(_alone) = self.asking.try_lock() else { continue };
            let refused = match timeout(SILENCE, PgConnection::connect_with(&pool.connect_options())).await {
                Ok(Ok(connection)) => {
                    connection.close().await.ok();
                    None
                }
                Ok(Err(Error::Database(refused))) => Some(refused),
                Ok(Err(_)) | Err(_) => continue,
            };
            if let Some(refused) = refused.as_deref().filter(|refused| is_no_room(*refused)) {
                self.learn(refused);
            } else {
                self.know(refused.map(|refused| refused.message().to_owned()));
            }
            sleep(PAUSE).await;
        }
    }

    /// Why there was no connection.
    pub(super) fn reason(&self, pool: &PgPool) -> String {
        let options = pool.options();
        let seconds = options.get_acquire_timeout().as_secs_f64();
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match words {
            Some(words) => format!("the database has given no connection within {seconds} s: {words}"),
            None => format!(
                "no connection of the pool, which may have {}, became free within {seconds} s",
                options.get_max_connections()
            ),
        }
    }

    /// There is no room for one more connection.
    pub(super) fn learn(&self, refused: &dyn DatabaseError) {
        self.felt.notify_one();
        self.know(Some(refused.message().to_owned()));
    }

    fn know(&self, words: Option<String>) {
        debug!(words, "the pool gives no connection");
        *self.words.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }
}
