//! The SQL of a search.
//!
//! One `SELECT` finds the nearest rows. It orders by the bare operator expression, so that an index serves it. If the
//! search has settings of pgvector, this `SELECT` is a common table expression, see [`scan`](super::scan). If the index
//! returns rows in another order than the page has, a second `SELECT` orders them.

use sea_orm::sea_query::{
    Alias, Asterisk, Condition, Expr, ExprTrait, Func, IntoTableRef, JoinType, Order, Query, SelectStatement, TableRef,
    WithQuery,
};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, DbErr, IdenStatic as _, QueryResult, Statement};

use super::asking::query_all;
use super::cursor::{AFTER, Cursor};
use super::freshness::Queue;
use super::generation::Place;
use super::hit::{COSINE, DISTANCE, VECTOR};
use super::neighbours::Neighbourhood;
use super::places;
use super::plan::{Attempt, BestPer, Join, Plan};
use super::projection::Projection;
use super::scan::{HITS, SCANNED, restored, rows_of, scanning, set, with};
use crate::entity::EmbeddingTrait;
use crate::pgvector::Metric;

/// The statement of a search.
pub(super) enum SearchStatement {
    Plain(SelectStatement),
    Scanning(WithQuery),
}

impl SearchStatement {
    /// Sends SeaORM's own statement types, so that a connection with access control can check them.
    pub(super) async fn query_all<C: ConnectionTrait>(&self, db: &C) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Plain(select) => query_all(db, select).await,
            Self::Scanning(query) => query_all(db, query).await,
        }
    }

    pub(super) fn build(&self) -> Statement {
        match self {
            Self::Plain(select) => DbBackend::Postgres.build(select),
            Self::Scanning(query) => DbBackend::Postgres.build(query),
        }
    }
}

/// The columns that order rows at the same distance: the source's key, the chunk's place in the text ([`SEQ`]), the
/// caller's own.
pub(super) fn key(i: usize) -> String {
    format!("k_{i}")
}

pub(super) const SEQ: &str = "k_seq";

/// The value that has at most one hit.
pub(super) const VALUE: &str = "k_value";

/// The rows of [`best`].
const BEST: &str = "best";

/// The largest number that PostgreSQL counts to. A larger one cannot be bound.
const MAX_ROWS: u64 = i64::MAX.unsigned_abs();

pub(super) fn up_to(rows: u64) -> u64 {
    Ord::min(rows, MAX_ROWS)
}

pub(super) fn tie(i: usize) -> String {
    format!("t_{i}")
}

/// The columns that identify a row of the searched table.
pub(super) fn identity(i: usize) -> String {
    format!("i_{i}")
}

impl Plan {
    pub(super) fn statement<E: EmbeddingTrait, F: Projection<E>>(
        &self,
        query: &Expr,
        attempt: Attempt,
    ) -> SearchStatement {
        let page = |hits, from, keyed: bool| {
            let keys = if keyed { E::key_columns().len() } else { 0 };
            self.page::<E>(hits, from, keys)
        };
        let Some((window, settings)) = self.scanning(attempt) else {
            let mut all = self.hits::<E, F>(query, unindexed(self.distance::<E>(query)), true);
            all.and_where_option(self.behind::<E>(query));
            return SearchStatement::Plain(page(all, None, true));
        };

        let mut nearest = Query::select();
        self.tables::<E, F>(&mut nearest);
        self.columns::<E, F>(&mut nearest, query, self.distance::<E>(query), self.is_reordered());
        let by = match self.quantized() {
            // by its name, so that the vector is sent once, and the distance computed once
            None => Expr::col(DISTANCE),
            Some(_) => self.scanned::<E>(query),
        };
        let mut conditions = self.conditions::<E>().add_option(self.behind::<E>(query));
        conditions = conditions.add_option(self.has_index::<E>());
        if settings.is_empty() && !self.is_reordered() {
            self.around::<E>(&mut nearest, None);
            first(&mut nearest, conditions, by, self.limit, self.offset, false);
            return SearchStatement::Plain(nearest);
        }
        if !settings.is_empty() {
            conditions = conditions.add(set());
        }
        // of the rows at one distance all or none, so that the next page has the rest
        let with_ties = self.paging.is_some() && self.quantized().is_none();
        first(&mut nearest, conditions, by, window, 0, with_ties);
        let mut hits = Query::select();
        hits.column((HITS, Asterisk));
        if settings.is_empty() {
            hits.from_subquery(nearest, HITS);
            return SearchStatement::Plain(page(hits, Some(HITS), self.is_reordered()));
        }
        hits.from(HITS).and_where(restored());
        if self.is_deduplicated() {
            hits.expr_as(rows_of(HITS), SCANNED);
        }
        let page = page(hits, Some(HITS), self.is_reordered());
        SearchStatement::Scanning(with(scanning(nearest, &settings), page))
    }

    /// Leaves out the rows of the pages before. Where a row is found by its best chunk, the page does.
    pub(super) fn behind<E: EmbeddingTrait>(&self, query: &Expr) -> Option<Expr> {
        let cursor = self.cursor().filter(|_| !self.is_deduplicated())?;
        Some(cursor.behind::<E>(self.distance::<E>(query)))
    }

    fn cursor(&self) -> Option<&Cursor> {
        self.paging.as_ref()?.after.as_ref()
    }

    /// All rows that can be hits, unordered, with the columns of a hit, and the columns that order and identify them if
    /// `keyed`.
    pub(super) fn hits<E: EmbeddingTrait, F: Projection<E>>(
        &self,
        query: &Expr,
        distance: Expr,
        keyed: bool,
    ) -> SelectStatement {
        let mut hits = Query::select();
        self.source::<E, F>(&mut hits);
        self.columns::<E, F>(&mut hits, query, distance, keyed);
        hits
    }

    /// Reads a hit from a row of the page.
    pub(super) fn read<E: EmbeddingTrait, F: Projection<E>>(&self, row: &QueryResult) -> Result<F::Hit, DbErr> {
        let mut hit = F::read(row, self.vectors)?;
        if self.neighbours.is_some() {
            F::surround(&mut hit, Neighbourhood::read(row)?);
        }
        if self.places {
            F::place(&mut hit, places::read(row)?);
        }
        if self.queue.is_some() {
            F::wait(&mut hit, Queue::read(row)?);
        }
        Ok(hit)
    }

    fn columns<E: EmbeddingTrait, F: Projection<E>>(
        &self,
        hits: &mut SelectStatement,
        query: &Expr,
        distance: Expr,
        keyed: bool,
    ) {
        let mut embedding = self.embedding::<E>();
        if E::source_relation().is_some() {
            // without its length: a statement that is prepared must not change its type when generations change places
            embedding = embedding.cast_as("vector");
        }
        F::select(hits, self.vectors.then_some(&embedding));
        if keyed {
            for (i, column) in E::key_columns().into_iter().enumerate() {
                hits.expr_as(column.into_expr(), key(i));
            }
            hits.expr_as(seq::<E>(), SEQ);
            if let Some(value) = self.value() {
                hits.expr_as(value, VALUE);
            } else if self.is_deduplicated() && !self.is_best_per_source() {
                for (i, column) in E::identity().into_iter().enumerate() {
                    hits.expr_as(column.into_expr(), identity(i));
                }
            }
        }
        for (i, (expr, _)) in self.ties.iter().enumerate() {
            hits.expr_as(expr.clone(), tie(i));
        }
        if self.paging.is_some() {
            hits.expr_as(Cursor::column::<E>(), AFTER);
        }
        if let Some(queue) = &self.queue {
            queue.select::<E>(hits);
        }
        hits.expr_as(distance, DISTANCE);
        if self.ranking.vectors {
            hits.expr_as(Metric::Cosine.between(embedding.clone(), query.clone()), COSINE);
            hits.expr_as(embedding.cast_as("vector"), VECTOR);
        }
    }

    pub(super) fn source<E: EmbeddingTrait, F: Projection<E>>(&self, select: &mut SelectStatement) {
        self.tables::<E, F>(select);
        let conditions = self.conditions::<E>();
        if !conditions.is_empty() {
            select.cond_where(conditions);
        }
    }

    pub(super) fn tables<E: EmbeddingTrait, F: Projection<E>>(&self, select: &mut SelectStatement) {
        match self.asked.place {
            // under the name that the entity's columns have
            Some(Place::Table { .. }) => select.from(self.store::<E>().alias(E::default().table_name())),
            Some(Place::Column(_)) | None => select.from(self.store::<E>()),
        };
        if let Some(relation) = E::source_relation().filter(|_| F::JOINS_SOURCE || self.is_joined()) {
            select.join(JoinType::InnerJoin, relation.to_tbl.clone(), Condition::from(relation));
        }
        for Join { kind, table, relation } in &self.joins {
            select.join(*kind, table.clone(), Condition::from(relation.clone()));
        }
    }

    /// The table of the generation that is asked.
    pub(super) fn store<E: EmbeddingTrait>(&self) -> TableRef {
        match &self.asked.place {
            Some(Place::Table { schema, table }) => (schema.clone(), table.clone()).into_table_ref(),
            Some(Place::Column(_)) | None => E::default().table_ref(),
        }
    }

    /// The name of its column of vectors.
    pub(super) fn embedding_name<E: EmbeddingTrait>(&self) -> String {
        match &self.asked.place {
            Some(Place::Column(column)) => column.clone(),
            Some(Place::Table { .. }) | None => E::embedding_column().as_str().to_owned(),
        }
    }

    /// Its column of vectors.
    pub(super) fn embedding<E: EmbeddingTrait>(&self) -> Expr {
        match &self.asked.place {
            Some(Place::Column(column)) => {
                Expr::col((Alias::new(E::default().table_name()), Alias::new(column.as_str())))
            }
            Some(Place::Table { .. }) | None => E::embedding_column().into_expr(),
        }
    }

    pub(super) fn conditions<E: EmbeddingTrait>(&self) -> Condition {
        // a row that waits for its vector has no distance
        let waiting = E::source_relation().is_none();
        Condition::all()
            .add_option(waiting.then(|| self.embedding::<E>().is_not_null()))
            .add_option((!self.filter.is_empty()).then(|| self.filter.clone()))
            .add_option(self.except.clone())
            .add_option(self.asked.guard.clone())
    }

    pub(super) fn distance<E: EmbeddingTrait>(&self, query: &Expr) -> Expr {
        self.metric.between(self.embedding::<E>(), query.clone())
    }

    /// The expression that the index orders by.
    pub(super) fn scanned<E: EmbeddingTrait>(&self, query: &Expr) -> Expr {
        match self.quantized() {
            None => self.distance::<E>(query),
            Some(quantized) => quantized.order(
                self.metric,
                self.embedding::<E>(),
                query.clone(),
                self.asked.dimensions.unwrap_or(E::DIMENSIONS),
            ),
        }
    }

    /// The page of `hits`, ordered by the distance, then as the caller wants, then by `keys` key columns. `from` is the
    /// name under which `hits` has its columns, if they are not those of the tables.
    fn page<E: EmbeddingTrait>(
        &self,
        mut hits: SelectStatement,
        from: Option<&'static str>,
        keys: usize,
    ) -> SelectStatement {
        if keys == 0 || !self.is_deduplicated() {
            self.around::<E>(&mut hits, from);
            hits.order_by(DISTANCE, Order::Asc);
            self.tied(&mut hits);
            for i in 0..keys {
                hits.order_by(key(i), Order::Asc);
            }
            if keys > 0 {
                hits.order_by(SEQ, Order::Asc);
            }
            return self.cut(&mut hits);
        }
        let is_per_source = self.is_best_per_source();
        let mut best = best::<E>(hits, &self.one_hit::<E>(), DISTANCE, Order::Asc, self);
        best.and_where_option(self.cursor().map(|cursor| cursor.behind_best::<E>(is_per_source)));
        self.around::<E>(&mut best, Some(BEST));
        best.order_by(DISTANCE, Order::Asc);
        self.tied(&mut best);
        for i in 0..keys {
            best.order_by(key(i), Order::Asc);
        }
        if !is_per_source {
            best.order_by(SEQ, Order::Asc);
        }
        self.cut(&mut best)
    }

    /// Adds the chunks around each hit and its place, if they were asked for.
    pub(super) fn around<E: EmbeddingTrait>(&self, hits: &mut SelectStatement, from: Option<&'static str>) {
        if let Some(neighbours) = self.neighbours {
            neighbours.select::<E>(hits, from, self.store::<E>());
        }
        if self.places {
            places::select::<E>(hits, from, self.store::<E>());
        }
    }

    /// The value that has at most one hit, as a text: NULL is a value too.
    pub(super) fn value(&self) -> Option<Expr> {
        match &self.best_per {
            Some(BestPer::Value(value)) => Some(Func::cust("quote_nullable").arg(value.clone()).into()),
            Some(BestPer::Source) | None => None,
        }
    }

    /// The names of the columns that tell one hit from another, where several rows may be one.
    pub(super) fn one_hit<E: EmbeddingTrait>(&self) -> Vec<String> {
        match self.best_per {
            Some(BestPer::Source) => (0..E::key_columns().len()).map(key).collect(),
            Some(BestPer::Value(_)) => vec![VALUE.to_owned()],
            None => (0..E::identity().len()).map(identity).collect(),
        }
    }

    fn tied(&self, select: &mut SelectStatement) {
        for (i, (_, direction)) in self.ties.iter().enumerate() {
            direction.apply(select, tie(i));
        }
    }

    fn cut(&self, select: &mut SelectStatement) -> SelectStatement {
        let offset = up_to(self.offset);
        if offset > 0 {
            select.offset(offset);
        }
        select.limit(Ord::min(self.limit, MAX_ROWS - offset)).take()
    }
}

/// Up to this number of rows, a `LIMIT` is part of the text.
const WRITTEN_LIMIT: u64 = 1_000;

/// Adds `conditions`, an order and a limit to `select`: the form that an index on vectors serves.
///
/// SeaORM would bind the limit. For a generic plan PostgreSQL then assumes that the limit is a tenth of the table: it
/// plans every search anew, or after a few long pages uses one plan that reads too much for short ones. So the limit is
/// part of the text, as if written by hand. sea-query takes text of ours in conditions only, and these end a statement
/// that has no order of its own.
///
/// With `ties` the rows at the distance of the last one come back too, more than `rows`.
pub(super) fn first(
    select: &mut SelectStatement,
    conditions: Condition,
    by: Expr,
    rows: u64,
    offset: u64,
    with_ties: bool,
) {
    let offset = up_to(offset);
    let rows = Ord::min(rows, MAX_ROWS - offset);
    if rows.saturating_add(offset) > WRITTEN_LIMIT && !with_ties {
        // long pages share a statement, and a plan that suits them
        if !conditions.is_empty() {
            select.cond_where(conditions);
        }
        if offset > 0 {
            select.offset(offset);
        }
        select.order_by_expr(by, Order::Asc).limit(rows);
        return;
    }
    let skipped = if offset > 0 {
        format!(" OFFSET {offset}")
    } else {
        String::new()
    };
    let text = if with_ties {
        format!("$1 ORDER BY $2 ASC FETCH FIRST {rows} ROWS WITH TIES")
    } else {
        format!("$1 ORDER BY $2 ASC LIMIT {rows}{skipped}")
    };
    select.and_where(Expr::cust_with_exprs(text, [conditions.into(), by]));
}

/// The chunk's place in the text of its row.
pub(super) fn seq<E: EmbeddingTrait>() -> Expr {
    E::chunk_seq_column().map_or_else(|| Expr::cust("0"), ColumnTrait::into_expr)
}

/// Of the rows with the same `keys`, the first by `by`. The result is unordered.
pub(super) fn best<E: EmbeddingTrait>(
    mut rows: SelectStatement,
    keys: &[String],
    by: &'static str,
    order: Order,
    plan: &Plan,
) -> SelectStatement {
    rows.distinct_on(keys.iter().cloned());
    for key in keys {
        rows.order_by(key.clone(), Order::Asc);
    }
    rows.order_by(by, order);
    plan.tied(&mut rows);
    if plan.value().is_some() {
        for i in 0..E::key_columns().len() {
            rows.order_by(key(i), Order::Asc);
        }
    }
    rows.order_by(SEQ, Order::Asc);
    Query::select().column(Asterisk).from_subquery(rows, BEST).take()
}

/// The same distance as a sum, which no index serves.
pub(super) fn unindexed(distance: Expr) -> Expr {
    distance.add(Expr::cust("0"))
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "SeaORM's entities are written with pub")]
pub(super) mod tests;
