//! Starting a search on an entity.

use sea_orm::EntityTrait;

use super::builder::Search;
use super::plan::BestPer;
use super::projection::Projection;
use super::query::{QueryEmbedder, SearchQuery, Text};
use super::recall::Recall;
use crate::entity::{EmbeddingTrait, SourceKey};
use crate::pgvector::IntoVector;

/// An entity that can be searched. Only the derive implements it.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no vectorizer to search by",
    label = "none of its vectorizers is the default",
    note = "with several vectorizers, search on the companion you mean, as in `content_embeddings::Entity::search(..)`",
    note = "or write `default` into its attribute, as in `#[vectorizer(dimensions = 768, default)]`",
    note = "without one, derive `Vectorizer` on the model and write `#[vectorizer(dimensions = 768)]` on a text column"
)]
pub trait Searched: EntityTrait {
    /// The entity that holds the embeddings: this one, or the companion of its default vectorizer.
    type Embeddings: EmbeddingTrait;

    /// What a search returns.
    type Projection: Projection<Self::Embeddings>;

    /// Whether a row is found once, by the best of its chunks.
    const BEST_PER_SOURCE: bool = false;
}

/// Starts searches on an entity.
///
/// | the entity | hits |
/// |---|---|
/// | a companion, `content_embeddings::Entity` | chunks, with their rows after [`with_source`](Search::with_source) |
/// | a source with one vectorizer or a [`default`](crate::Vectorizer#attributes) one | rows, by their best chunk |
/// | an entity with a vector of its own | rows |
///
/// The second is a [`best_per_source`](Search::best_per_source) search [`with_source`](Search::with_source) on the
/// companion.
pub trait SearchTrait: Searched {
    /// Searches by a vector, by a function of [`ai`](super::ai), or by a column or an expression. An expression may
    /// have another value for each row. PostgreSQL evaluates it wherever it stands in the statement.
    fn search<Kind>(query: impl IntoVector<Kind>) -> Search<'static, Self::Embeddings, Self::Projection> {
        start::<Self>(query.into_vector().into())
    }

    /// Searches by text. `embedder` embeds it when the search runs. It is an [`Embedder`](crate::Embedder), which has
    /// to be the vectorizer's model, or the application's [`Embedders`](crate::Embedders): these take the model that
    /// the
    /// catalog names, and follow when it is changed.
    fn search_text<'a>(
        embedder: impl Into<QueryEmbedder<'a>>,
        text: impl Into<String>,
    ) -> Search<'a, Self::Embeddings, Self::Projection> {
        start::<Self>(SearchQuery::Text(Text::new(embedder.into(), text.into())))
    }

    /// Searches for rows like the source row with this key, which is no hit itself. A row of several chunks is compared
    /// by the mean of their vectors. A row that no worker has embedded yet, or that the role does not see, is
    /// [`SearchError::RowWithoutVectors`](super::SearchError::RowWithoutVectors).
    fn search_like(key: SourceKey<Self::Embeddings>) -> Search<'static, Self::Embeddings, Self::Projection> {
        start::<Self>(SearchQuery::like(key))
    }

    /// Measures how many of the `k` nearest rows an index finds, and how fast, for a `sample` of the stored vectors.
    fn recall(k: u64, sample: u64) -> Recall<Self::Embeddings> {
        Recall::new(k, sample)
    }
}

impl<E: Searched> SearchTrait for E {}

fn start<E: Searched>(query: SearchQuery<'_>) -> Search<'_, E::Embeddings, E::Projection> {
    let mut search = Search::new(query);
    search.plan.best_per = E::BEST_PER_SOURCE.then_some(BestPer::Source);
    search
}
