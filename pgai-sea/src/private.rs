//! What the code of `#[derive(Vectorizer)]` names. Not for anyone else: it changes without notice.

pub use inventory::submit as register;
pub use sea_orm;

pub use crate::entity::{Declaration, DeclaredDestination, EmbeddingTrait, Registered, Sealed, declared};
pub use crate::pgvector::HalfVec;
pub use crate::search::{Chunks, Searched, SourceRows, WithSource};
pub use crate::vectorizer::SourceTable;
