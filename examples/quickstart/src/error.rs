//! What can go wrong, for the person in front of it.

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Shared(#[from] examples_shared::Error),
    #[error("a statement failed: {0}")]
    Database(#[from] sea_orm::DbErr),
    #[error("the worker stopped: {0}")]
    Worker(#[from] pgai_sea::worker::WorkerError),
    #[error("embedding failed: {0}")]
    Embedding(String),
    #[error("the search failed: {0}")]
    Search(#[from] pgai_sea::search::SearchError),
    #[error("the question cannot be embedded: {0}")]
    Embed(#[from] pgai_sea::embedder::EmbedError),
    #[error("interrupted; what was embedded so far is kept if the database is")]
    Interrupted,
}
