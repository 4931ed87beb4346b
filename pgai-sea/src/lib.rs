#![doc = include_str!("lib.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// What `#[derive(Vectorizer)]` writes names `::pgai_sea`; this lets it work in this crate's own tests.
extern crate self as pgai_sea;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod catalog;
pub mod change;
pub mod check;
#[cfg(feature = "cli")]
mod cli;
pub mod config;
#[cfg(feature = "documents")]
#[cfg_attr(docsrs, doc(cfg(feature = "documents")))]
pub mod document;
pub mod embedder;
pub mod entity;
#[cfg(all(
    doc,
    feature = "cli",
    feature = "documents",
    feature = "local",
    feature = "migration"
))]
pub mod guide;
#[cfg(feature = "migration")]
pub mod migration;
pub mod pgvector;
mod pooled;
#[cfg(feature = "quality")]
#[cfg_attr(docsrs, doc(cfg(feature = "quality")))]
pub mod quality;
pub mod rerank;
pub mod search;
pub mod sql;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
#[cfg(feature = "chunking")]
#[cfg_attr(docsrs, doc(cfg(feature = "chunking")))]
pub mod text;
pub mod vectorizer;
#[cfg(feature = "worker")]
pub mod worker;

pub use self::check::{check, check_module};
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use self::cli::main as __main;
pub use self::config::{
    Chunking, Destination, Embedding, Formatting, Indexing, Loading, Parsing, Processing, Scheduling,
};
pub use self::embedder::{Embedder, Embedders};
pub use self::entity::{EmbeddingTrait, Place, managed_tables};
pub use self::pooled::Pooled;
pub use self::search::ai;
pub use self::vectorizer::{Backfill, ChangeVectorizer, CreateVectorizer, DropVectorizer, SourceTable, VectorizerRef};
#[doc = include_str!("derive.md")]
pub use pgai_sea_derive::Vectorizer;

/// What queries need: distances, searches, embedding.
pub mod prelude {
    pub use crate::embedder::{Embedder, Embedders};
    pub use crate::entity::EmbeddingTrait;
    pub use crate::pgvector::{Bits, HalfVec, Metric, SparseVec, VectorExprTrait};
    pub use crate::rerank::{RerankError, Reranker};
    pub use crate::search::{
        FullText, Hit, HitWithSource, Hits, IterativeScan, LoadChunksTrait, PartialHit, PromptContext, Quantized,
        QueryEmbedder, Ranked, RowHit, SearchAll, SearchError, SearchTrait, ai, snippet,
    };
}
