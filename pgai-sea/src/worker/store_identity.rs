//! Whether a store's vectors were made with the configuration of today.
//!
//! Where they were not, somebody has edited the configuration. Then all rows are queued, and while they are embedded no
//! chunk keeps its vector: it may be another model's. The write of a batch [compares](crate::worker::write) the
//! configuration too, so that a worker which still has the old one does not write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::sqlx::{AssertSqlSafe, PgConnection, Row as _, query};
use serde_json::Value;
use tracing::info;

use crate::catalog::Vectorizer;
use crate::catalog::identity::{HAS_TABLE, Kept, identity};
use crate::sql::quote_literal;
use crate::worker::batch::stop_reason::StopReason;
use crate::worker::connection::{Database, LockWait, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{KeySql, Sql, statement};

/// Queueing all rows may take so long.
const LONGEST: Duration = Duration::from_mins(10);

/// What is kept of the store, and where.
#[derive(Debug)]
pub(crate) struct StoreIdentity {
    id: i32,
    queue: String,
    place: Place,
    made_by: Value,
    /// Whether all rows are being embedded anew.
    is_anew: Arc<AtomicBool>,
    /// Whether the store was empty when that began: what is in it now was made for this.
    was_empty: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// `ai.vectorizer_generation`, which keeps [backfills](super::backfill) too.
    Table,
    /// The same of an older version, which keeps none.
    OlderTable,
    /// The queue's comment, on pgai's catalog.
    Comment,
    /// Nowhere: on pgai's catalog only the queue's owner may write its comment.
    Nowhere,
}

/// Compares what is kept with the configuration. Queues all rows if they differ.
///
/// `pool` has the worker's rights, which write the catalog, and `database` those for the vectorizer's tables.
pub(crate) async fn store_identity(
    pool: &Database,
    database: &Database,
    vectorizer: &Vectorizer,
    config: &Value,
    key_sql: &KeySql,
) -> Result<StoreIdentity, StopReason> {
    let now = identity(config);
    let locks = LockWait::new(pool.patience());
    // another worker may be doing the same: then the second look finds it done
    loop {
        let (place, kept, was_empty) = find(pool, database, key_sql).await?;
        let store = |kept: &Kept| StoreIdentity {
            id: key_sql.id,
            queue: key_sql.queue.clone(),
            place,
            made_by: now.clone(),
            is_anew: Arc::new(AtomicBool::new(kept.anew_since.is_some())),
            was_empty,
        };
        let Some(kept) = kept else {
            let first = Kept {
                made_by: now.clone(),
                anew_since: None,
            };
            let store = store(&first);
            if place == Place::Comment {
                store.comment(database, &first).await?;
            }
            return Ok(store);
        };
        if kept.made_by == now {
            return Ok(store(&kept));
        }
        check_column(vectorizer, &kept.made_by, &now)?;
        if place == Place::Nowhere {
            return Err(StopReason::Configuration(
                "its configuration was edited since its embeddings were made, and this role cannot note that they are \
                 made anew: run a worker as the owner of its queue once, or edit the configuration back"
                    .to_owned(),
            ));
        }
        info!(
            vectorizer = vectorizer.name,
            "its configuration was edited: all rows are embedded anew"
        );
        if let Err(error) = requeue(database, key_sql, place, &kept, &now).await {
            locks.wait(error).await?;
        }
    }
}

/// A store's column has one length and one type, and a store its partitions.
fn check_column(vectorizer: &Vectorizer, made_by: &Value, wanted: &Value) -> Result<(), StopReason> {
    let edited = |what: &str, argument: &str| {
        let name = quote_literal(&vectorizer.name);
        Err(StopReason::Configuration(format!(
            "its configuration was edited to {what}: edit it back, then change it with `pgai-sea change start -i {} \
             ..`, `SchemaManager::change_vectorizer` or `select ai.change_vectorizer({name}, {argument} => ..)`, which \
             make a store beside it",
            vectorizer.name
        )))
    };
    let dimensions = (&made_by["embedding"]["dimensions"], &wanted["embedding"]["dimensions"]);
    if dimensions.0.is_null() {
        return Ok(());
    }
    if dimensions.0 != dimensions.1 {
        let (before, now) = dimensions;
        return edited(&format!("{now} dimensions, and its vectors have {before}"), "embedding");
    }
    let of = |identity: &Value| identity["vector_type"].as_str().unwrap_or("vector").to_owned();
    let (before, now) = (of(made_by), of(wanted));
    if before != now {
        return edited(
            &format!("the type {now}, and its vectors are of the type {before}"),
            "vector_type",
        );
    }
    let of = |identity: &Value| match &identity["partitions"] {
        Value::Null => "one table".to_owned(),
        partitions => format!("{} partitions by {}", partitions["number"], partitions["by"]),
    };
    let (before, now) = (of(made_by), of(wanted));
    if before != now {
        return edited(&format!("{now}, and its store is {before}"), "partitions");
    }
    Ok(())
}

/// Where it is kept, what is kept, and whether the store was empty when all rows were queued.
async fn find(
    pool: &Database,
    database: &Database,
    key_sql: &KeySql,
) -> Result<(Place, Option<Kept>, bool), DatabaseError> {
    let has_table: bool = query(AssertSqlSafe(HAS_TABLE)).one_on(pool).await?.try_get(0)?;
    if has_table {
        let sql = "select made_by::text, anew_since::text, to_jsonb(g) ? 'backfill', \
                   coalesce((to_jsonb(g) #>> '{backfill,was_empty}')::bool, false) \
                   from ai.vectorizer_generation g where vectorizer_id = $1";
        let Some(row) = query(sql).bind(key_sql.id).any_on(pool).await? else {
            return Ok((Place::Nowhere, None, false));
        };
        let kept = Kept {
            made_by: serde_json::from_str(row.try_get(0)?).unwrap_or_default(),
            anew_since: row.try_get(1)?,
        };
        let place = if row.try_get(2)? {
            Place::Table
        } else {
            Place::OlderTable
        };
        return Ok((place, Some(kept), row.try_get(3)?));
    }
    let row = query(COMMENT).bind(key_sql.queue.clone()).any_on(database).await?;
    let Some(row) = row else {
        return Ok((Place::Nowhere, None, false));
    };
    let kept = row.try_get::<Option<&str>, _>(0)?.and_then(Kept::of_comment);
    let place = if row.try_get(1)? {
        Place::Comment
    } else {
        Place::Nowhere
    };
    Ok((place, kept, false))
}

/// The comment, and whether this role may write it. A catalog of ours that is too old to have the table gets one soon.
const COMMENT: &str = "select obj_description(c.oid, 'pg_class'), \
                       pg_has_role(c.relowner, 'usage') and to_regclass('ai.pgai_sea_migration') is null \
                       from pg_class c where c.oid = to_regclass($1)";

/// Queues all rows and notes it, unless another worker was first.
async fn requeue(
    pool: &Database,
    key_sql: &KeySql,
    place: Place,
    kept: &Kept,
    now: &Value,
) -> Result<(), DatabaseError> {
    // all rows of a large table take a while
    let mut transaction = pool.begin(LONGEST.max(pool.patience())).await?;
    let connection = transaction.connection();
    let is_model = kept.made_by["embedding"] != now["embedding"];
    let requeued = async {
        if place.is_table() {
            pool.leave_role(connection).await?;
        }
        let is_noted = note(connection, key_sql, place, kept, now, is_model).await?;
        pool.take_role(connection).await?;
        // with the table, workers queue them a few at a time
        if is_noted && place != Place::Table {
            let columns = key_sql.columns("");
            let insert: Sql = format!(
                "insert into {} ({columns}) select {columns} from {}",
                key_sql.queue, key_sql.source
            )
            .into();
            statement(&insert).execute(connection).await?;
        }
        Ok(())
    }
    .await;
    transaction.end(requeued).await
}

/// Notes what the vectors are made with from now on. Returns `false` if somebody else has done so.
async fn note(
    connection: &mut PgConnection,
    key_sql: &KeySql,
    place: Place,
    kept: &Kept,
    now: &Value,
    is_model: bool,
) -> Result<bool, DatabaseError> {
    if place.is_table() {
        let backfill = if place == Place::Table {
            // a generation that was made by nothing is a new one, with a store of its own
            let was_empty = kept.made_by == serde_json::json!({});
            format!(", backfill = jsonb_build_object('since', now()::text, 'was_empty', {was_empty})")
        } else {
            String::new()
        };
        let update = format!(
            "update ai.vectorizer_generation set made_by = $2::jsonb, \
             anew_since = case when $3 then now() else anew_since end{backfill} \
             where vectorizer_id = $1 and made_by = $4::jsonb"
        );
        let updated = query(AssertSqlSafe(update))
            .persistent(false)
            .bind(key_sql.id)
            .bind(now.to_string())
            .bind(is_model)
            .bind(kept.made_by.to_string())
            .execute(connection)
            .await?;
        return Ok(updated.rows_affected() == 1);
    }
    // this lock stands in nobody's way but a second one's
    let lock = format!("lock table {} in share update exclusive mode", key_sql.queue);
    query(AssertSqlSafe(lock))
        .persistent(false)
        .execute(&mut *connection)
        .await?;
    let row = query(COMMENT)
        .persistent(false)
        .bind(key_sql.queue.clone())
        .fetch_one(&mut *connection)
        .await?;
    if row.try_get::<Option<&str>, _>(0)?.and_then(Kept::of_comment).as_ref() != Some(kept) {
        return Ok(false);
    }
    let since: String = query("select now()::text")
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    let noted = Kept {
        made_by: now.clone(),
        anew_since: if is_model { Some(since) } else { kept.anew_since.clone() },
    };
    query(AssertSqlSafe(comment_on(&key_sql.queue, &noted)))
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(true)
}

fn comment_on(queue: &str, kept: &Kept) -> String {
    format!("comment on table {queue} is {}", quote_literal(&kept.comment()))
}

impl Place {
    fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::OlderTable)
    }
}

impl StoreIdentity {
    /// Whether the catalog keeps how far rows are queued that were there before.
    pub(crate) fn keeps_backfills(&self) -> bool {
        self.place == Place::Table
    }

    /// Whether a chunk in the store has the vector that its text has today.
    pub(crate) fn may_keep_vectors(&self) -> bool {
        !self.is_anew.load(Ordering::Relaxed)
    }

    /// Whether it has it also while all rows are embedded: then none is older than the configuration.
    pub(crate) fn keeps_vectors(&self) -> bool {
        self.was_empty || self.may_keep_vectors()
    }

    /// Set while all rows are embedded anew.
    pub(crate) fn is_anew(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_anew)
    }

    /// Nothing is due. If everything that was queued anew is done, the store has the vectors of one model again.
    pub(crate) async fn look(&self, pool: &Database, database: &Database) -> Result<(), DatabaseError> {
        if self.may_keep_vectors() {
            return Ok(());
        }
        if !self.place.is_table() {
            return self.look_into_comment(database).await;
        }
        let since = "select anew_since::text, coalesce((to_jsonb(g) ->> 'backfill') is not null, false) \
                     from ai.vectorizer_generation g where vectorizer_id = $1";
        let row = query(since).bind(self.id).any_on(pool).await?;
        let is_queueing = row.as_ref().map(|row| row.try_get(1)).transpose()? == Some(true);
        let since = row
            .map(|row| row.try_get::<Option<String>, _>(0))
            .transpose()?
            .flatten();
        let Some(since) = since else {
            self.is_over();
            return Ok(());
        };
        if is_queueing || self.is_left(database, &since).await? {
            return Ok(());
        }
        let done = "update ai.vectorizer_generation set anew_since = null \
                    where vectorizer_id = $1 and anew_since = $2::timestamptz";
        let done = query(done).bind(self.id).bind(since).execute_on(pool).await?;
        if done.rows_affected() == 1 {
            self.is_over();
        }
        Ok(())
    }

    /// Whether something is left of what was queued until then.
    async fn is_left(&self, database: &Database, since: &str) -> Result<bool, DatabaseError> {
        let left: Sql = format!(
            "select exists (select 1 from {} q where q.queued_at <= $1::timestamptz)",
            self.queue
        )
        .into();
        let row = statement(&left).bind(since.to_owned()).one_on(database).await?;
        Ok(row.try_get(0)?)
    }

    async fn look_into_comment(&self, pool: &Database) -> Result<(), DatabaseError> {
        let row = query(COMMENT).bind(self.queue.clone()).any_on(pool).await?;
        let kept = row
            .map(|row| row.try_get::<Option<String>, _>(0))
            .transpose()?
            .flatten();
        let Some(kept) = kept.as_deref().and_then(Kept::of_comment) else {
            return Ok(());
        };
        let Some(since) = &kept.anew_since else {
            self.is_over();
            return Ok(());
        };
        let is_left = self.is_left(pool, since).await?;
        if !is_left && self.place == Place::Comment && kept.made_by == self.made_by {
            let done = Kept {
                anew_since: None,
                ..kept
            };
            self.comment(pool, &done).await?;
            self.is_over();
        }
        Ok(())
    }

    fn is_over(&self) {
        self.is_anew.store(false, Ordering::Relaxed);
        info!(vectorizer = self.id, "all rows have been embedded anew");
    }

    async fn comment(&self, pool: &Database, kept: &Kept) -> Result<(), DatabaseError> {
        query(AssertSqlSafe(comment_on(&self.queue, kept)))
            .execute_on(pool)
            .await?;
        Ok(())
    }
}
