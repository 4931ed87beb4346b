//! The setters of [`Ranking`].

use std::fmt;

use super::full_text::FullText;
use super::fusion::Fusion;
use super::rerank::Reranking;
use crate::entity::EmbeddingTrait;
use crate::rerank::Reranker;
use crate::search::builder::Search;
use crate::search::projection::Projection;

/// The default window.
const DEFAULT_WINDOW: u64 = 50;

/// A search that puts its nearest rows in a better order.
///
/// [`hybrid`](Search::hybrid), [`rerank`](Search::rerank) and [`diversify`](Search::diversify) start it. The options of
/// the [`Search`] hold. A row is one hit, also where a [join](Search::join) has it several times.
#[must_use = "a search does nothing until `all` or `one` runs it"]
pub struct Ranking<'a, E: EmbeddingTrait, F: Projection<E>> {
    pub(in crate::search) search: Search<'a, E, F>,
    pub(super) window: u64,
    pub(super) fusion: Fusion,
    pub(super) text: Option<FullText>,
    pub(super) reranking: Option<Reranking<'a, F::Hit>>,
    pub(super) diversity: Option<f64>,
}

impl<E: EmbeddingTrait, F: Projection<E>> Clone for Ranking<'_, E, F> {
    fn clone(&self) -> Self {
        Self {
            search: self.search.clone(),
            window: self.window,
            fusion: self.fusion,
            text: self.text.clone(),
            reranking: self.reranking.clone(),
            diversity: self.diversity,
        }
    }
}

impl<E: EmbeddingTrait, F: Projection<E>> fmt::Debug for Ranking<'_, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ranking")
            .field("search", &self.search)
            .field("window", &self.window)
            .field("fusion", &self.fusion)
            .field("text", &self.text)
            .field("reranking", &self.reranking)
            .field("diversity", &self.diversity)
            .finish()
    }
}

impl<'a, E: EmbeddingTrait, F: Projection<E>> Search<'a, E, F> {
    /// Fuses the nearest rows with those that a full-text search finds, by reciprocal rank fusion. Rows that both find
    /// come first.
    ///
    /// A filter holds for both, a maximal distance only for the nearest rows.
    ///
    /// ```no_run
    /// # use pgai_sea::prelude::*;
    /// # async fn f<E>(db: &sea_orm::DatabaseConnection, model: &dyn Embedder) -> Result<(), SearchError>
    /// # where
    /// #     E: EmbeddingTrait + SearchTrait<Embeddings = E, Projection = pgai_sea::search::Chunks>,
    /// # {
    /// # type Embeddings<E> = E;
    /// let question = "how do I index a column?";
    /// let hits = Embeddings::<E>::search_text(model, question).hybrid(FullText::any(question)).all(db).await?;
    /// for hit in &hits {
    ///     println!("{:.4} {:?} {:?} {}", hit.score, hit.vector_rank, hit.text_rank, hit.embedding.chunk);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn hybrid(self, text: FullText) -> Ranking<'a, E, F> {
        self.ranking().hybrid(text)
    }

    /// Orders the nearest rows by the scores of a reranker. It reads `query` and the `passage` of each hit.
    pub fn rerank(
        self,
        reranker: &'a dyn Reranker,
        query: impl Into<String>,
        passage: impl Fn(&F::Hit) -> String + Send + Sync + 'a,
    ) -> Ranking<'a, E, F> {
        self.ranking().rerank(reranker, query, passage)
    }

    /// Leaves out hits that say the same as a better one, see [`Ranking::diversify`].
    pub fn diversify(self, lambda: f64) -> Ranking<'a, E, F> {
        self.ranking().diversify(lambda)
    }

    fn ranking(self) -> Ranking<'a, E, F> {
        Ranking {
            search: self,
            window: DEFAULT_WINDOW,
            fusion: Fusion::default(),
            text: None,
            reranking: None,
            diversity: None,
        }
    }
}

impl<'a, E: EmbeddingTrait, F: Projection<E>> Ranking<'a, E, F> {
    /// See [`Search::hybrid`].
    pub fn hybrid(mut self, text: FullText) -> Self {
        self.text = Some(text);
        self
    }

    /// See [`Search::rerank`].
    pub fn rerank(
        mut self,
        reranker: &'a dyn Reranker,
        query: impl Into<String>,
        passage: impl Fn(&F::Hit) -> String + Send + Sync + 'a,
    ) -> Self {
        self.reranking = Some(Reranking::new(reranker, query.into(), passage));
        self
    }

    /// If the reranker fails, the hits stay in the order that they had before, and
    /// [`Hits::kept_order`](crate::search::Hits::kept_order) says why. Without this the search fails.
    pub fn or_keep_order(mut self) -> Self {
        if let Some(reranking) = &mut self.reranking {
            reranking.may_fail = true;
        }
        self
    }

    /// Orders hits by maximal marginal relevance, so that they do not repeat each other. `lambda` goes from 0, most
    /// variety, to 1, which changes nothing.
    ///
    /// It takes one hit after the other, each time the one with the largest `lambda · relevance − (1 − lambda) ·
    /// similarity`, where the similarity is that to the most similar hit before. The similarity is the cosine of two
    /// stored vectors. The relevance is the cosine with the query; after a full-text search or a reranker it is their
    /// score, scaled from 0 for the worst of the window to 1 for its best.
    pub fn diversify(mut self, lambda: f64) -> Self {
        self.diversity = Some(lambda);
        self
    }

    /// How many rows the vectors and the full text each propose, and how many of these a reranker and
    /// [`diversify`](Self::diversify) order. The default is 50.
    ///
    /// Keep it the same for all pages of a search, and as large as the number of rows that people look at. Rows beyond
    /// the window follow those within: first the fused ones, then the rest by distance alone.
    pub fn window(mut self, window: u64) -> Self {
        self.window = window;
        self
    }

    /// The constant `k` of reciprocal rank fusion: a row of rank r scores `weight / (k + r)`. The larger it is, the
    /// less the first ranks stand out. The default is 60.
    pub fn k(mut self, k: f64) -> Self {
        self.fusion.k = k;
        self
    }

    /// The weights of the vectors and of the full text in reciprocal rank fusion. The defaults are 1 and 1.
    pub fn weights(mut self, vector: f64, text: f64) -> Self {
        self.fusion.vector = vector;
        self.fusion.text = text;
        self
    }
}
