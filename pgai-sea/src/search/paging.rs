//! Page by page, as SeaORM's paginator, and hit by hit.

use std::fmt;
use std::future::Future;

use futures::stream::{self, Stream, TryStreamExt};
use sea_orm::{ConnectionTrait, ItemsAndPagesNumber};

use super::builder::Search;
use super::error::SearchError;
use super::hits::Hits;
use super::projection::Projection;
use super::query::SearchQuery;
use super::ranking::{Ranked, Ranking};
use crate::entity::EmbeddingTrait;

/// A search that returns pages: [`Search`] and [`Ranking`]. The trait is sealed.
#[allow(async_fn_in_trait, reason = "sealed: the compiler sees whether a future can be sent")]
pub trait Pageable<'a>: sealed::Sealed + Clone {
    /// What it finds.
    type Hit;

    /// The same search for another page.
    #[doc(hidden)]
    #[must_use]
    fn at(self, offset: u64, limit: u64) -> Self;

    #[doc(hidden)]
    fn found<C: ConnectionTrait>(self, db: &C) -> impl Future<Output = Result<Hits<Self::Hit>, SearchError>>;

    #[doc(hidden)]
    fn counted<C: ConnectionTrait>(self, db: &C) -> impl Future<Output = Result<u64, SearchError>>;

    #[doc(hidden)]
    fn asks(&mut self) -> Asks<'_, 'a>;
}

/// The query of a search, for [`SearchAll`](super::SearchAll).
#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "private")]
pub struct Asks<'s, 'a>(pub(super) &'s mut SearchQuery<'a>);

mod sealed {
    pub trait Sealed {}
    impl<E, F> Sealed for super::Search<'_, E, F> {}
    impl<E: super::EmbeddingTrait, F: super::Projection<E>> Sealed for super::Ranking<'_, E, F> {}
}

impl<'a, E: EmbeddingTrait, F: Projection<E>> Pageable<'a> for Search<'a, E, F> {
    type Hit = F::Hit;

    fn at(self, offset: u64, limit: u64) -> Self {
        self.offset(offset).limit(limit)
    }

    async fn found<C: ConnectionTrait>(self, db: &C) -> Result<Hits<F::Hit>, SearchError> {
        self.all(db).await
    }

    async fn counted<C: ConnectionTrait>(self, db: &C) -> Result<u64, SearchError> {
        self.count(db).await
    }

    fn asks(&mut self) -> Asks<'_, 'a> {
        Asks(&mut self.query)
    }
}

impl<'a, E: EmbeddingTrait, F: Projection<E>> Pageable<'a> for Ranking<'a, E, F> {
    type Hit = Ranked<F::Hit>;

    fn at(mut self, offset: u64, limit: u64) -> Self {
        self.search = self.search.at(offset, limit);
        self
    }

    async fn found<C: ConnectionTrait>(self, db: &C) -> Result<Hits<Ranked<F::Hit>>, SearchError> {
        self.all(db).await
    }

    async fn counted<C: ConnectionTrait>(self, db: &C) -> Result<u64, SearchError> {
        self.count(db).await
    }

    fn asks(&mut self) -> Asks<'_, 'a> {
        self.search.asks()
    }
}

/// The pages of a search, by their number. [`Search::paginate`] and [`Ranking::paginate`] make it. Its methods are
/// those of SeaORM's [`Paginator`](sea_orm::Paginator).
pub struct SearchPages<'db, C, S> {
    search: S,
    size: u64,
    db: &'db C,
}

impl<C, S> fmt::Debug for SearchPages<'_, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchPages")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl<'db, 'a, C: ConnectionTrait, S: Pageable<'a>> SearchPages<'db, C, S> {
    pub(super) fn new(search: S, db: &'db C, size: u64) -> Self {
        Self {
            search,
            size: size.max(1),
            db,
        }
    }

    /// The page `page`, from 0. It is empty behind the last one.
    ///
    /// # Errors
    ///
    /// As [`Search::all`].
    pub async fn fetch_page(&self, page: u64) -> Result<Hits<S::Hit>, SearchError> {
        let offset = page.saturating_mul(self.size);
        self.search.clone().at(offset, self.size).found(self.db).await
    }

    /// The number of hits of all pages.
    ///
    /// # Errors
    ///
    /// As [`Search::count`].
    pub async fn num_items(&self) -> Result<u64, SearchError> {
        self.search.clone().counted(self.db).await
    }

    /// The number of pages.
    ///
    /// # Errors
    ///
    /// As [`Search::count`].
    pub async fn num_pages(&self) -> Result<u64, SearchError> {
        Ok(self.num_items_and_pages().await?.number_of_pages)
    }

    /// The number of hits and of pages.
    ///
    /// # Errors
    ///
    /// As [`Search::count`].
    pub async fn num_items_and_pages(&self) -> Result<ItemsAndPagesNumber, SearchError> {
        let number_of_items = self.num_items().await?;
        Ok(ItemsAndPagesNumber {
            number_of_items,
            number_of_pages: number_of_items.div_ceil(self.size),
        })
    }

    /// One page after the other, until one is not full.
    pub fn into_stream(self) -> impl Stream<Item = Result<Hits<S::Hit>, SearchError>> {
        stream::try_unfold(Some(0), move |page| {
            let search = self.search.clone();
            async move {
                let Some(page) = page else { return Ok(None) };
                let hits = search
                    .at(self.size.saturating_mul(page), self.size)
                    .found(self.db)
                    .await?;
                let is_full = hits.len() as u64 >= self.size;
                Ok((!hits.is_empty()).then_some((hits, is_full.then_some(page + 1))))
            }
        })
    }
}

/// # Page by page
impl<E: EmbeddingTrait, F: Projection<E>> Search<'_, E, F> {
    /// The pages of the search, of `size` hits each. A limit and an offset of the search have no effect.
    pub fn paginate<C: ConnectionTrait>(self, db: &C, size: u64) -> SearchPages<'_, C, Self> {
        SearchPages::new(self, db, size)
    }

    /// All hits, one after the other, nearest first. They are read in pages of [`limit`](Self::limit) hits, each
    /// [after](Self::after) the last one. A larger limit reads less in all: every page goes past all hits before it.
    ///
    /// ```no_run
    /// # use pgai_sea::prelude::*;
    /// # async fn f<E>(db: &sea_orm::DatabaseConnection, query: Vec<f32>) -> Result<(), SearchError>
    /// # where
    /// #     E: EmbeddingTrait + SearchTrait<Embeddings = E, Projection = pgai_sea::search::Chunks>,
    /// # {
    /// # type Embeddings<E> = E;
    /// use futures::TryStreamExt;
    ///
    /// let mut hits = std::pin::pin!(Embeddings::<E>::search(query).limit(1_000).stream(db));
    /// while let Some(hit) = hits.try_next().await? {
    ///     println!("{}", hit.embedding.chunk);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Each item may be one, as [`all`](Self::all) and [`after`](Self::after).
    pub fn stream<C: ConnectionTrait>(self, db: &C) -> impl Stream<Item = Result<F::Hit, SearchError>> {
        let first = if self.plan.paging.is_some() {
            self
        } else {
            self.after(None)
        };
        stream::try_unfold(Some(first), move |search| async move {
            let Some(search) = search else { return Ok(None) };
            let hits = search.clone().all(db).await?;
            let next = hits.next_cursor().cloned().map(|cursor| search.after(cursor));
            Ok::<_, SearchError>(Some((stream::iter(hits.into_iter().map(Ok)), next)))
        })
        .try_flatten()
    }
}

impl<E: EmbeddingTrait, F: Projection<E>> Ranking<'_, E, F> {
    /// The pages of the search, of `size` hits each. A limit and an offset of the search have no effect.
    pub fn paginate<C: ConnectionTrait>(self, db: &C, size: u64) -> SearchPages<'_, C, Self> {
        SearchPages::new(self, db, size)
    }
}
