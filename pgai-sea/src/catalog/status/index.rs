//! What the index over the embeddings waits for.

use std::fmt;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use serde::Serialize;

use super::counting::{Backlog, rows_up_to};
use super::sample::relation;
use crate::catalog::Vectorizer;
use crate::config::{Destination, Indexing};
use crate::pgvector::index_of;

/// A worker waits so long at most for an empty queue before it builds the index.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// The index that a vectorizer's configuration asks for. A search without it reads every vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IndexStatus {
    /// It is there.
    Built,
    /// A build is under way, or was cut off and is begun again.
    Building,
    /// It waits for so many embeddings (`min_rows`).
    WaitsForRows(u64),
    /// It waits until the queue is empty, or has been next to empty for a while; for ten minutes at most.
    WaitsForQueue,
    /// It waits until the rows that were there are queued and embedded: it is built faster in one piece, and they are
    /// written faster without it.
    WaitsForBackfill,
    /// The next worker that looks builds it.
    Due,
}

/// A build of the index that is under way, as `pg_stat_progress_create_index` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IndexBuild {
    /// What it is at: `building index: loading tuples`, `waiting for old snapshots`.
    pub phase: String,
    /// How much of the table it has read, from 0 to 100, where that is what it does.
    pub percent: Option<u8>,
    /// The process whose transaction it waits for, where that is what it does: `pg_stat_activity` says whose it is. 0
    /// is a prepared transaction.
    pub waits_for: Option<i32>,
}

impl fmt::Display for IndexBuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.phase)?;
        if let Some(percent) = self.percent {
            write!(f, ", {percent}%")?;
        }
        match self.waits_for {
            Some(0) => f.write_str(", for a prepared transaction (pg_prepared_xacts)"),
            Some(pid) => write!(f, ", for the transaction of process {pid} (pg_stat_activity)"),
            None => Ok(()),
        }
    }
}

/// A role that may not see what others do sees no build.
const BUILD: &str = "
SELECT p.phase, (100 * p.blocks_done / nullif(p.blocks_total, 0))::int, CASE WHEN p.phase LIKE 'waiting for %' THEN
    coalesce(nullif(p.current_locker_pid, 0)::int, (pg_catalog.pg_blocking_pids(p.pid))[1]) END
FROM pg_catalog.pg_stat_progress_create_index p
JOIN pg_catalog.pg_class t ON t.oid IN (p.relid, pg_catalog.pg_partition_root(p.relid))
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE p.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
AND n.nspname = $1 AND t.relname = $2
LIMIT 1";

/// The build that is under way on the table of embeddings.
pub(super) async fn build<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<Option<IndexBuild>, DbErr> {
    let Some((schema, table, _)) = place(vectorizer) else {
        return Ok(None);
    };
    let build = Statement::from_sql_and_values(DbBackend::Postgres, BUILD, [schema, table].map(Into::into));
    let Some(row) = db.query_one_raw(build).await? else {
        return Ok(None);
    };
    let percent: Option<i32> = row.try_get_by_index(1)?;
    Ok(Some(IndexBuild {
        phase: row.try_get_by_index(0)?,
        percent: percent.and_then(|percent| u8::try_from(percent).ok()),
        waits_for: row.try_get_by_index(2)?,
    }))
}

/// Schema, table and column of the embeddings.
fn place(vectorizer: &Vectorizer) -> Option<(&str, &str, &str)> {
    match &vectorizer.config.destination {
        Destination::Table(table) => Some((
            table.target_schema.as_deref()?,
            table.target_table.as_deref()?,
            "embedding",
        )),
        Destination::Column(column) => Some((
            &vectorizer.source_schema,
            &vectorizer.source_table,
            &column.embedding_column,
        )),
        Destination::Other(_) => None,
    }
}

impl fmt::Display for IndexStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Built => f.write_str("is built"),
            Self::Building => f.write_str("is being built"),
            Self::WaitsForRows(rows) => write!(f, "waits for {rows} embeddings"),
            Self::WaitsForQueue => write!(
                f,
                "waits for an empty queue, for {} minutes at most",
                LONGEST_WAIT.as_secs() / 60
            ),
            Self::WaitsForBackfill => f.write_str("waits until the rows that were there are embedded"),
            Self::Due => f.write_str("is built by the next worker that looks"),
        }
    }
}

/// Whether there is an index of the kind on the column, and whether it can be used. As in pgai, whoever made it.
fn found(is_binary: bool) -> String {
    format!(
        "SELECT coalesce(pg_catalog.bool_or(i.indisvalid), false), pg_catalog.count(*) > 0
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = x.relam
JOIN pg_catalog.pg_attribute a ON {}
WHERE n.nspname = $1 AND t.relname = $2 AND m.amname = $3 AND a.attname = $4",
        index_of(is_binary)
    )
}

/// `None` where none is configured, or the role may not read the embeddings.
pub(super) async fn index<C: ConnectionTrait>(
    db: &C,
    vectorizer: &Vectorizer,
    backlog: Option<&Backlog>,
    is_backfilling: bool,
) -> Result<Option<IndexStatus>, DbErr> {
    let (method, min_rows, when_empty) = match &vectorizer.config.indexing {
        Some(Indexing::Hnsw(hnsw)) => ("hnsw", hnsw.min_rows, hnsw.create_when_queue_empty),
        Some(Indexing::Diskann(diskann)) => ("diskann", diskann.min_rows, diskann.create_when_queue_empty),
        Some(Indexing::Default(_) | Indexing::None(_) | Indexing::Other(_)) | None => return Ok(None),
    };
    let Some((schema, table, column)) = place(vectorizer) else {
        return Ok(None);
    };
    let Some(relation) = relation(db, schema, table).await? else {
        return Ok(None);
    };
    let values = [schema, table, method, column].map(Into::into);
    let is_binary = vectorizer.config.indexing.as_ref().is_some_and(Indexing::is_binary);
    let found = Statement::from_sql_and_values(DbBackend::Postgres, found(is_binary), values);
    let (is_valid, exists) = match db.query_one_raw(found).await? {
        Some(row) => (row.try_get_by_index(0)?, row.try_get_by_index(1)?),
        None => (false, false),
    };
    let min_rows = u64::try_from(min_rows.unwrap_or_default()).unwrap_or_default();
    Ok(Some(if is_valid {
        IndexStatus::Built
    } else if exists {
        IndexStatus::Building
    } else if rows_up_to(db, &relation, min_rows).await? < min_rows {
        IndexStatus::WaitsForRows(min_rows)
    } else if when_empty.unwrap_or(true) && is_backfilling {
        IndexStatus::WaitsForBackfill
    } else if when_empty.unwrap_or(true) && backlog.is_some_and(|backlog| backlog.due + backlog.leased > 0) {
        IndexStatus::WaitsForQueue
    } else {
        IndexStatus::Due
    }))
}
