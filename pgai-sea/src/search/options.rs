//! What can be said about a search: the setters of [`Search`].

use sea_orm::sea_query::{IntoCondition, IntoIden, NullOrdering, Order, TableRef};
use sea_orm::{IntoSimpleExpr, JoinType, RelationDef};

use super::builder::Search;
use super::found::{Found, SearchableTrait};
use super::plan::{Direction, Join};
use super::quantized::Quantized;
use super::scan::IterativeScan;
use crate::entity::EmbeddingTrait;
use crate::pgvector::Metric;

/// # Which rows
impl<E: SearchableTrait, F: Found<E>> Search<'_, E, F> {
    /// Only those for which `condition` holds, on columns of the embeddings, of the source, and of tables that were
    /// [joined](Self::join). Several filters hold together.
    pub fn filter(mut self, condition: impl IntoCondition) -> Self {
        self.plan.filter = self.plan.filter.add(condition.into_condition());
        self
    }

    /// Joins another table to the source, for filters and orders. A row that it joins several times is found several times; what is
    /// only to exist is better said as a filter with a subquery.
    pub fn join(self, join: JoinType, relation: RelationDef) -> Self {
        let table = relation.to_tbl.clone();
        self.joined(join, table, relation)
    }

    /// The same by a relation that leads to the source: its own table is joined.
    pub fn join_rev(self, join: JoinType, relation: RelationDef) -> Self {
        let table = relation.from_tbl.clone();
        self.joined(join, table, relation)
    }

    /// Joins under another name, which filters and orders call it by: so a table can be joined twice.
    pub fn join_as(self, join: JoinType, mut relation: RelationDef, alias: impl IntoIden) -> Self {
        relation.to_tbl = relation.to_tbl.alias(alias.into_iden());
        self.join(join, relation)
    }

    /// Joins by a relation that leads to the source, under another name.
    pub fn join_as_rev(self, join: JoinType, mut relation: RelationDef, alias: impl IntoIden) -> Self {
        relation.from_tbl = relation.from_tbl.alias(alias.into_iden());
        self.join_rev(join, relation)
    }

    fn joined(mut self, kind: JoinType, table: TableRef, relation: RelationDef) -> Self {
        self.plan.joins.push(Join { kind, table, relation });
        self
    }

    /// The distance that is measured; by default cosine. An index serves the metric of its operator class only.
    pub fn metric(mut self, metric: Metric) -> Self {
        self.plan.metric = metric;
        self
    }

    /// Only those at most this far away. NaN is refused.
    ///
    /// An index that filled the page before what is too far away was cut off has found as many of the near ones as it has of any page,
    /// see [`recall`](super::SearchTrait::recall); an [exact](Self::exact) search finds all of them.
    pub fn max_distance(mut self, max_distance: f64) -> Self {
        self.plan.max_distance = Some(max_distance);
        self
    }

    /// Only those at least this similar: under the cosine metric the cosine of the angle, from -1 to 1, under the inner product the
    /// product itself. Other metrics have no similarity, and such a search is refused.
    pub fn min_similarity(mut self, min_similarity: f64) -> Self {
        self.plan.min_similarity = Some(min_similarity);
        self
    }
}

/// # Which page
impl<E: SearchableTrait, F: Found<E>> Search<'_, E, F> {
    /// The most hits; by default ten.
    pub fn limit(mut self, limit: u64) -> Self {
        self.plan.limit = limit;
        self
    }

    /// How many of the nearest to leave out. An index has to go past them all, so far pages cost more than near ones.
    pub fn offset(mut self, offset: u64) -> Self {
        self.plan.offset = offset;
        self
    }

    /// Page `page`, from 0, of `size` hits: the limit and the offset in one. Where many rows are at the same distance, only pages of an
    /// [exact](Self::exact) search are sure to have each of them once.
    pub fn page(self, page: u64, size: u64) -> Self {
        self.limit(size).offset(page.saturating_mul(size))
    }

    /// What comes first of rows at the same distance. Of the rows that the scan of an index found; an [exact](Self::exact) search
    /// puts all of them in order.
    pub fn then_order_by(mut self, by: impl IntoSimpleExpr, order: Order) -> Self {
        self.plan.ties.push((by.into_simple_expr(), order.into()));
        self
    }

    /// The same, and whether rows without a value come first or last; PostgreSQL has them last of an ascending order.
    pub fn then_order_by_with_nulls(mut self, by: impl IntoSimpleExpr, order: Order, nulls: NullOrdering) -> Self {
        let direction = Direction {
            order,
            nulls: Some(nulls),
        };
        self.plan.ties.push((by.into_simple_expr(), direction));
        self
    }
}

/// # What comes back
impl<E: SearchableTrait, F: Found<E>> Search<'_, E, F> {
    /// Sends the vectors back as well, as [`Chunk::embedding`](super::Chunk::embedding) or in the row's own field, which is none
    /// otherwise. A partial model has those that it names; and vectors in other columns of a row are fields of its model like any others,
    /// which come with it in any case.
    pub fn with_vectors(mut self) -> Self {
        self.plan.vectors = true;
        self
    }
}

impl<E: EmbeddingTrait, F: Found<E>> Search<'_, E, F> {
    /// One hit for each source row, its best chunk: ten hits are ten rows.
    pub fn best_per_source(mut self) -> Self {
        self.plan.best_per_source = true;
        self
    }
}

/// # How it is found
///
/// These hold for this search alone, also on a pooled connection and inside a transaction.
impl<E: SearchableTrait, F: Found<E>> Search<'_, E, F> {
    /// Looks at every row instead of using an index on vectors. Rows at the same distance come in the order of the source's key and of
    /// their place in its text.
    pub fn exact(mut self) -> Self {
        self.plan.exact = true;
        self
    }

    /// `hnsw.ef_search`, 1 to 1,000: the candidates that an HNSW index keeps in view. More finds better and takes longer.
    pub fn ef_search(mut self, ef_search: u32) -> Self {
        self.plan.scan.ef_search = Some(ef_search);
        self
    }

    /// `ivfflat.probes`, 1 to 32,768: the lists of an IVFFlat index that are looked at.
    pub fn probes(mut self, probes: u32) -> Self {
        self.plan.scan.probes = Some(probes);
        self
    }

    /// `hnsw.iterative_scan` and `ivfflat.iterative_scan`: by default strict for a filtered search and for one of more rows than
    /// `ef_search`, and otherwise as the connection has it.
    pub fn iterative_scan(mut self, iterative_scan: IterativeScan) -> Self {
        self.plan.scan.iterative = Some(iterative_scan);
        self
    }

    /// `hnsw.max_scan_tuples`, from 1: gives up after about so many rows; pgvector's own limit is 20,000. What was not found then is
    /// [`Hits::missing`](super::Hits::missing).
    pub fn max_scan_tuples(mut self, max_scan_tuples: u32) -> Self {
        self.plan.scan.max_scan_tuples = Some(max_scan_tuples);
        self
    }

    /// `ivfflat.max_probes`, 1 to 32,768: gives up after so many lists. What was not found then is
    /// [`Hits::missing`](super::Hits::missing).
    pub fn max_probes(mut self, max_probes: u32) -> Self {
        self.plan.scan.max_probes = Some(max_probes);
        self
    }

    /// Through an index on smaller vectors, whose finds are compared exactly. Where there is no such index the whole table is put in order
    /// by its smaller vectors first: no better than through the index, and slower than an [exact](Self::exact) search.
    /// [`explain`](Self::explain) tells.
    pub fn quantized(mut self, quantized: Quantized) -> Self {
        self.plan.quantized = Some(quantized);
        self
    }
}
