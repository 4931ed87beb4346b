//! Reading what one has written: waiting for a row's embeddings.

mod replica;
pub(super) mod state;

pub use self::replica::wait_until_replayed;

use std::time::{Duration, Instant};

use sea_orm::sea_query::IntoValueTuple;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use super::{CatalogError, vectorizer};
use crate::vectorizer::VectorizerRef;

/// The time between looks grows up to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Why something was not waited for any longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// It is still in the queue.
    #[error(
        "vectorizer {vectorizer:?}: the row is still queued after {waited:?}, {attempts} attempts have failed: \
         check that a worker runs"
    )]
    TimedOut {
        /// The vectorizer's name.
        vectorizer: String,
        /// How long was waited.
        waited: Duration,
        /// Attempts at this row that have failed so far.
        attempts: i32,
    },
    /// It was given up and has no embeddings.
    #[error(
        "vectorizer {vectorizer:?}: the row was given up, {step} failed: \
         see why with `pgai-sea failed list`, then edit or retry it"
    )]
    DeadLetter {
        /// The vectorizer's name.
        vectorizer: String,
        /// What failed.
        step: String,
    },
    /// The key has another number of columns.
    #[error(
        "vectorizer {vectorizer:?}: the key has the columns {}, {given} values were given: give one for each",
        .columns.join(", ")
    )]
    Key {
        /// The vectorizer's name.
        vectorizer: String,
        /// The key's columns.
        columns: Vec<String>,
        /// The number of values given.
        given: usize,
    },
    /// The vectorizer cannot be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The queue cannot be read.
    #[error("vectorizer {vectorizer:?}: its queue cannot be read: {cause}")]
    Queue {
        /// The vectorizer's name.
        vectorizer: String,
        /// What the database says.
        cause: DbErr,
    },
    /// The replica is behind.
    #[error(
        "after {waited:?} the replica has not replayed what the primary had committed: check that it follows, in \
         pg_stat_replication on the primary"
    )]
    NotReplayed {
        /// How long was waited.
        waited: Duration,
    },
    /// Primary or replica does not say how far it is.
    #[error("the {server} cannot be asked how far it is: {cause}")]
    Position {
        /// `primary` or `replica`.
        server: &'static str,
        /// What the database says.
        cause: DbErr,
    },
}

/// Waits until the embeddings of the row with this key are those of its text.
///
/// `key` is the row's primary key, a tuple if it has several columns, in the order of the table's columns. Commit the
/// row first: a transaction that waits for its own row waits in vain. A row that does not exist, or has no text, is not
/// waited for.
///
/// ```no_run
/// # mod blog_post {
/// #     use pgai_sea::Vectorizer;
/// #     use sea_orm::entity::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
/// #     #[sea_orm(table_name = "blog_posts")]
/// #     pub struct Model {
/// #         #[sea_orm(primary_key)]
/// #         pub id: i32,
/// #         #[vectorizer(dimensions = 768)]
/// #         pub content: String,
/// #     }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # use blog_post::content_embeddings;
/// # use std::time::Duration;
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
/// use pgai_sea::catalog::wait_until_embedded;
///
/// // after the insert that gave the row the id 42
/// wait_until_embedded(&db, content_embeddings::Entity, 42, Duration::from_secs(5)).await?;
/// # Ok(())
/// # }
/// ```
///
/// It looks every 5 to 100 milliseconds, and sleeps between looks in the server (`pg_sleep`), so it needs no async
/// runtime of its own. It holds a connection while it waits.
///
/// # Errors
///
/// [`WaitError::TimedOut`] after `timeout`, [`WaitError::DeadLetter`] for a row that was given up, and what is wrong
/// with the arguments or the database.
pub async fn wait_until_embedded<C: ConnectionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
    key: impl IntoValueTuple,
    timeout: Duration,
) -> Result<(), WaitError> {
    let started = Instant::now();
    let vectorizer = self::vectorizer(db, vectorizer).await?;
    let name = || vectorizer.name.clone();
    let key: Vec<Value> = key.into_value_tuple().into_iter().collect();
    if key.len() != vectorizer.source_pk.len() {
        return Err(WaitError::Key {
            vectorizer: name(),
            given: key.len(),
            columns: vectorizer
                .source_pk
                .iter()
                .map(|column| column.attname.clone())
                .collect(),
        });
    }
    let unreadable = |cause| WaitError::Queue {
        vectorizer: name(),
        cause,
    };
    let Some(state) = state::statement(db, &vectorizer, key).await.map_err(unreadable)? else {
        return Ok(());
    };
    let mut pause = Duration::from_millis(5);
    loop {
        let (attempts, failed) = state::read(db, state.clone()).await.map_err(unreadable)?;
        let attempts = match (attempts, failed) {
            (None, None) => return Ok(()),
            (None, Some(step)) => {
                return Err(WaitError::DeadLetter {
                    vectorizer: name(),
                    step,
                });
            }
            (Some(attempts), _) => attempts,
        };
        let left = timeout.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(WaitError::TimedOut {
                vectorizer: name(),
                waited: timeout,
                attempts,
            });
        }
        sleep(db, pause.min(left)).await.map_err(unreadable)?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// In the server: whoever waits may run on any async runtime.
async fn sleep<C: ConnectionTrait>(db: &C, pause: Duration) -> Result<(), DbErr> {
    let seconds = pause.as_secs_f64().into();
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_catalog.pg_sleep($1)", [seconds]);
    db.query_one_raw(statement).await.map(drop)
}
