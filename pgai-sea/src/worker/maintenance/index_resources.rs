//! The memory and the workers that a build of an HNSW index gets.
//!
//! The graph is built several times faster while it fits into `maintenance_work_mem`, and that is 64 MB by default. A
//! build takes what the graph needs, but no more than `shared_buffers`: PostgreSQL has been given that much at least
//! four times. The workers share this memory.

use sea_orm::sqlx::{PgConnection, Row as _};

use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Sql, statement};

/// Fewer vectors are not worth more workers than the server's setting.
const MANY: f64 = 100_000.0;
/// What a vector takes in the graph besides itself, and for each neighbour of its `m`.
const ELEMENT: f64 = 256.0;
const NEIGHBOUR: f64 = 36.0;
/// pgvector's `m`.
const M: i32 = 16;

/// The size of a row is that of a vector at least, where nothing was counted yet.
const SIZES: &str = "
select greatest(c.reltuples::float8, pg_relation_size(c.oid) / s.row_size, 0), s.vector_size::float8,
    pg_size_bytes(current_setting('shared_buffers')), pg_size_bytes(current_setting('maintenance_work_mem')),
    current_setting('max_parallel_workers')::int, current_setting('max_parallel_maintenance_workers')::int
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attname = $2
join pg_type t on t.oid = a.atttypid
cross join lateral (
    select case when t.typname = 'halfvec' then 2 else 4 end * greatest(a.atttypmod, 0) + 8 as stored_size
) v
cross join lateral (
    select (v.stored_size + 64)::float8 as row_size,
        case when $3 then greatest(a.atttypmod, 0) / 8 + 8 else v.stored_size end as vector_size
) s
where c.oid = to_regclass($1)";

/// Settings of the session that builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resources {
    /// `maintenance_work_mem`.
    pub(super) megabytes: i64,
    /// `max_parallel_maintenance_workers`.
    pub(super) workers: i32,
}

/// What the server has.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    vectors: f64,
    vector_size: f64,
    shared_buffers: i64,
    memory: i64,
    all_workers: i32,
    workers: i32,
}

impl Resources {
    /// For the vectors in a column of this table, a quoted name, or for a bit of each number. `None` if there is no
    /// such table.
    pub(super) async fn choose(
        connection: &mut PgConnection,
        table: &str,
        column: &str,
        (m, is_binary): (Option<i32>, bool),
    ) -> Result<Option<Self>, DatabaseError> {
        let sizes = statement(&Sql::from(SIZES))
            .bind(table.to_owned())
            .bind(column.to_owned())
            .bind(is_binary);
        let Some(row) = sizes.fetch_optional(connection).await? else {
            return Ok(None);
        };
        let sizes = Sizes {
            vectors: row.try_get(0)?,
            vector_size: row.try_get(1)?,
            shared_buffers: row.try_get(2)?,
            memory: row.try_get(3)?,
            all_workers: row.try_get(4)?,
            workers: row.try_get(5)?,
        };
        Ok(Some(Self::of(sizes, m)))
    }

    fn of(sizes: Sizes, m: Option<i32>) -> Self {
        let each = sizes.vector_size + ELEMENT + NEIGHBOUR * f64::from(m.unwrap_or(M));
        #[expect(clippy::cast_possible_truncation, reason = "bytes")]
        let needed = (sizes.vectors * each) as i64;
        let memory = needed.min(sizes.shared_buffers).max(sizes.memory);
        let workers = if sizes.vectors < MANY { 0 } else { sizes.all_workers / 2 };
        Self {
            megabytes: memory >> 20,
            workers: workers.max(sizes.workers),
        }
    }

    /// As options of a connection.
    pub(super) fn settings(self) -> [(&'static str, String); 2] {
        [
            ("maintenance_work_mem", format!("{}MB", self.megabytes)),
            ("max_parallel_maintenance_workers", self.workers.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_gets_what_it_needs_and_no_more_than_there_is() {
        let sizes = |vectors| Sizes {
            vectors,
            vector_size: 3_080.0,
            shared_buffers: 4 << 30,
            memory: 64 << 20,
            all_workers: 8,
            workers: 2,
        };
        let of = |vectors| {
            let Resources { megabytes, workers } = Resources::of(sizes(vectors), None);
            (megabytes, workers)
        };
        assert_eq!(of(1_000.0), (64, 2), "the server's settings are enough");
        assert_eq!(of(200_000.0), (746, 4));
        assert_eq!(of(10_000_000.0), (4_096, 4));
    }
}
