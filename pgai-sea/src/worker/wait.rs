//! Reading what one has written: waiting for a row's embeddings.

use std::time::Duration;

use sea_orm::sea_query::IntoValueTuple;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use tokio::time::{Instant, sleep};

use crate::catalog::{self, CatalogError, Vectorizer, VectorizerRef};
use crate::sql::{qualified, quote_identifier};

/// The time between looks grows up to this.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Why a row's embeddings were not waited for any longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// It is still in the queue.
    #[error(
        "vectorizer {vectorizer}: the row is still queued after {waited:?}, {attempts} attempts have failed: is a worker running?"
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
    #[error("vectorizer {vectorizer}: the row was given up, {step} failed: see `pgai-sea failed list`")]
    DeadLetter {
        /// The vectorizer's name.
        vectorizer: String,
        /// What failed.
        step: String,
    },
    /// The key has another number of columns.
    #[error("vectorizer {vectorizer}: the key has the columns {}, {given} values were given", .columns.join(", "))]
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
    #[error("the queue cannot be read")]
    Db(#[from] DbErr),
}

/// Waits until the embeddings of the row with this key are those of its text.
///
/// `key` is the row's primary key, a tuple if it has several columns, in the order of the table's columns. What was written must be
/// committed: a transaction that waits for its own row waits in vain. That a row does not exist, or has no text, is no error: there is nothing to embed.
///
/// ```no_run
/// # use std::time::Duration;
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
/// use pgai_sea::worker::wait_until_embedded;
///
/// // after the insert that gave the row the id 42
/// wait_until_embedded(&db, "public_blog_posts_embedding_store", 42, Duration::from_secs(5)).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`WaitError::TimedOut`] after `timeout`, [`WaitError::DeadLetter`] for a row that was given up, and what is wrong with the
/// arguments or the database.
pub async fn wait_until_embedded<C: ConnectionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
    key: impl IntoValueTuple,
    timeout: Duration,
) -> Result<(), WaitError> {
    let started = Instant::now();
    let vectorizer = catalog::vectorizer(db, vectorizer).await?;
    let key: Vec<Value> = key.into_value_tuple().into_iter().collect();
    let Some(state) = state(&vectorizer, key)? else {
        return Ok(());
    };
    let name = || vectorizer.name.clone();
    let mut wait = Duration::from_millis(5);
    loop {
        let row = db.query_one_raw(state.clone()).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("the state of a queue".to_owned()))?;
        let (attempts, failed): (Option<i32>, Option<String>) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        match (attempts, failed) {
            (None, None) => return Ok(()),
            (None, Some(step)) => {
                return Err(WaitError::DeadLetter {
                    vectorizer: name(),
                    step,
                });
            }
            (Some(attempts), _) => {
                let left = timeout.saturating_sub(started.elapsed());
                if left.is_zero() {
                    return Err(WaitError::TimedOut {
                        vectorizer: name(),
                        waited: timeout,
                        attempts,
                    });
                }
                sleep(wait.min(left)).await;
            }
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Failed attempts, NULL for a row that is not queued, and the step that it was given up at. One statement: a row that
/// is given up leaves the queue at the same moment. `None` for a vectorizer without a queue.
fn state(vectorizer: &Vectorizer, key: Vec<Value>) -> Result<Option<Statement>, WaitError> {
    let columns: Vec<String> = vectorizer
        .source_pk
        .iter()
        .map(|column| column.attname.clone())
        .collect();
    if columns.len() != key.len() {
        return Err(WaitError::Key {
            vectorizer: vectorizer.name.clone(),
            given: key.len(),
            columns,
        });
    }
    let (Some(schema), Some(queue)) = (&vectorizer.queue_schema, &vectorizer.queue_table) else {
        return Ok(None);
    };
    let is_it = columns
        .iter()
        .zip(1..)
        .map(|(name, i)| format!("{} = ${i}", quote_identifier(name)));
    let is_it = is_it.collect::<Vec<_>>().join(" AND ");
    let failed = vectorizer.queue_failed_table.as_ref().map_or_else(
        || "NULL::text".to_owned(),
        |failed| {
            format!(
                "(SELECT max(failure_step) FROM {} WHERE {is_it})",
                qualified(schema, failed)
            )
        },
    );
    let queue = qualified(schema, queue);
    let sql = format!("SELECT (SELECT max(loading_retries) FROM {queue} WHERE {is_it}), {failed}");
    Ok(Some(Statement::from_sql_and_values(DbBackend::Postgres, sql, key)))
}
