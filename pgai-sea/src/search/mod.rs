//! Finding rows by meaning.
//!
//! [`VectorExprTrait`](crate::pgvector::VectorExprTrait) gives columns and expressions pgvector's distances and functions, for queries written with SeaORM alone; [`ai`] embeds
//! query text inside the database. [`SearchTrait`] and [`SourceSearchTrait`] start a [`Search`]:
//!
//! - on a companion, for chunks, and with [`with_source`](Search::with_source) the rows that they belong to; on a source with one
//!   vectorizer, for rows ranked by the best of their chunks; on an entity with a vector of its own, for its rows;
//! - by a vector, by a text through an [`Embedder`](crate::embedder::Embedder), by a text that the database embeds, by a row that
//!   others should be like;
//! - with filters and joins, pages, a maximal distance or a minimal similarity, partial models;
//! - through an index as pgvector has it set up, with settings for one search alone, through an index on smaller vectors
//!   ([`Quantized`]), or [exactly](Search::exact).
//!
//! A [`Ranking`] puts the nearest rows in a better order: fused with a full-text search, by a reranker, or without repetition.
//! [`Search::explain`] and [`SearchTrait::recall`] tell what an index does.

pub mod ai;
mod builder;
mod error;
mod explain;
mod found;
mod hit;
mod hits;
mod options;
mod page;
mod plan;
mod quantized;
mod query;
mod ranking;
mod recall;
mod scan;
mod statement;

pub use self::builder::{Search, SearchTrait, SourceSearchTrait};
pub use self::error::SearchError;
pub use self::explain::Explanation;
#[doc(hidden)]
pub use self::found::primary_key;
pub use self::found::{Chunks, Found, FoundKey, Partial, Rows, SearchableTrait, WithSource};
pub use self::hit::{Chunk, Hit, HitWithSource, PartialHit, RowHit};
pub use self::hits::Hits;
pub use self::quantized::Quantized;
pub use self::ranking::{FullText, Ranked, Ranking, RerankError, Reranker};
pub use self::recall::{Recall, RecallAt, RecallReport};
pub use self::scan::IterativeScan;
