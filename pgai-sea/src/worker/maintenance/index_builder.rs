//! Building the index over the embeddings.
//!
//! `CREATE INDEX CONCURRENTLY` holds up no writer. PostgreSQL runs one at a time on a table: the second of two workers
//! waits for the first and then finds its name taken. No lock of the worker's own has to outlive a transaction. An
//! invalid index on a table that nobody has locked as a build does was left behind by a build that was killed.
//!
//! PostgreSQL builds no index of a partitioned table concurrently. So each partition gets its own, one after the other,
//! and then the table one that takes these in, for which nothing is built.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, raw_sql};
use tokio::time::Instant;
use tracing::{debug, info};

use super::index_resources::Resources;
use super::index_watch::Watch;
use crate::catalog::LONGEST_INDEX_WAIT;
use crate::config::{Diskann, Hnsw, Indexing};
use crate::pgvector::{IndexMethod, IndexStatement, index_of, opclass_on};
use crate::sql::{qualified, quote_identifier, quote_literal};
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::Queue;
use crate::worker::queue::key_sql::{Sql, statement};

/// The first key of the advisory lock under which pgai's own jobs build; pgai's number. The second is the table's oid.
const LOCK: i32 = 1_982_010_642;

/// An empty queue is waited for [`LONGEST_INDEX_WAIT`], and only so long if the store has so many times the rows of the
/// queue.
const LITTLE_WAIT: Duration = Duration::from_secs(20);
const LITTLE: i64 = 20;
/// The most rows of a queue that are counted.
const MOST_PENDING: i64 = 100_000;
/// The milliseconds for which the table is waited for. PostgreSQL's own vacuum gives way after `deadlock_timeout`.
const TABLE_WAIT: u32 = 3_000;
/// The milliseconds for which dropping an invalid index waits for readers and writers of the table.
const DROP_WAIT: u32 = 500;

/// The milliseconds for which a partitioned table waits for writers until it takes in the indexes of its partitions.
const TAKE_IN_WAIT: u32 = 500;

/// The conditions under which the index is built, as the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BuildWhen {
    /// The store has so many rows.
    pub(crate) min_rows: i64,
    /// The queue is empty, or was waited for long enough.
    pub(crate) queue_is_empty: bool,
}

/// The result of a look at the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexState {
    /// There are too few rows, the queue is not empty, or someone else builds it.
    NotYet,
    /// It is there, or none is wanted.
    Settled,
    /// It was built.
    Built,
}

/// One vectorizer's index, and how it is built.
#[derive(Debug)]
pub(crate) struct IndexBuilder {
    vectorizer: String,
    queue: Arc<Queue>,
    pub(crate) when: BuildWhen,
    name: String,
    column: String,
    method: &'static str,
    /// The tables that have no index of this kind on the column yet.
    missing: Sql,
    /// Whether a table is there and has none.
    wanted: Sql,
    /// Whether the table has enough rows.
    enough: Sql,
    /// Whether rows that were there are still queued a few at a time, where the catalog keeps that.
    backfilling: Option<Sql>,
    /// pgvector's schema, the column's type and its length.
    types: Sql,
    /// Whether it keeps one bit a number.
    is_binary: bool,
    options: Vec<(&'static str, String)>,
    /// The operator class that the configuration names, one for the type `vector`.
    opclass: Option<String>,
    /// The neighbours of a vector, as the configuration has it.
    m: Option<i32>,
    waits: Mutex<Waits>,
    /// Whether it is built with the server's own settings: there was not enough memory.
    is_modest: AtomicBool,
}

/// Since when there are rows enough, and the queue is not empty.
#[derive(Debug, Default)]
struct Waits {
    since: Option<Instant>,
    /// Since when there is little in the queue.
    little_since: Option<Instant>,
}

/// A table that lacks the index: the one of the embeddings, or a partition of it.
#[derive(Debug)]
struct Target {
    schema: String,
    table: String,
    index: String,
    /// Whether it has partitions, whose indexes it takes in.
    is_partitioned: bool,
}

impl Target {
    fn table(&self) -> String {
        qualified(&self.schema, &self.table)
    }

    fn index(&self) -> String {
        qualified(&self.schema, &self.index)
    }
}

/// Where a vectorizer's embeddings are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EmbeddingPlace<'v> {
    pub(crate) schema: &'v str,
    pub(crate) table: &'v str,
    pub(crate) column: &'v str,
}

impl IndexBuilder {
    /// The index on `column` of the table; `None` if none is to be built.
    pub(crate) fn new(
        (id, vectorizer): (i32, &str),
        indexing: Option<&Indexing>,
        place: EmbeddingPlace<'_>,
        (queue, keeps_backfills): (Arc<Queue>, bool),
    ) -> Option<Self> {
        let EmbeddingPlace { schema, table, column } = place;
        let (method, min_rows, queue_is_empty, opclass, options) = match indexing? {
            Indexing::Hnsw(hnsw) => {
                let (when_empty, opclass) = (hnsw.create_when_queue_empty, hnsw.opclass.clone());
                (
                    IndexMethod::Hnsw.name(),
                    hnsw.min_rows,
                    when_empty,
                    opclass,
                    hnsw_options(hnsw),
                )
            }
            Indexing::Diskann(diskann) => {
                let when_empty = diskann.create_when_queue_empty;
                ("diskann", diskann.min_rows, when_empty, None, diskann_options(diskann))
            }
            Indexing::Default(_) | Indexing::None(_) | Indexing::Other(_) => return None,
        };
        let is_binary = indexing?.is_binary();
        // one of whole vectors may be there from before
        let bits = if is_binary { "_binary" } else { "" };
        let name = format!("_vectorizer_{id}_{method}{bits}");
        let of = quote_literal(&qualified(schema, table));
        // as in pgai: any index of this kind on the column will do, whoever made it
        let has_none = |table: &str| {
            format!(
                "not exists ( \
                 select from pg_catalog.pg_index i \
                 join pg_catalog.pg_class x on x.oid = i.indexrelid join pg_catalog.pg_am m on m.oid = x.relam \
                 join pg_catalog.pg_attribute a on {} \
                 where i.indrelid = {table} and i.indisvalid and m.amname = {} and a.attname = {})",
                index_of(is_binary),
                quote_literal(method),
                quote_literal(column),
            )
        };
        let missing = format!(
            "select n.nspname::text, c.relname::text, case when c.oid <> to_regclass({of}) then c.oid::bigint end, \
             c.relkind = 'p' \
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where c.oid in (select to_regclass({of}) \
                 union select t.relid from pg_catalog.pg_partition_tree(to_regclass({of})) t where t.isleaf) \
             and c.relkind in ('r', 'p') and {} order by c.relkind = 'p', c.oid",
            has_none("c.oid"),
        );
        let wanted = format!("select to_regclass($1) is not null and {}", has_none("to_regclass($1)"));
        let types = format!(
            "select n.nspname::text, coalesce(c.typname::text, 'vector'), coalesce(c.atttypmod, -1) \
             from pg_catalog.pg_extension x join pg_catalog.pg_namespace n on n.oid = x.extnamespace \
             left join (select t.typname, a.atttypmod from pg_catalog.pg_attribute a \
                 join pg_catalog.pg_type t on t.oid = a.atttypid \
                 where a.attrelid = to_regclass({of}) and a.attname = {}) c on true \
             where x.extname = 'vector'",
            quote_literal(column),
        );
        Some(Self {
            vectorizer: vectorizer.to_owned(),
            queue,
            when: BuildWhen {
                min_rows: min_rows.unwrap_or_default().into(),
                queue_is_empty: queue_is_empty.unwrap_or(true),
            },
            name,
            enough: format!(
                "select count(*) >= $1 from (select 1 from {} limit $1) s",
                qualified(schema, table)
            )
            .into(),
            missing: missing.into(),
            wanted: wanted.into(),
            backfilling: keeps_backfills.then(|| {
                let of = format!("g.vectorizer_id = {id} and to_jsonb(g) ->> 'backfill' is not null");
                format!("select exists (select from ai.vectorizer_generation g where {of})").into()
            }),
            types: types.into(),
            is_binary,
            column: column.to_owned(),
            method,
            options,
            opclass,
            m: match indexing? {
                Indexing::Hnsw(hnsw) => hnsw.m,
                _ => None,
            },
            waits: Mutex::default(),
            is_modest: AtomicBool::new(false),
        })
    }

    /// Builds the index if it is missing and it is time to.
    pub(crate) async fn build_if_due(&self, pool: &Database) -> Result<IndexState, DatabaseError> {
        let vectorizer = &self.vectorizer;
        let targets = self.missing(pool).await?;
        if targets.is_empty() {
            return Ok(IndexState::Settled);
        }
        if !self.has_rows(pool, self.when.min_rows).await? || (self.when.queue_is_empty && self.waits(pool).await?) {
            return Ok(IndexState::NotYet);
        }
        let started = Instant::now();
        debug!(vectorizer, "building the index over the embeddings");
        for target in &targets {
            if !self.build(pool, target).await? {
                debug!(vectorizer, "someone else builds the index over the embeddings");
                return Ok(IndexState::NotYet);
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        info!(vectorizer, seconds, "built the index over the embeddings");
        Ok(IndexState::Built)
    }

    /// The tables that lack the index: partitions before their table.
    async fn missing(&self, pool: &Database) -> Result<Vec<Target>, DatabaseError> {
        let rows = statement(&self.missing).all_on(pool).await?;
        let targets = rows.iter().map(|row| {
            let partition: Option<i64> = row.try_get(2)?;
            Ok(Target {
                schema: row.try_get(0)?,
                table: row.try_get(1)?,
                index: partition.map_or_else(|| self.name.clone(), |oid| format!("{}_{oid}", self.name)),
                is_partitioned: row.try_get(3)?,
            })
        });
        targets.collect()
    }

    /// Whether it is better built later. A large load is written faster without an index, and the index is built faster
    /// in one piece.
    async fn waits(&self, pool: &Database) -> Result<bool, DatabaseError> {
        if let Some(backfilling) = &self.backfilling
            // the catalog's tables are the connection's own to read
            && statement(backfilling).one_on(&pool.acting_as(None)).await?.try_get(0)?
        {
            return Ok(true);
        }
        Ok(self.queue.is_busy(pool).await? && !self.has_waited(pool).await?)
    }

    /// Whether an empty queue was waited for long enough. Where rows arrive all the time, the queue is never empty. But
    /// what is left of a backfill becomes little beside what is there.
    async fn has_waited(&self, pool: &Database) -> Result<bool, DatabaseError> {
        let pending = self.queue.pending(pool, MOST_PENDING).await?;
        let pending = i64::try_from(pending).unwrap_or(MOST_PENDING);
        let is_little = pending < MOST_PENDING && self.has_rows(pool, pending.saturating_mul(LITTLE)).await?;
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let since = *waits.since.get_or_insert(now);
        let little_since = is_little.then(|| waits.little_since.unwrap_or(now));
        waits.little_since = little_since;
        Ok(now - since >= LONGEST_INDEX_WAIT || little_since.is_some_and(|since| now - since >= LITTLE_WAIT))
    }

    /// Whether the store has so many rows.
    async fn has_rows(&self, pool: &Database, rows: i64) -> Result<bool, DatabaseError> {
        let enough = statement(&self.enough).bind(rows);
        Ok(enough.one_on(pool).await?.try_get(0)?)
    }

    /// Builds the index of a table, unless someone else does. Returns whether it did.
    async fn build(&self, pool: &Database, target: &Target) -> Result<bool, DatabaseError> {
        let mut transaction = pool.begin(pool.patience()).await?;
        let work = async {
            let create = self.create(transaction.connection(), target).await;
            transaction.end(create).await
        };
        let create = pool.wait(pool.patience(), work).await;
        let (create, resources) = match create.unwrap_or_else(|| Err(transaction.silent())) {
            Ok(Some(create)) => create,
            // someone builds, vacuums or reads
            Ok(None) | Err(DatabaseError::Busy) => return Ok(false),
            Err(error) => return Err(error),
        };
        // where there is room for one connection only, the build needs it
        drop(transaction);
        let settings = resources.map_or_else(Vec::new, |resources| resources.settings().to_vec());
        if let Some(Resources { megabytes, workers }) = resources {
            let vectorizer = &self.vectorizer;
            info!(
                vectorizer,
                megabytes, workers, "the index over the embeddings is built with this memory"
            );
        }
        let mut connection = pool.own_connection(&settings).await?;
        let (table, index) = (target.table(), target.index());
        let watch = Watch::new(&self.vectorizer, &table, &index);
        let built = tokio::select! {
            built = raw_sql(AssertSqlSafe(create)).execute(&mut connection) => built,
            never = watch.watch(pool) => match never {},
        };
        if built.is_ok() && target.is_partitioned {
            // autovacuum analyzes no partitioned table, and the planner would know nothing of its rows
            let analyze = AssertSqlSafe(format!("analyze {table}"));
            raw_sql(analyze).execute(&mut connection).await.ok();
        }
        connection.close().await.ok();
        if built.is_err()
            && let Some(blocked) = watch.gave_up()
        {
            return Err(blocked);
        }
        match built.map_err(DatabaseError::from) {
            Ok(_) => Ok(true),
            // someone else was faster, or began at the same moment and waits for this one, or writes for long
            Err(error) if error.has_state(&["42P07", "40P01", "55P03"]) => Ok(false),
            // a container may have less memory to share than its server's settings say
            Err(error) if error.has_state(&["53"]) && self.is_modest.swap(true, Ordering::Relaxed) => Err(error),
            Err(error) if error.has_state(&["53"]) => {
                info!(vectorizer = self.vectorizer, %error, "the index is built with the server's own settings then");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The statement that builds the index, once nothing is in its way, and what to build it with. `None` if someone
    /// else builds.
    async fn create(
        &self,
        connection: &mut PgConnection,
        target: &Target,
    ) -> Result<Option<(String, Option<Resources>)>, DatabaseError> {
        let (table, index) = (target.table(), target.index());
        let lock = "select pg_try_advisory_xact_lock($1, to_regclass($2)::oid::int4)";
        let locked = statement(&lock.into()).bind(LOCK).bind(table.clone());
        let is_locked: Option<bool> = locked.fetch_one(&mut *connection).await?.try_get(0)?;
        let wanted = statement(&self.wanted).bind(table.clone());
        let wanted = wanted.fetch_one(&mut *connection).await?;
        if is_locked != Some(true) || !wanted.try_get::<bool, _>(0)? {
            return Ok(None);
        }
        let is_invalid = "select exists (select from pg_catalog.pg_index i where i.indexrelid = to_regclass($1) \
                          and not i.indisvalid)";
        let is_invalid = statement(&is_invalid.into()).bind(index.clone());
        let is_invalid: bool = is_invalid.fetch_one(&mut *connection).await?.try_get(0)?;
        // A build holds this lock on the table, and so do a vacuum, which ends, and an ALTER. Dropping an index takes
        // the table from everybody for a moment.
        let lock = if is_invalid {
            format!(
                "lock table {table} in share update exclusive mode nowait; set local lock_timeout = {DROP_WAIT}; drop \
                 index {index}"
            )
        } else {
            format!("set local lock_timeout = {TABLE_WAIT}; lock table {table} in share update exclusive mode")
        };
        let locked = raw_sql(AssertSqlSafe(lock)).execute(&mut *connection).await;
        match locked.map_err(DatabaseError::from) {
            Ok(_) => {}
            Err(error) if error.has_state(&["55P03"]) => return Err(DatabaseError::Busy),
            Err(error) => return Err(error),
        }
        let types = statement(&self.types).fetch_one(&mut *connection).await?;
        let create = self.statement(target, types.try_get(0)?, types.try_get(1)?, types.try_get(2)?);
        if target.is_partitioned {
            // writers wait as long as it does
            let create = format!("begin; set local lock_timeout = {TAKE_IN_WAIT}; {create}; commit");
            return Ok(Some((create, None)));
        }
        if self.method != IndexMethod::Hnsw.name() || self.is_modest.load(Ordering::Relaxed) {
            return Ok(Some((create, None)));
        }
        let resources = Resources::choose(connection, &table, &self.column, (self.m, self.is_binary)).await?;
        Ok(Some((create, resources)))
    }

    /// A column destination may have another of pgvector's types, with operator classes of its own.
    fn statement(&self, target: &Target, vector_schema: &str, column_type: &str, dimensions: i32) -> String {
        let column = quote_identifier(&self.column);
        let (indexed, column_type, opclass) = if self.is_binary {
            let quantize = qualified(vector_schema, "binary_quantize");
            (
                format!("(({quantize}({column}))::bit({dimensions}))"),
                "bit",
                Some("bit_hamming_ops"),
            )
        } else {
            (column, column_type, self.opclass.as_deref())
        };
        // diskann has the operator class of its extension, which is its default
        let opclass = (self.method == IndexMethod::Hnsw.name()).then(|| opclass_on(column_type, opclass));
        let statement = IndexStatement {
            name: &target.index,
            schema: Some(&target.schema),
            table: &target.table,
            method: self.method,
            indexed,
            opclass: opclass.map(|opclass| qualified(vector_schema, &opclass)),
            options: self.options.clone(),
            concurrently: !target.is_partitioned,
            if_not_exists: false,
            filter: None,
        };
        statement.to_sql()
    }
}

fn hnsw_options(hnsw: &Hnsw) -> Vec<(&'static str, String)> {
    set([
        ("m", hnsw.m.map(|m| m.to_string())),
        (
            "ef_construction",
            hnsw.ef_construction.map(|candidates| candidates.to_string()),
        ),
    ])
}

fn diskann_options(diskann: &Diskann) -> Vec<(&'static str, String)> {
    let number = |value: Option<i32>| value.map(|value| value.to_string());
    set([
        ("storage_layout", diskann.storage_layout.as_deref().map(quote_literal)),
        ("num_neighbors", number(diskann.num_neighbors)),
        ("search_list_size", number(diskann.search_list_size)),
        ("max_alpha", diskann.max_alpha.map(|alpha| alpha.to_string())),
        ("num_dimensions", number(diskann.num_dimensions)),
        ("num_bits_per_dimension", number(diskann.num_bits_per_dimension)),
    ])
}

/// The options that are set.
fn set<const N: usize>(options: [(&'static str, Option<String>); N]) -> Vec<(&'static str, String)> {
    let options = options.into_iter();
    options.filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests;
