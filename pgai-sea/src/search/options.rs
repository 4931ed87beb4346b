//! The setters of [`Search`].

use sea_orm::sea_query::{IntoCondition, IntoIden, NullOrdering, Order, TableRef};
use sea_orm::{IntoSimpleExpr, JoinType, RelationDef};

use super::builder::Search;
use super::cursor::{Cursor, Paging};
use super::neighbours::Neighbourhood;
use super::plan::{BestPer, Direction, Join};
use super::projection::{Chunks, Projection};
use super::quantized::Quantized;
use super::scan::IterativeScan;
use super::start::Searched;
use crate::entity::EmbeddingTrait;
use crate::pgvector::Metric;

/// # Which rows
impl<E: EmbeddingTrait, F: Projection<E>> Search<'_, E, F> {
    /// Finds only rows for which `condition` holds. It may have columns of the embeddings, of the source and of
    /// [joined](Self::join) tables. Several filters have to hold together.
    pub fn filter(mut self, condition: impl IntoCondition) -> Self {
        self.plan.filter = self.plan.filter.add(condition.into_condition());
        self
    }

    /// Joins another table to the source, for filters and orders. A row that is joined several times is found several
    /// times. If the joined row only has to exist, filter by a subquery instead.
    pub fn join(self, join: JoinType, relation: RelationDef) -> Self {
        let table = relation.to_tbl.clone();
        self.joined(join, table, relation)
    }

    /// Joins by a relation that leads to the source: the table that the relation starts from is joined.
    pub fn join_rev(self, join: JoinType, relation: RelationDef) -> Self {
        let table = relation.from_tbl.clone();
        self.joined(join, table, relation)
    }

    /// Joins a table under another name, which filters and orders use. So a table can be joined twice.
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

    /// The metric of the distance. The default is cosine. An index serves only the metric of its operator class.
    pub fn metric(mut self, metric: Metric) -> Self {
        self.plan.metric = metric;
        self
    }

    /// The model that made the query's vector, as the vectorizer's configuration names it: `text-embedding-3-small`.
    ///
    /// The search is answered by the generation that has vectors of this model and of the declared length, also while
    /// the vectorizer is being [changed](crate::change). If none has, it is refused, whatever the length of the
    /// vectors. The role needs `select` on `ai.vectorizer`: [`grant_search`](crate::catalog::grant_search).
    ///
    /// Where the attribute of the entity has `embedding`, every search by a vector, or by a text with an embedder of
    /// its own, says this by itself.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.plan.model = Some(model.into());
        self
    }

    /// Finds only rows at most this far away. NaN is refused.
    ///
    /// An index may miss some of them, as it may of any page; [`recall`](super::SearchTrait::recall) measures how many.
    /// An [exact](Self::exact) search misses none.
    pub fn max_distance(mut self, max_distance: f64) -> Self {
        self.plan.max_distance = Some(max_distance);
        self
    }

    /// Finds only rows at least this similar. With the cosine metric the similarity is the cosine of the angle, from -1
    /// to 1; with the inner product it is the product. The other metrics have no similarity, and the search is refused.
    pub fn min_similarity(mut self, min_similarity: f64) -> Self {
        self.plan.min_similarity = Some(min_similarity);
        self
    }
}

/// # Which page
impl<E: EmbeddingTrait, F: Projection<E>> Search<'_, E, F> {
    /// The largest number of hits. The default is ten.
    pub fn limit(mut self, limit: u64) -> Self {
        self.plan.limit = limit;
        self
    }

    /// Skips this many of the nearest rows. An index has to read them all, so a far page costs more than a near one.
    pub fn offset(mut self, offset: u64) -> Self {
        self.plan.offset = offset;
        self
    }

    /// Page `page`, from 0, of `size` hits: sets the limit and the offset. If many rows are at the same distance, only
    /// the pages of an [exact](Self::exact) search are sure to have each of them once.
    pub fn page(self, page: u64, size: u64) -> Self {
        self.limit(size).offset(page.saturating_mul(size))
    }

    /// The page behind a cursor, `None` for the first one: [`Hits::next_cursor`](super::Hits::next_cursor) has that of
    /// the next page. Such pages stay put: whatever is written in between, no hit comes twice, and none is skipped that
    /// was there all the time.
    ///
    /// ```no_run
    /// # use pgai_sea::prelude::*;
    /// # async fn f<E>(db: &sea_orm::DatabaseConnection, query: Vec<f32>, after: Option<pgai_sea::search::Cursor>)
    /// #     -> Result<(), SearchError>
    /// # where
    /// #     E: EmbeddingTrait + SearchTrait<Embeddings = E, Projection = pgai_sea::search::Chunks>,
    /// # {
    /// # type Embeddings<E> = E;
    /// // after: from the page's address
    /// let hits = Embeddings::<E>::search(query).limit(20).after(after).all(db).await?;
    /// let more = hits.next_cursor().map(|cursor| format!("/search?after={cursor}"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The query has to have the same vector on every page. A text has it while [`Embedders`](crate::Embedders)
    /// remember it; some providers give it a slightly different one each time. Rows at the same distance are ordered by
    /// their key. An index may miss rows, as of any page. An offset or [`then_order_by`](Self::then_order_by) beside it
    /// is refused, and so is a [`Ranking`](super::Ranking), whose order is that of its window.
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.plan.paging = Some(Paging { after: cursor.into() });
        self
    }

    /// One hit for each value of a column or expression, the nearest: `best_per(comment::Column::TicketId)` finds ten
    /// tickets by their comments. It may have columns of the embeddings, of the source and of [joined](Self::join)
    /// tables. Rows in which it is NULL make one hit together. It takes the place of
    /// [`best_per_source`](Self::best_per_source).
    ///
    /// ```no_run
    /// # mod blog_post { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/blog_post.rs")); }
    /// # use pgai_sea::prelude::*;
    /// # async fn f(db: &sea_orm::DatabaseConnection, query: Vec<f32>) -> Result<(), SearchError> {
    /// // posts that share a title come once
    /// let hits = blog_post::Entity::search(query).best_per(blog_post::Column::Title).limit(10).all(db).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The index proposes some rows for each hit. If too few values are among them, it proposes more, and at last the
    /// whole table is read: a column with few values and many rows is better counted or
    /// [filtered](Self::filter) by.
    pub fn best_per(mut self, by: impl IntoSimpleExpr) -> Self {
        self.plan.best_per = Some(BestPer::Value(by.into_simple_expr()));
        self
    }

    /// Orders rows at the same distance. Only the rows that an index found are ordered; an [exact](Self::exact) search
    /// orders all of them.
    pub fn then_order_by(mut self, by: impl IntoSimpleExpr, order: Order) -> Self {
        self.plan.ties.push((by.into_simple_expr(), order.into()));
        self
    }

    /// Orders rows at the same distance, with NULL first or last. By default PostgreSQL puts NULL last in ascending
    /// order.
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
impl<E: EmbeddingTrait, F: Projection<E>> Search<'_, E, F> {
    /// Returns the vectors too, as [`Chunk::embedding`](super::Chunk::embedding) or in the row's own field, which is
    /// `None` otherwise. A partial model always has the vectors that it names, and a row always has the vectors in its
    /// other columns.
    pub fn with_vectors(mut self) -> Self {
        self.plan.vectors = true;
        self
    }
}

impl<E: EmbeddingTrait + Searched<Projection = Chunks>, F: Projection<E>> Search<'_, E, F> {
    /// Returns the chunks around each hit too, as [`Chunk::neighbours`](super::Chunk::neighbours): up to `before` that
    /// stand before it in the text of its row, and up to `after` that follow. They come with the search's own
    /// statement. [`Hits::passages`](super::Hits::passages) joins them to one text. A partial model has none.
    pub fn with_neighbours(mut self, before: u16, after: u16) -> Self {
        self.plan.neighbours = Some(Neighbourhood { before, after });
        self
    }

    /// Returns where each hit is in the text of its row too, as [`Chunk::place`](super::Chunk::place): page, headings,
    /// bytes and characters.
    ///
    /// This crate's catalog keeps places for documents, and for templates with `$page` or `$headings`. For another
    /// vectorizer run `select ai.keep_places('name')`. Hits of a store that keeps none have none.
    pub fn with_places(mut self) -> Self {
        self.plan.places = true;
        self
    }

    /// One hit for each source row, with its best chunk: ten hits are ten rows.
    pub fn best_per_source(mut self) -> Self {
        self.plan.best_per = Some(BestPer::Source);
        self
    }
}

/// # How it is found
///
/// These settings hold for this search alone, also on a pooled connection and inside a transaction.
impl<E: EmbeddingTrait, F: Projection<E>> Search<'_, E, F> {
    /// Reads every row instead of using an index on vectors, and misses none. Rows at the same distance come in the
    /// order of the source's key and of their place in its text.
    pub fn exact(mut self) -> Self {
        self.plan.exact = true;
        self
    }

    /// `hnsw.ef_search`, 1 to 1,000: the number of candidates that an HNSW index keeps. A larger number finds better
    /// and takes longer. The default is the connection's own setting, and at least 100 for a filtered search.
    pub fn ef_search(mut self, ef_search: u32) -> Self {
        self.plan.scan.ef_search = Some(ef_search);
        self
    }

    /// `ivfflat.probes`, 1 to 32,768: the number of lists of an IVFFlat index that are read.
    pub fn probes(mut self, probes: u32) -> Self {
        self.plan.scan.probes = Some(probes);
        self
    }

    /// `hnsw.iterative_scan` and `ivfflat.iterative_scan`. The default is strict for a filtered search and for one of
    /// more rows than `ef_search`, and the connection's own setting otherwise.
    pub fn iterative_scan(mut self, iterative_scan: IterativeScan) -> Self {
        self.plan.scan.iterative = Some(iterative_scan);
        self
    }

    /// `hnsw.max_scan_tuples`, from 1: gives up after about this many rows; pgvector's own limit is 20,000.
    /// [`Hits::missing`](super::Hits::missing) counts the rows that were not found.
    pub fn max_scan_tuples(mut self, max_scan_tuples: u32) -> Self {
        self.plan.scan.max_scan_tuples = Some(max_scan_tuples);
        self
    }

    /// `ivfflat.max_probes`, 1 to 32,768: gives up after this many lists. [`Hits::missing`](super::Hits::missing)
    /// counts the rows that were not found.
    pub fn max_probes(mut self, max_probes: u32) -> Self {
        self.plan.scan.max_probes = Some(max_probes);
        self
    }

    /// Searches through an index on quantized vectors, and compares the rows that it finds exactly. Without such an
    /// index the search orders the whole table by its quantized vectors: that finds no more than the index would, and
    /// is slower than an [exact](Self::exact) search. [`explain`](Self::explain) says which it is.
    pub fn quantized(mut self, quantized: Quantized) -> Self {
        self.plan.quantized = Some(quantized);
        self
    }
}
