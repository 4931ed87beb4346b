//! What the code of `#[derive(Vectorizer)]` names. Not for anyone else: it changes without notice.

pub use sea_orm;

pub use crate::entity::EmbeddingTrait;
