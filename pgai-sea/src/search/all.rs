//! One box over several entities.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use futures::future;
use sea_orm::ConnectionTrait;
use serde::Serialize;

use super::error::SearchError;
use super::hits::Hits;
use super::paging::{Asks, Pageable};
use super::query::{SearchQuery, Text};
use super::ranking::rerank::Reranking;
use crate::rerank::Reranker;

/// How many hits of each search a reranker orders, at least.
const DEFAULT_WINDOW: u64 = 20;

/// One box over several entities: their searches run side by side, and their hits come as one list, each as a variant
/// of an enum of yours.
///
/// ```no_run
/// # mod blog_post { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/blog_post.rs")); }
/// # use blog_post as article;
/// # use pgai_sea::prelude::*;
/// # async fn f(db: &sea_orm::DatabaseConnection, embedders: &pgai_sea::Embedders) -> Result<(), SearchError> {
/// use article::content_embeddings as passage;
/// use pgai_sea::search::SearchAll;
///
/// enum Found {
///     Article(HitWithSource<i32, article::Model>),
///     Passage(Hit<i32>),
/// }
///
/// let question = "How do I reset a password?";
/// let hits = SearchAll::new()
///     .add(article::Entity::search_text(embedders, question).max_distance(0.7), Found::Article)
///     .add(passage::Entity::search_text(embedders, question).hybrid(FullText::any(question)), |hit| {
///         Found::Passage(hit.hit)
///     })
///     .limit(10)
///     .all(db)
///     .await?;
/// for hit in &hits {
///     match &hit.hit {
///         Found::Article(article) => println!("{} {}", hit.rank, article.source.title),
///         Found::Passage(passage) => println!("{} {}", hit.rank, passage.embedding.chunk),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// A question that several searches have is embedded once for each model. On a pool the statements run side by side; in
/// a transaction they share its connection, one after the other.
///
/// The list is fused by rank: a hit of rank r scores `weight / (k + r)`. Distances of different models, tables or
/// metrics cannot be compared, so they do not count. The best hit of each search comes first, the second ones follow,
/// however good they are: let [`max_distance`](super::Search::max_distance) drop what is too far, and let a
/// [reranker](Self::rerank) compare what is left.
#[must_use = "nothing is searched until `all`"]
pub struct SearchAll<'a, T, L = ()> {
    searches: L,
    count: usize,
    texts: Vec<Text<'a>>,
    reranking: Option<Reranking<'a, T>>,
    k: f64,
    limit: u64,
    offset: u64,
    window: u64,
}

/// A hit of one of several searches.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FusedHit<T> {
    /// `weight / (k + rank)`. Only the order of scores means something.
    pub score: f64,
    /// The rank in its own search, from 1.
    pub rank: u64,
    /// Which search found it: 0 is the one that was added first.
    pub search: usize,
    /// The reranker's score.
    pub rerank_score: Option<f64>,
    /// The hit.
    pub hit: T,
}

impl<T> FusedHit<T> {
    /// A hit, for tests. It is the first of the first search.
    pub fn new(hit: T) -> Self {
        Self {
            score: 1.0 / 61.0,
            rank: 1,
            search: 0,
            rerank_score: None,
            hit,
        }
    }
}

impl<T> SearchAll<'_, T> {
    /// Of no search yet.
    pub fn new() -> Self {
        Self {
            searches: (),
            count: 0,
            texts: Vec::new(),
            reranking: None,
            k: 60.0,
            limit: 10,
            offset: 0,
            window: DEFAULT_WINDOW,
        }
    }
}

impl<T> Default for SearchAll<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, T, L> SearchAll<'a, T, L> {
    /// Adds a [`Search`](super::Search) or [`Ranking`](super::Ranking). `variant` makes a `T` of its hit: a variant of
    /// an enum. The search's own limit and offset have no effect.
    pub fn add<S, V>(self, search: S, variant: V) -> SearchAll<'a, T, (L, Leg<'a, S, V>)>
    where
        S: Pageable<'a>,
        V: Fn(S::Hit) -> T,
    {
        self.add_weighted(1.0, search, variant)
    }

    /// The same for a search that counts more or less than the others, whose weights are 1.
    pub fn add_weighted<S, V>(mut self, weight: f64, mut search: S, variant: V) -> SearchAll<'a, T, (L, Leg<'a, S, V>)>
    where
        S: Pageable<'a>,
        V: Fn(S::Hit) -> T,
    {
        let Asks(query) = search.asks();
        if let SearchQuery::Text(text) = query
            && !self.texts.iter().any(|known| text.share(known))
        {
            self.texts.push(text.clone());
        }
        SearchAll {
            searches: (
                self.searches,
                Leg {
                    place: self.count,
                    weight,
                    search,
                    variant,
                    queries: PhantomData,
                },
            ),
            count: self.count + 1,
            texts: self.texts,
            reranking: self.reranking,
            k: self.k,
            limit: self.limit,
            offset: self.offset,
            window: self.window,
        }
    }

    /// The largest number of hits. The default is ten.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// Page `page`, from 0, of `size` hits.
    pub fn page(mut self, page: u64, size: u64) -> Self {
        self.limit = size;
        self.offset = page.saturating_mul(size);
        self
    }

    /// The constant `k` of reciprocal rank fusion, by default 60. It matters only where searches have weights.
    pub fn k(mut self, k: f64) -> Self {
        self.k = k;
        self
    }

    /// Orders the best hits of all searches by the scores of a reranker, which can be compared. It reads `query` and
    /// the `passage` of each hit.
    pub fn rerank(
        mut self,
        reranker: &'a dyn Reranker,
        query: impl Into<String>,
        passage: impl Fn(&T) -> String + Send + Sync + 'a,
    ) -> Self {
        self.reranking = Some(Reranking::new(reranker, query.into(), passage));
        self
    }

    /// If the reranker fails, the hits stay in the order of their ranks, and [`Hits::kept_order`] says why.
    pub fn or_keep_order(mut self) -> Self {
        if let Some(reranking) = &mut self.reranking {
            reranking.may_fail = true;
        }
        self
    }

    /// How many hits of each search a reranker orders, if a page is not larger. The default is 20.
    pub fn window(mut self, window: u64) -> Self {
        self.window = window;
        self
    }
}

impl<T, L: Legs<T>> SearchAll<'_, T, L> {
    /// Runs the searches. [`Hits::missing`] is that of all of them together.
    ///
    /// # Errors
    ///
    /// As [`Search::all`](super::Search::all): the error of the first search that fails. Also a weight or `k` out of
    /// range.
    pub async fn all<C: ConnectionTrait>(self, db: &C) -> Result<Hits<FusedHit<T>>, SearchError> {
        let reach = self.offset.saturating_add(self.limit);
        let asked = Asked {
            k: self.k,
            limit: if self.reranking.is_some() {
                reach.max(self.window)
            } else {
                reach
            },
        };
        check("k", asked.k)?;
        let mut found = Found::default();
        Box::pin(self.searches.run(db, asked, &mut found)).await?;
        let Found {
            mut hits,
            missing,
            mut kept,
        } = found;
        // the sort is stable: of equals the search that was added first
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.search.cmp(&b.search)));
        if let Some(reranking) = &self.reranking {
            let passages: Vec<&T> = hits.iter().map(|hit| &hit.hit).collect();
            match reranking.scores(&passages).await {
                Ok(scores) => {
                    for (hit, score) in hits.iter_mut().zip(scores) {
                        hit.rerank_score = Some(score);
                    }
                    hits.sort_by(|a, b| {
                        b.rerank_score
                            .partial_cmp(&a.rerank_score)
                            .unwrap_or(std::cmp::Ordering::Equal)
                    });
                }
                Err(error) if reranking.may_fail => kept.push(error.to_string()),
                Err(error) => return Err(error.into()),
            }
        }
        let place = |row: u64| usize::try_from(row).unwrap_or(usize::MAX);
        let page: Hits<_> = hits
            .into_iter()
            .skip(place(self.offset))
            .take(place(self.limit))
            .collect();
        let kept = (!kept.is_empty()).then(|| kept.join("; "));
        Ok(page.with_missing(missing).with_kept_order(kept))
    }
}

impl<T, L: Clone> Clone for SearchAll<'_, T, L> {
    fn clone(&self) -> Self {
        Self {
            searches: self.searches.clone(),
            count: self.count,
            texts: self.texts.clone(),
            reranking: self.reranking.clone(),
            k: self.k,
            limit: self.limit,
            offset: self.offset,
            window: self.window,
        }
    }
}

impl<T, L> fmt::Debug for SearchAll<'_, T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchAll")
            .field("searches", &self.count)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

fn check(setter: &'static str, value: f64) -> Result<(), SearchError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(SearchError::Number {
        setter,
        value,
        range: "0 or more",
    })
}

/// One of the searches of a [`SearchAll`].
#[derive(Clone)]
pub struct Leg<'a, S, V> {
    place: usize,
    weight: f64,
    search: S,
    variant: V,
    queries: PhantomData<&'a ()>,
}

impl<S, V> fmt::Debug for Leg<'_, S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leg")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// What each search is asked for.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    k: f64,
    limit: u64,
}

/// What the searches found.
#[doc(hidden)]
#[derive(Debug)]
pub struct Found<T> {
    hits: Vec<FusedHit<T>>,
    missing: u64,
    kept: Vec<String>,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self {
            hits: Vec::new(),
            missing: 0,
            kept: Vec::new(),
        }
    }
}

/// The searches of a [`SearchAll`]. The trait is sealed.
pub trait Legs<T>: sealed::Sealed {
    #[doc(hidden)]
    fn run<C: ConnectionTrait>(
        self,
        db: &C,
        asked: Asked,
        found: &mut Found<T>,
    ) -> impl Future<Output = Result<(), SearchError>>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl<L: Sealed, S, V> Sealed for (L, super::Leg<'_, S, V>) {}
}

impl<T> Legs<T> for () {
    async fn run<C: ConnectionTrait>(self, _: &C, _: Asked, _: &mut Found<T>) -> Result<(), SearchError> {
        Ok(())
    }
}

impl<'a, T, L, S, V> Legs<T> for (L, Leg<'a, S, V>)
where
    L: Legs<T>,
    S: Pageable<'a>,
    V: Fn(S::Hit) -> T,
{
    async fn run<C: ConnectionTrait>(self, db: &C, asked: Asked, found: &mut Found<T>) -> Result<(), SearchError> {
        let (before, leg) = self;
        check("add_weighted", leg.weight)?;
        // boxed: a handler should not have to carry the futures of all searches
        let own = Box::pin(leg.search.at(0, asked.limit).found(db));
        let (before, own) = future::join(before.run(db, asked, found), own).await;
        before?;
        let own = own?;
        found.missing += own.missing();
        found.kept.extend(own.kept_order().map(str::to_owned));
        for (hit, rank) in own.into_iter().zip(1_u32..) {
            found.hits.push(FusedHit {
                score: leg.weight / (asked.k + f64::from(rank)),
                rank: rank.into(),
                search: leg.place,
                rerank_score: None,
                hit: (leg.variant)(hit),
            });
        }
        Ok(())
    }
}
