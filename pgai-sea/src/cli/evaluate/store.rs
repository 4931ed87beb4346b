//! Searches of a store that is known by the catalog alone.

use std::fmt;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, TransactionTrait};

use super::super::CliError;
use crate::catalog::{Vectorizer, Vectors, check_table, pgvector_schema};
use crate::pgvector::Metric;
use crate::pooled::Pooled;
use crate::sql::{quote_identifier, quote_literal};

/// A source row has several chunks: so many times `k` chunks are asked for.
const CHUNKS: u32 = 4;
/// The values of `hnsw.ef_search` and `ivfflat.probes` that are measured.
const EF_SEARCH: [u32; 6] = [10, 20, 40, 80, 160, 320];
const PROBES: [u32; 6] = [1, 2, 4, 8, 16, 32];

/// A table with vectors, and how it is searched.
#[derive(Debug)]
pub(super) struct Store {
    table: String,
    column: String,
    /// The key as judgments write it: `t."id"::text || '/' || ..`.
    key: String,
    /// The schema of pgvector, where its operators are looked for.
    pgvector: String,
    metric: Metric,
    setting: Option<&'static str>,
}

/// How the index is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// As the database is set.
    Default,
    /// Not at all.
    Exact,
    /// With this setting and value.
    With(&'static str, u32),
}

/// A chunk, by the key of its row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    key: String,
    distance: f64,
}

impl fmt::Display for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.pad("as the database is set"),
            Self::Exact => f.pad("exact"),
            Self::With(setting, value) => f.pad(&format!("{setting} = {value}")),
        }
    }
}

impl Store {
    pub(super) async fn of(db: &Pooled, vectorizer: &Vectorizer) -> Result<Self, CliError> {
        let vectors = Vectors::of(vectorizer).ok_or_else(|| {
            CliError::Evaluate(format!(
                "vectorizer {}: its destination is not known to this version",
                vectorizer.name
            ))
        })?;
        check_table(db, &vectors.table).await?;
        let pgvector = pgvector_schema(db).await?;
        let index = format!(
            "SELECT a.amname::text, o.opcname::text
             FROM pg_catalog.pg_index i
             JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
             JOIN pg_catalog.pg_am a ON a.oid = c.relam AND a.amname IN ('hnsw', 'ivfflat')
             JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0]
             JOIN pg_catalog.pg_attribute t ON t.attrelid = i.indrelid AND t.attnum = i.indkey[0]
             WHERE i.indrelid = {}::pg_catalog.regclass AND t.attname = {} AND i.indisvalid LIMIT 1",
            quote_literal(&vectors.table),
            quote_literal(&vectors.column),
        );
        let row = db
            .query_one_raw(Statement::from_string(DbBackend::Postgres, index))
            .await?;
        let (method, operators): (Option<String>, Option<String>) = match row {
            Some(row) => (row.try_get_by_index(0)?, row.try_get_by_index(1)?),
            None => (None, None),
        };
        let key = vectors.key.iter().map(|column| format!("{column}::text"));
        Ok(Self {
            column: vectors.vector(),
            key: key.collect::<Vec<_>>().join(" || '/' || "),
            table: vectors.table,
            pgvector,
            metric: operators
                .and_then(|operators| Metric::of_opclass(&operators))
                .unwrap_or_default(),
            setting: match method.as_deref() {
                Some("hnsw") => Some("hnsw.ef_search"),
                Some(_) => Some("ivfflat.probes"),
                None => None,
            },
        })
    }

    /// Without an index, exactly; then with it, the fewest looked at first.
    pub(super) fn scans(&self) -> Vec<Scan> {
        let values = match self.setting {
            Some("hnsw.ef_search") => EF_SEARCH.as_slice(),
            Some(_) => &PROBES,
            None => &[],
        };
        let with = values
            .iter()
            .filter_map(|value| Some(Scan::With(self.setting?, *value)));
        with.chain([Scan::Exact]).collect()
    }

    /// The chunks that are nearest, enough for `k` rows or nearly.
    pub(super) async fn nearest(&self, db: &Pooled, vector: &str, k: u32, scan: Scan) -> Result<Vec<Found>, DbErr> {
        let distance = self.distance(vector);
        let order = match scan {
            // an expression that no index has
            Scan::Exact => format!("({distance}) + 0"),
            Scan::Default | Scan::With(..) => distance.clone(),
        };
        let limit = k.saturating_mul(CHUNKS);
        let sql = format!(
            "SELECT {} AS key, {distance} AS distance FROM {} t WHERE {} IS NOT NULL ORDER BY {order} LIMIT {limit}",
            self.key, self.table, self.column
        );
        let transaction = db.begin().await?;
        transaction.execute_unprepared(&self.path()).await?;
        if let Scan::With(setting, value) = scan {
            transaction
                .execute_unprepared(&format!("SET LOCAL {setting} = {value}"))
                .await?;
        }
        let rows = transaction
            .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
            .await?;
        transaction.commit().await?;
        let found = rows.iter().map(|row| {
            Ok(Found {
                key: row.try_get_by_index(0)?,
                distance: row.try_get_by_index(1)?,
            })
        });
        let mut found: Vec<Found> = found.collect::<Result<_, DbErr>>()?;
        // a vector of zeros is at no cosine distance from anything
        found.retain(|one| !one.distance.is_nan());
        Ok(found)
    }

    /// The place of a row among all, from 1. `None` if it has no vectors.
    pub(super) async fn rank(&self, db: &Pooled, vector: &str, key: &str) -> Result<Option<i64>, DbErr> {
        let sql = format!(
            "SELECT rank FROM (SELECT key, pg_catalog.rank() OVER (ORDER BY distance) AS rank
                FROM (SELECT {} AS key, pg_catalog.min({}) AS distance FROM {} t WHERE {} IS NOT NULL
                    GROUP BY 1) a WHERE distance <> 'NaN') b
             WHERE key = {}",
            self.key,
            self.distance(vector),
            self.table,
            self.column,
            quote_literal(key)
        );
        let transaction = db.begin().await?;
        transaction.execute_unprepared(&self.path()).await?;
        let row = transaction
            .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
            .await?;
        transaction.commit().await?;
        row.map(|row| row.try_get_by_index(0)).transpose()
    }

    fn distance(&self, vector: &str) -> String {
        let operator = self.metric.operator();
        format!("{} {operator} {}", self.column, quote_literal(vector))
    }

    fn path(&self) -> String {
        let pgvector = quote_identifier(&self.pgvector);
        format!("SET LOCAL search_path = pg_catalog, {pgvector}")
    }
}

/// The first `k` rows, each by its nearest chunk.
pub(super) fn keys(found: &[Found], k: usize) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for one in found {
        if keys.len() < k && !keys.contains(&one.key) {
            keys.push(one.key.clone());
        }
    }
    keys
}

/// The share of the nearest chunks that were found. A chunk at the distance of the farthest counts as one of them.
#[expect(clippy::cast_precision_loss, reason = "numbers of rows of a page")]
pub(super) fn recall(found: &[Found], nearest: &[Found]) -> f64 {
    let Some(farthest) = nearest.last() else {
        return 1.0;
    };
    let near = found.iter().filter(|one| one.distance <= farthest.distance).count();
    near.min(nearest.len()) as f64 / nearest.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(chunks: &[(&str, f64)]) -> Vec<Found> {
        let found = |(key, distance): &(&str, f64)| Found {
            key: (*key).to_owned(),
            distance: *distance,
        };
        chunks.iter().map(found).collect()
    }

    #[test]
    fn a_row_stands_where_its_nearest_chunk_does() {
        let chunks = found(&[("a", 0.1), ("b", 0.2), ("a", 0.3), ("c", 0.4)]);
        assert_eq!(keys(&chunks, 10), ["a", "b", "c"]);
        assert_eq!(keys(&chunks, 2), ["a", "b"]);
    }

    #[test]
    fn recall_counts_what_is_as_near() {
        let nearest = found(&[("a", 0.1), ("b", 0.2)]);
        for (chunks, share) in [
            (vec![("a", 0.1), ("c", 0.2)], 1.0),
            (vec![("a", 0.1), ("c", 0.3)], 0.5),
            (Vec::new(), 0.0),
        ] {
            let recall = recall(&found(&chunks), &nearest);
            assert!((recall - share).abs() < 1e-12, "{chunks:?}: {recall}");
        }
        assert!(
            (recall(&[], &[]) - 1.0).abs() < 1e-12,
            "an empty table has nothing to miss"
        );
    }
}
