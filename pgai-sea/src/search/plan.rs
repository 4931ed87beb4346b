//! The options of a search, all but its query, and the attempts that fill its page.

use sea_orm::sea_query::{Condition, Expr, NullOrdering, Order, OrderedStatement, TableRef};
use sea_orm::{DbErr, JoinType, QueryResult, RelationDef};

use super::cursor::{Cursor, Paging};
use super::error::{SearchError, table_of};
use super::freshness::Queue;
use super::generation::Asked;
use super::neighbours::Neighbourhood;
use super::quantized::Quantized;
use super::scan::{IterativeScan, Scan, Setting};
use crate::entity::EmbeddingTrait;
use crate::pgvector::Metric;

/// The default number of hits.
const DEFAULT_LIMIT: u64 = 10;

/// A guess at the chunks of a row, for the first and the second attempt to find the best chunk of each.
const CHUNKS_PER_SOURCE: [u64; 2] = [8, 64];

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) metric: Metric,
    pub(super) filter: Condition,
    /// Leaves out rows of the searched table: those of the row that others are compared with.
    pub(super) except: Option<Expr>,
    pub(super) joins: Vec<Join>,
    /// The order of rows at the same distance.
    pub(super) ties: Vec<(Expr, Direction)>,
    pub(super) max_distance: Option<f64>,
    pub(super) min_similarity: Option<f64>,
    pub(super) limit: u64,
    pub(super) offset: u64,
    /// Pages begin behind a hit instead.
    pub(super) paging: Option<Paging>,
    pub(super) vectors: bool,
    pub(super) neighbours: Option<Neighbourhood>,
    /// Whether hits come with their places in the texts of their rows.
    pub(super) places: bool,
    /// Where hits look whether their rows wait, if they are to say.
    pub(super) queue: Option<Queue>,
    pub(super) best_per: Option<BestPer>,
    pub(super) scan: Scan,
    pub(super) quantized: Option<Quantized>,
    pub(super) exact: bool,
    pub(super) operand: Operand,
    pub(super) ranking: ForRanking,
    /// The model that made the query's vector, if the search says so.
    pub(super) model: Option<String>,
    pub(super) asked: Asked,
}

/// What has at most one hit.
#[derive(Clone, Debug)]
pub(super) enum BestPer {
    Source,
    /// An expression's value, of columns of the embeddings, the source and joined tables.
    Value(Expr),
}

/// A joined table, under its name in the relation.
#[derive(Clone, Debug)]
pub(super) struct Join {
    pub(super) kind: JoinType,
    pub(super) table: TableRef,
    pub(super) relation: RelationDef,
}

/// The direction of an order.
#[derive(Clone, Debug)]
pub(super) struct Direction {
    pub(super) order: Order,
    pub(super) nulls: Option<NullOrdering>,
}

impl From<Order> for Direction {
    fn from(order: Order) -> Self {
        Self { order, nulls: None }
    }
}

impl Direction {
    /// Orders `statement` by the column `name`.
    pub(super) fn apply(&self, statement: &mut impl OrderedStatement, name: String) {
        match self.nulls {
            Some(nulls) => statement.order_by_with_nulls(name, self.order.clone(), nulls),
            None => statement.order_by(name, self.order.clone()),
        };
    }
}

/// The kind of query that the stored vectors are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Operand {
    #[default]
    Numbers,
    /// An expression, which may have columns of the rows that the vectors belong to.
    Expression,
}

/// What a [`Ranking`](super::Ranking) needs of its window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ForRanking {
    /// The source has to be joined, for conditions that are not among the filters.
    pub(super) source: bool,
    /// The stored vectors come back, to be compared with each other.
    pub(super) vectors: bool,
    /// Each row comes back once, also where a join has it several times.
    pub(super) distinct: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            metric: Metric::default(),
            filter: Condition::all(),
            except: None,
            joins: Vec::new(),
            ties: Vec::new(),
            max_distance: None,
            min_similarity: None,
            limit: DEFAULT_LIMIT,
            offset: 0,
            paging: None,
            vectors: false,
            neighbours: None,
            places: false,
            queue: None,
            best_per: None,
            ranking: ForRanking::default(),
            scan: Scan::default(),
            quantized: None,
            exact: false,
            operand: Operand::default(),
            model: None,
            asked: Asked::default(),
        }
    }
}

/// One attempt to fill the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// A scan that ends with the rows that the index finds first, however few of them pass the filter.
    Look { window: u64 },
    /// Orders by an expression that an index serves, and takes the first `window` rows. If it `insists`, the scan is
    /// told to continue until it has them.
    Scan { window: u64, insists: bool },
    /// Looks at every row, without an index on vectors.
    Exact,
}

impl Plan {
    /// Refuses options that contradict each other, before the database is asked.
    pub(super) fn check<E: EmbeddingTrait>(&self) -> Result<(), SearchError> {
        self.scan.check()?;
        self.check_paging::<E>()?;
        if matches!(self.metric, Metric::Hamming | Metric::Jaccard) {
            return Err(SearchError::MetricOfBits { metric: self.metric });
        }
        if self.min_similarity.is_some() && self.metric.similarity(0.0).is_none() {
            return Err(SearchError::NoSimilarity { metric: self.metric });
        }
        if let Some(quantized) = self.quantized {
            quantized.check()?;
        }
        let maxima = [
            ("max_distance", self.max_distance),
            ("min_similarity", self.min_similarity),
        ];
        for (setter, value) in maxima {
            if let Some(value) = value.filter(|value| value.is_nan()) {
                let range = "any number";
                return Err(SearchError::Number { setter, value, range });
            }
        }
        Ok(())
    }

    fn check_paging<E: EmbeddingTrait>(&self) -> Result<(), SearchError> {
        let Some(paging) = &self.paging else { return Ok(()) };
        let reason = if self.offset > 0 {
            "it has an offset too: set one of the two"
        } else if !self.ties.is_empty() {
            "it orders rows at the same distance with then_order_by, which a cursor does not hold: leave that out"
        } else if paging.after.as_ref().is_some_and(|cursor| !cursor.fits::<E>()) {
            "the cursor is of another table: begin at the first page"
        } else {
            return Ok(());
        };
        Err(SearchError::Cursor {
            table: table_of::<E>(),
            reason,
        })
    }

    /// The number of hits before the page, of those that a scan may return.
    pub(super) fn before(&self) -> u64 {
        match &self.paging {
            None => self.offset,
            // the best chunk of each row is known once all chunks before are read
            Some(Paging { after: Some(cursor) }) if self.is_deduplicated() => cursor.seen(),
            Some(_) => 0,
        }
    }

    /// The number of rows up to the end of the page.
    pub(super) fn reach(&self) -> u64 {
        self.before().saturating_add(self.limit)
    }

    /// Whether a condition, a join, an order or the query may need columns of the source.
    pub(super) fn is_joined(&self) -> bool {
        self.ranking.source
            || self.operand == Operand::Expression
            || !self.filter.is_empty()
            || !self.joins.is_empty()
            || !self.ties.is_empty()
            || matches!(self.best_per, Some(BestPer::Value(_)))
    }

    /// Whether an index scan may return rows that are no hits.
    pub(super) fn is_filtered(&self) -> bool {
        !self.filter.is_empty() || !self.joins.is_empty() || self.except.is_some() || self.is_continued()
    }

    /// Whether a filter or a join may leave few of the rows.
    fn is_selective(&self) -> bool {
        !self.filter.is_empty() || !self.joins.is_empty()
    }

    /// Where the next page begins, if there may be one behind these rows.
    pub(super) fn next(&self, rows: &[QueryResult]) -> Result<Option<Cursor>, DbErr> {
        let Some(paging) = &self.paging else { return Ok(None) };
        let seen = paging.after.as_ref().map_or(0, Cursor::seen);
        let is_full = rows.len() as u64 >= self.limit;
        let last = rows.last().filter(|_| is_full);
        last.map(|last| Cursor::read(last, seen.saturating_add(rows.len() as u64)))
            .transpose()
    }

    /// Whether the page begins behind a hit.
    pub(super) fn is_continued(&self) -> bool {
        self.paging.as_ref().is_some_and(|paging| paging.after.is_some())
    }

    /// Whether rows are found by quantized vectors.
    pub(super) fn is_quantized(&self) -> bool {
        self.quantized().is_some() && !self.exact
    }

    /// Whether the rows of an index scan have to be ordered again.
    pub(super) fn is_reordered(&self) -> bool {
        self.is_deduplicated() || self.quantized().is_some() || !self.ties.is_empty() || self.paging.is_some()
    }

    /// Whether counting the rows up to the end of the page reads no more rows than these. Then it is cheaper than
    /// reading them all.
    pub(super) fn is_counted_fast(&self) -> bool {
        !self.is_filtered() && !self.is_deduplicated() && self.farthest().is_none() && !self.scan.is_bounded()
    }

    pub(super) fn is_best_per_source(&self) -> bool {
        matches!(self.best_per, Some(BestPer::Source))
    }

    /// Whether an index scan may return several rows of one hit.
    pub(super) fn is_deduplicated(&self) -> bool {
        self.best_per.is_some() || self.ranking.distinct && !self.joins.is_empty()
    }

    /// The attempts to make until the page is full. An index may have dead rows, and the connection's own settings may
    /// be low, so a scan that does not continue by itself is told to. The last attempt looks at every row: a page that
    /// is still short then has all there is. A search that bounds its scan makes no such attempt.
    ///
    /// A scan under a filter finds worse rows the longer it goes on, and takes longer than comparing the few that pass.
    /// So a look comes first, and who makes the attempts asks how many rows pass if it found few. A scan that ends by
    /// `hnsw.max_scan_tuples` is no look: at its end, pgvector returns what it had put aside on its way, and that fills
    /// the page with rows that are not the nearest.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        if self.exact {
            return vec![Attempt::Exact];
        }
        let rows = self
            .reach()
            .saturating_mul(self.quantized().map_or(1, Quantized::times));
        let windows = if self.is_deduplicated() {
            CHUNKS_PER_SOURCE.map(|chunks| rows.saturating_mul(chunks)).to_vec()
        } else {
            vec![rows]
        };
        let scan = |window, insists| Attempt::Scan { window, insists };
        let look = windows.first().and_then(|window| self.look(*window));
        let scans = windows.iter().map(|window| scan(*window, false));
        let mut attempts: Vec<_> = look.into_iter().chain(scans).collect();
        if !self.scan.is_bounded() {
            let last = windows.last().copied().unwrap_or(rows);
            if !self.scan.carries_on(last, self.is_filtered()) {
                attempts.push(scan(last, true));
            }
            attempts.push(Attempt::Exact);
        }
        attempts
    }

    /// The look that comes first, if one may fill the page. Pages behind a hit leave out all rows before, which says
    /// nothing of how many pass, and a search may say itself how far its scan goes.
    fn look(&self, window: u64) -> Option<Attempt> {
        let is_free = self.scan.iterative.is_none() && !self.scan.is_bounded();
        let may_fill = self.scan.candidates(window) >= window.saturating_mul(2);
        let looks = self.is_selective() && !self.is_continued() && is_free && may_fill;
        looks.then_some(Attempt::Look { window })
    }

    /// The rows that an index is to return in an attempt, and the settings for that. An exact search uses no index.
    pub(super) fn scanning(&self, attempt: Attempt) -> Option<(u64, Vec<Setting>)> {
        let (window, filtered, iterative) = match attempt {
            Attempt::Look { window } => (window, self.is_filtered(), Some(IterativeScan::Off)),
            Attempt::Scan { window, insists } => {
                let filtered = self.is_filtered() || insists;
                (window, filtered, self.scan.iterates(window, filtered))
            }
            Attempt::Exact => return None,
        };
        Some((window, self.scan.settings(window, filtered, iterative)))
    }

    /// Whether a scan that returned `scanned` rows would find no more if it were asked for more, because it already
    /// continued to the end of the index or to its own bound.
    pub(super) fn is_exhausted(&self, attempt: Attempt, scanned: u64) -> bool {
        let Attempt::Scan { window, insists } = attempt else {
            return true;
        };
        scanned < window && self.scan.carries_on(window, self.is_filtered() || insists)
    }

    /// Whether the distance of a stored vector may be NaN or NULL: zeros have no angle, a product may overflow, and an
    /// expression may be anything.
    pub(super) fn may_have_no_distance(&self) -> bool {
        self.operand == Operand::Expression || matches!(self.metric, Metric::Cosine | Metric::InnerProduct)
    }

    /// Whether a row at this distance is a hit. A zero vector has no cosine distance and is never a hit.
    pub(super) fn keeps(&self, distance: f64) -> bool {
        !distance.is_nan() && self.farthest().is_none_or(|max| distance <= max)
    }

    /// The distance of the farthest hit.
    pub(super) fn farthest(&self) -> Option<f64> {
        let similar = self.min_similarity.and_then(|min| self.metric.distance_at(min));
        [self.max_distance, similar].into_iter().flatten().reduce(f64::min)
    }
}
