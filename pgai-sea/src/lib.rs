//! pgai-sea

#![cfg_attr(docsrs, feature(doc_cfg))]

// What `#[derive(Vectorizer)]` writes names `::pgai_sea`; this lets it work in this crate's own tests.
extern crate self as pgai_sea;

pub mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod embedder;
pub mod entity;
#[cfg(feature = "migration")]
pub mod migration;
pub mod search;
pub mod sql;
pub mod vectorizer;
#[cfg(feature = "worker")]
pub mod worker;

pub use self::search::ai;
pub use self::vectorizer::{CreateVectorizer, DropVectorizer};

/// What queries need: distances, searches, and the options of vectorizers.
///
/// ```
/// use pgai_sea::prelude::*;
/// ```
pub mod prelude {
    pub use crate::embedder::Embedder;
    pub use crate::entity::EmbeddingTrait;
    pub use crate::search::{Hit, HitWithSource, Metric, SearchError, SearchTrait, VectorExprTrait, ai};
}
