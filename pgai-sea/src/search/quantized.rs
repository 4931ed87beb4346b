//! Searching through an index on quantized vectors.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::asking::query_one;
use super::error::SearchError;
use super::generation::Place;
use super::plan::{Operand, Plan};
use crate::entity::EmbeddingTrait;
use crate::pgvector::{Metric, OF_BITS, Quantization};
use crate::sql::{qualified, quote_identifier};

/// Searches through an index on quantized vectors, which have fewer bits: `search.quantized(Quantized::halfvec())`.
///
/// The index finds several times as many rows as are wanted. Their exact distances decide which of them are the hits.
///
/// The index is one that [`CreateVectorIndex`](crate::pgvector::CreateVectorIndex) creates with
/// [`halfvec`](crate::pgvector::CreateVectorIndex::halfvec), for the search's metric, or with
/// [`binary`](crate::pgvector::CreateVectorIndex::binary), for the Hamming distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Quantized {
    quantization: Quantization,
    oversample: u32,
    /// Whether the entity says it, and not the search. Then it is so only while there is such an index.
    is_declared: bool,
}

impl Quantized {
    /// Two bytes a number instead of four. It fetches twice as many rows as are wanted, and finds the same rows for
    /// most models.
    pub fn halfvec() -> Self {
        Self {
            quantization: Quantization::HalfVec,
            oversample: 2,
            is_declared: false,
        }
    }

    /// One bit a number, for models of many dimensions. It fetches ten times as many rows as are wanted.
    pub fn binary() -> Self {
        Self {
            quantization: Quantization::Binary,
            oversample: 10,
            is_declared: false,
        }
    }

    /// What the attribute of the entity says: `indexing = Indexing::hnsw().binary()`.
    pub(super) fn declared<E: EmbeddingTrait>() -> Option<Self> {
        let create = E::vectorizer();
        let is_binary = create.get_indexing().is_some_and(crate::config::Indexing::is_binary);
        is_binary.then(|| Self {
            is_declared: true,
            ..Self::binary()
        })
    }

    /// How many times as many rows as are wanted the search fetches from the index. At least 1.
    pub fn oversample(mut self, times: u32) -> Self {
        self.oversample = times;
        self
    }

    pub(super) fn times(self) -> u64 {
        u64::from(self.oversample)
    }

    pub(super) fn check(self) -> Result<(), SearchError> {
        if self.oversample == 0 {
            return Err(SearchError::Number {
                setter: "oversample",
                value: 0.0,
                range: "1 or more",
            });
        }
        Ok(())
    }

    /// The expression that the index orders by.
    pub(super) fn order(self, metric: Metric, embedding: Expr, query: Expr, dimensions: usize) -> Expr {
        let dimensions = u32::try_from(dimensions).unwrap_or(u32::MAX);
        let metric = match self.quantization {
            Quantization::HalfVec => metric,
            Quantization::Binary => Metric::Hamming,
        };
        let quantized = |vector| self.quantization.of(vector, dimensions);
        metric.between(quantized(embedding), quantized(query))
    }
}

impl Plan {
    /// The quantized vectors that rows are found by. Bits tell angles, and an index on them serves a query whose
    /// numbers are known: what the entity says is left out for others.
    pub(super) fn quantized(&self) -> Option<Quantized> {
        let fits = self.metric == Metric::Cosine && self.operand == Operand::Numbers;
        self.quantized.filter(|quantized| fits || !quantized.is_declared)
    }

    /// Whether the first attempt may find no row because there is no index on quantized vectors.
    pub(super) fn may_lack_index(&self) -> bool {
        self.quantized().is_some_and(|quantized| quantized.is_declared)
    }

    /// Holds while there is the index that the entity declares. PostgreSQL evaluates it once, before the scan: without
    /// the index nothing is scanned, and the next attempt compares every row.
    pub(super) fn has_index<E: EmbeddingTrait>(&self) -> Option<Expr> {
        if !self.may_lack_index() {
            return None;
        }
        let entity = E::default();
        let table = match (&self.asked.place, entity.schema_name()) {
            (Some(Place::Table { schema, table }), _) => qualified(schema, table),
            (_, Some(schema)) => qualified(schema, entity.table_name()),
            (_, None) => quote_identifier(entity.table_name()),
        };
        Some(Expr::cust_with_values(
            format!(
                "EXISTS (SELECT FROM pg_catalog.pg_index i \
                 JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
                 JOIN pg_catalog.pg_am m ON m.oid = x.relam \
                 JOIN pg_catalog.pg_attribute a ON {OF_BITS} \
                 WHERE i.indrelid = pg_catalog.to_regclass($1)::pg_catalog.oid AND i.indisvalid \
                 AND m.amname = 'hnsw' AND a.attname = $2)"
            ),
            [table, self.embedding_name::<E>()],
        ))
    }

    /// A search that was told to give up makes no second attempt.
    pub(super) async fn settle_bounded<E: EmbeddingTrait, C: ConnectionTrait>(&mut self, db: &C) -> Result<(), DbErr> {
        if self.scan.is_bounded() && !db.is_mock_connection() {
            return self.settle::<E, C>(db).await;
        }
        Ok(())
    }

    /// Looks whether there is that index, and says so instead of asking in the statement.
    pub(super) async fn settle<E: EmbeddingTrait, C: ConnectionTrait>(&mut self, db: &C) -> Result<(), DbErr> {
        let Some(has_index) = self.has_index::<E>() else {
            self.quantized = self.quantized();
            return Ok(());
        };
        let row = query_one(db, &Query::select().expr_as(has_index, "has_index").take()).await?;
        let has_index: bool = row.map_or(Ok(false), |row| row.try_get("", "has_index"))?;
        self.quantized = self.quantized().filter(|_| has_index).map(|quantized| Quantized {
            is_declared: false,
            ..quantized
        });
        Ok(())
    }
}
