//! What the catalog keeps of a backfill through batches: who is at it, and the batches.
//!
//! A batch is noted before it is handed in, so one that is not noted is never made twice: it is looked for by its token
//! first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{AssertSqlSafe, Row as _, query};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::debug;

use crate::embedder::Batch;
use crate::worker::batch::stop_reason::StopReason;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::Key;

const HOLD: &str = "jsonb_build_object('batch', jsonb_build_object('holder', $2::text, 'until', \
                    (clock_timestamp() + make_interval(secs => $3::float8))::text))";
/// A backfill in the order of a column goes by key from here on, and over those rows that have no embeddings. Batches
/// of an earlier backfill are of no use.
const TAKE: &str = "with before as materialized ( \
    select g.vectorizer_id, g.backfill from ai.vectorizer_generation g \
    where g.vectorizer_id = $1 and jsonb_typeof(g.backfill) = 'object' for no key update \
), taken as ( \
    update ai.vectorizer_generation g set backfill = case when b.backfill ? 'order_by' \
        then (b.backfill - '{order_by,order_type,position}'::text[]) || '{\"only_missing\": true}'::jsonb \
        else b.backfill end || HOLD \
    from before b where g.vectorizer_id = b.vectorizer_id and (not b.backfill ? 'batch' \
        or b.backfill #>> '{batch,holder}' = $2 or (b.backfill #>> '{batch,until}')::timestamptz < clock_timestamp()) \
    returning g.vectorizer_id, b.backfill ? 'batch' as was_held \
), stale as ( \
    delete from ai.vectorizer_batch v using taken t where v.vectorizer_id = t.vectorizer_id and not t.was_held \
    returning v.batch \
) select exists (select from taken), exists (select from before), \
    array(select s.batch from stale s where s.batch is not null)";
const RENEW: &str = "update ai.vectorizer_generation g set backfill = g.backfill || HOLD \
                     where g.vectorizer_id = $1 and g.backfill #>> '{batch,holder}' = $2";
/// Workers queue the rows again.
const GIVE_BACK: &str = "with given as ( \
    update ai.vectorizer_generation g set backfill = g.backfill - 'batch' \
    where g.vectorizer_id = $1 and g.backfill #>> '{batch,holder}' = $2 returning g.vectorizer_id \
) delete from ai.vectorizer_batch v using given where v.vectorizer_id = given.vectorizer_id";

/// A batch.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) number: i32,
    pub(super) token: String,
    /// The key of the row before its rows.
    pub(super) first_after: Option<Key>,
    /// The key of its last row. `None` if no more follow.
    pub(super) last: Option<Key>,
    pub(super) texts: i32,
    pub(super) state: String,
    pub(super) done: i32,
    pub(super) batch: Option<String>,
    pub(super) input_file: Option<String>,
    pub(super) output_file: Option<String>,
    pub(super) error_file: Option<String>,
    /// Seconds since 1970.
    pub(super) created: i64,
}

impl Row {
    /// Whether the provider does nothing more for it.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state.as_str(), "completed" | "failed" | "expired" | "cancelled")
    }

    /// Whether it has to be handed in.
    pub(super) fn is_new(&self) -> bool {
        self.batch.is_none() && !self.is_ended()
    }

    fn read(row: &PgRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            number: row.try_get(0)?,
            token: row.try_get(1)?,
            first_after: row.try_get(2)?,
            last: row.try_get(3)?,
            texts: row.try_get(4)?,
            state: row.try_get(5)?,
            done: row.try_get(6)?,
            batch: row.try_get(7)?,
            input_file: row.try_get(8)?,
            output_file: row.try_get(9)?,
            error_file: row.try_get(10)?,
            created: row.try_get(11)?,
        })
    }
}

/// The batches of one vectorizer, while this process is at its backfill.
#[derive(Debug)]
pub(super) struct Rows {
    pool: Database,
    id: i32,
    holder: String,
    lease: Duration,
    is_lost: Arc<AtomicBool>,
    renewing: JoinSet<()>,
}

/// What became of an attempt to take a backfill over.
pub(super) enum TakenOver {
    /// It is ours. The provider still has these batches of an earlier backfill.
    Ours(Vec<String>),
    /// Somebody else is at it.
    Theirs,
    /// There is none.
    Nothing,
}

impl Rows {
    pub(super) fn new(pool: Database, id: i32, holder: String, lease: Duration) -> Self {
        Self {
            pool,
            id,
            holder,
            lease,
            is_lost: Arc::default(),
            renewing: JoinSet::new(),
        }
    }

    pub(super) fn holder(&self) -> &str {
        &self.holder
    }

    /// Takes the backfill over, or goes on with it, and keeps others from it from then on.
    pub(super) async fn take_over(&mut self) -> Result<TakenOver, DatabaseError> {
        let row = self.bound(TAKE).one_on(&self.pool).await?;
        match (row.try_get(0)?, row.try_get(1)?) {
            (true, _) => {}
            (false, true) => return Ok(TakenOver::Theirs),
            (false, false) => return Ok(TakenOver::Nothing),
        }
        let (pool, is_lost) = (self.pool.clone(), Arc::clone(&self.is_lost));
        let (id, holder, lease) = (self.id, self.holder.clone(), self.lease);
        self.renewing.spawn(async move {
            loop {
                sleep(lease / 3).await;
                match bound(RENEW, id, &holder, lease).execute_on(&pool).await {
                    Ok(done) if done.rows_affected() == 0 => {
                        is_lost.store(true, Ordering::Relaxed);
                        return;
                    }
                    Ok(_) => {}
                    Err(error) => debug!(%error, "the hold of a backfill could not be renewed"),
                }
            }
        });
        Ok(TakenOver::Ours(row.try_get(2)?))
    }

    /// Makes sure that nobody else is at the backfill, also for a while from now.
    pub(super) async fn keep(&self) -> Result<(), StopReason> {
        let renewed = self.bound(RENEW).execute_on(&self.pool).await?;
        if renewed.rows_affected() == 0 {
            return Err(StopReason::Reconfigured);
        }
        self.check()
    }

    /// Whether nobody else is at it, as far as is known.
    pub(super) fn check(&self) -> Result<(), StopReason> {
        if self.is_lost.load(Ordering::Relaxed) {
            return Err(StopReason::Reconfigured);
        }
        Ok(())
    }

    /// Lets somebody else go on at once.
    pub(super) async fn leave(&mut self) {
        self.renewing.shutdown().await;
        let left = bound(RENEW, self.id, &self.holder, Duration::ZERO);
        if let Err(error) = left.execute_on(&self.pool).await {
            debug!(%error, "the hold of a backfill ends with its time");
        }
    }

    /// Gives the rest of the backfill to the workers.
    pub(super) async fn give_back(&mut self) -> Result<(), DatabaseError> {
        self.renewing.shutdown().await;
        let give = query(GIVE_BACK).bind(self.id).bind(self.holder.clone());
        give.execute_on(&self.pool).await?;
        Ok(())
    }

    /// All of them, in their order.
    pub(super) async fn all(&self) -> Result<Vec<Row>, DatabaseError> {
        let all = "select number, token::text, first_after, last, texts, state, done, batch, input_file, output_file, \
                   error_file, extract(epoch from created_at)::int8 \
                   from ai.vectorizer_batch where vectorizer_id = $1 order by number";
        let rows = query(all).bind(self.id).all_on(&self.pool).await?;
        rows.iter().map(Row::read).collect()
    }

    /// Notes a batch that is to be handed in, unless its number is taken.
    pub(super) async fn add(
        &self,
        number: i32,
        (first_after, last): (Option<&Key>, Option<&Key>),
        texts: i32,
    ) -> Result<(), DatabaseError> {
        let add = "insert into ai.vectorizer_batch (vectorizer_id, number, first_after, last, texts, state) \
                   values ($1, $2, $3, $4, $5, case when $5 = 0 then 'completed' else 'new' end)";
        let add = query(add).bind(self.id).bind(number);
        let add = add.bind(first_after.cloned()).bind(last.cloned()).bind(texts);
        add.execute_on(&self.pool).await?;
        Ok(())
    }

    /// Nothing of it is left to be embedded.
    pub(super) async fn has_nothing(&self, number: i32) -> Result<(), DatabaseError> {
        let empty = "update ai.vectorizer_batch set state = 'completed', texts = 0 \
                     where vectorizer_id = $1 and number = $2";
        query(empty).bind(self.id).bind(number).execute_on(&self.pool).await?;
        Ok(())
    }

    /// Notes the batch at the provider.
    pub(super) async fn handed_in(&self, number: i32, batch: &Batch, texts: i32) -> Result<(), DatabaseError> {
        let note = "update ai.vectorizer_batch set batch = $3, input_file = $4, state = $5, texts = $6, \
                    handed_in_at = coalesce(handed_in_at, now()) where vectorizer_id = $1 and number = $2";
        let note = query(note).bind(self.id).bind(number).bind(batch.id.clone());
        let note = note.bind(batch.input_file_id.clone()).bind(batch.status.clone());
        note.bind(texts).execute_on(&self.pool).await?;
        Ok(())
    }

    /// Notes how far it is.
    pub(super) async fn looked_at(&self, number: i32, batch: &Batch) -> Result<(), DatabaseError> {
        let note = "update ai.vectorizer_batch set state = $3, output_file = $4, error_file = $5, done = $6, \
                    failed = $7, texts = case when $8 > 0 then $8 else texts end, looked_at = now() \
                    where vectorizer_id = $1 and number = $2";
        let (done, failed, total) = batch.counts();
        let note = query(note).bind(self.id).bind(number).bind(batch.status.clone());
        let note = note
            .bind(batch.output_file_id.clone())
            .bind(batch.error_file_id.clone());
        note.bind(done).bind(failed).bind(total).execute_on(&self.pool).await?;
        Ok(())
    }

    /// The batch failed as a whole: its texts are handed in anew.
    pub(super) async fn hand_in_anew(&self, number: i32) -> Result<(), DatabaseError> {
        let anew = "update ai.vectorizer_batch set state = 'new', token = gen_random_uuid(), batch = null, \
                    input_file = null, output_file = null, error_file = null, done = 0, failed = 0, \
                    handed_in_at = null where vectorizer_id = $1 and number = $2";
        query(anew).bind(self.id).bind(number).execute_on(&self.pool).await?;
        Ok(())
    }

    /// Forgets a batch that failed and is the last: its rows are looked at again.
    pub(super) async fn forget(&self, number: i32) -> Result<(), DatabaseError> {
        let forget = "delete from ai.vectorizer_batch where vectorizer_id = $1 and number = $2";
        query(forget).bind(self.id).bind(number).execute_on(&self.pool).await?;
        Ok(())
    }

    fn bound(&self, sql: &str) -> sea_orm::sqlx::query::Query<'static, sea_orm::sqlx::Postgres, Arguments> {
        bound(sql, self.id, &self.holder, self.lease)
    }
}

type Arguments = sea_orm::sqlx::postgres::PgArguments;

fn bound(
    sql: &str,
    id: i32,
    holder: &str,
    lease: Duration,
) -> sea_orm::sqlx::query::Query<'static, sea_orm::sqlx::Postgres, Arguments> {
    query(AssertSqlSafe(sql.replace("HOLD", HOLD)))
        .bind(id)
        .bind(holder.to_owned())
        .bind(lease.as_secs_f64())
}
