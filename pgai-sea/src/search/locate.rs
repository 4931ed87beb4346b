//! Where a row stands in a search, and why it is not on the page.

use std::fmt;

use sea_orm::sea_query::{Expr, Query, Value};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait};

use super::builder::Search;
use super::error::SearchError;
use super::generation::Routing;
use super::page::{matching, nearest};
use super::plan::Plan;
use super::projection::{Distances, Projection};
use super::query::{is_of, key_values};
use super::refusal::Searching as _;
use crate::entity::{EmbeddingTrait, SourceKey};

/// Two distances of the same pair of vectors may differ by this, where an index computes them with less precision.
const EPSILON: f64 = 1e-6;

/// Where a row stands in a search: what [`Search::locate`] returns. Ranks are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Location {
    /// It is on the page, or on an earlier one.
    Found {
        /// Its rank in an exact search.
        rank: u64,
        /// Its distance.
        distance: f64,
    },
    /// It belongs on the page, but the index did not find it. A larger `ef_search` may.
    MissedByIndex {
        /// Its rank in an exact search.
        rank: u64,
        /// Its distance.
        distance: f64,
    },
    /// Other rows are nearer: the model, the chunks or the template put it behind them.
    BeyondPage {
        /// Its rank in an exact search.
        rank: u64,
        /// Its distance.
        distance: f64,
    },
    /// It is farther than the maximal distance.
    TooFar {
        /// Its distance.
        distance: f64,
    },
    /// A filter or a join leaves it out.
    Filtered,
    /// It cannot be compared: its vector is zeros, or it is the row that others are compared with.
    Incomparable,
    /// It has no embeddings: there is no such row, it waits in the queue, or it was given up.
    NotEmbedded,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found { rank, distance } => write!(f, "is found at rank {rank} (distance {distance:.3})"),
            Self::MissedByIndex { rank, distance } => write!(
                f,
                "has rank {rank} (distance {distance:.3}), and the index misses it: raise ef_search"
            ),
            Self::BeyondPage { rank, distance } => write!(f, "has rank {rank} (distance {distance:.3})"),
            Self::TooFar { distance } => write!(f, "is farther than the maximal distance ({distance:.3})"),
            Self::Filtered => f.write_str("is left out by a filter"),
            Self::Incomparable => f.write_str("has no distance to the question"),
            Self::NotEmbedded => f.write_str("has no embeddings: no such row, not embedded yet, or given up"),
        }
    }
}

impl<E: EmbeddingTrait, F: Projection<E>> Search<'_, E, F> {
    /// Where the source row with this key stands in the search, and why it is not on the page if it is not. It reads
    /// the whole table, and is meant for tests and for looking into a single question.
    ///
    /// A search that is ranked (`hybrid`, `rerank`) is located by its vectors alone, before it is ranked.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn locate<C: ConnectionTrait>(&self, key: SourceKey<E>, db: &C) -> Result<Location, SearchError> {
        self.plan.check::<E>()?;
        let key = key_values(key);
        if !is_embedded::<E, C>(&key, db).await? {
            return Ok(Location::NotEmbedded);
        }
        let routing = Routing::begin::<E, _>(&self.query, self.plan.model.as_deref(), db).await?;
        let mut own = Plan {
            paging: None,
            ..routing.plan(&self.plan)
        };
        let query = self.query.resolve::<E, _>(&mut own, db).await?;
        // the row alone
        let alone = |plan: &Plan| Plan {
            filter: plan.filter.clone().add(is_of::<E>(&key)),
            max_distance: None,
            min_similarity: None,
            exact: true,
            limit: 1,
            offset: 0,
            ..plan.clone()
        };
        let Some(distance) = first_distance::<E, C>(&alone(&own), &query, db).await? else {
            let unfiltered = Plan {
                filter: Condition::all(),
                joins: Vec::new(),
                ..own.clone()
            };
            let unfiltered = first_distance::<E, C>(&alone(&unfiltered), &query, db).await?;
            return Ok(unfiltered.map_or(Location::Incomparable, |_| Location::Filtered));
        };
        if !own.keeps(distance) {
            return Ok(Location::TooFar { distance });
        }
        let nearer = Plan {
            max_distance: Some(distance),
            exact: true,
            ..own.clone()
        };
        let rank = matching::<E, F, _>(&nearer, &query, None, db).await?.max(1);
        if rank > own.reach() {
            return Ok(Location::BeyondPage { rank, distance });
        }
        let pages = Plan {
            offset: 0,
            limit: own.reach(),
            ..own.clone()
        };
        let (rows, _) = nearest::<E, Distances, _>(&pages, &query, db).await?;
        for row in &rows {
            let found = <Distances as Projection<E>>::read(row, false).searching::<E>()?;
            if (found - distance).abs() <= EPSILON {
                return Ok(Location::Found { rank, distance });
            }
        }
        Ok(Location::MissedByIndex { rank, distance })
    }
}

async fn first_distance<E: EmbeddingTrait, C: ConnectionTrait>(
    plan: &Plan,
    query: &Expr,
    db: &C,
) -> Result<Option<f64>, SearchError> {
    let (rows, _) = nearest::<E, Distances, _>(plan, query, db).await?;
    let distance = rows.first().map(|row| <Distances as Projection<E>>::read(row, false));
    distance.transpose().searching::<E>()
}

async fn is_embedded<E: EmbeddingTrait, C: ConnectionTrait>(key: &[Value], db: &C) -> Result<bool, SearchError> {
    let embedded = Query::select()
        .expr(Expr::val(1))
        .from(E::default().table_ref())
        .and_where(is_of::<E>(key))
        .and_where(E::embedding_column().is_not_null())
        .limit(1)
        .take();
    Ok(db.query_one(&embedded).await.searching::<E>()?.is_some())
}
