//! What the code of `#[derive(Vectorizer)]` names. Not for anyone else: it changes without notice.

pub use inventory::submit as register;
pub use sea_orm;

pub use crate::entity::{
    Declaration, DeclaredDestination, EmbeddingTrait, Registered, SearchedByTrait, VectorizedTrait, declared,
};
pub use crate::search::{SearchableTrait, SourceRows, primary_key};
