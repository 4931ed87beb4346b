//! Searches by meaning.
//!
//! [`SearchTrait`] starts a [`Search`] on an entity:
//!
//! | the entity | hits |
//! |---|---|
//! | a companion | chunks; [`with_source`](Search::with_source) adds the rows that they belong to |
//! | a source with one vectorizer, or a default one | rows, ranked by their best chunk |
//! | an entity with a vector of its own | rows |
//!
//! | to | use |
//! |---|---|
//! | search by a vector, or by a text that the database embeds ([`ai`]) | [`search`](SearchTrait::search) |
//! | search by a text, with the catalog's model ([`Embedders`](crate::Embedders)) or your own | [`search_text`](SearchTrait::search_text) |
//! | say which model made a vector | [`model`](Search::model) |
//! | find rows like another row | [`search_like`](SearchTrait::search_like) |
//! | filter, join, page, set a maximal distance | [`Search`] |
//! | return some columns only | [`into_partial_model`](Search::into_partial_model) |
//! | fuse with a full-text search, rerank, leave out repetition | [`Ranking`] |
//! | set `ef_search` or `probes`, use [quantized](Quantized) vectors, or no index | [`Search`](Search#how-it-is-found) |
//! | see which index serves a search, and how many rows it misses | [`explain`](Search::explain), [`recall`](SearchTrait::recall) |
//!
//! A query written with SeaORM alone can use the distances of [`VectorExprTrait`](crate::pgvector::VectorExprTrait).

pub mod ai;
mod asking;
mod builder;
mod error;
mod explain;
mod generation;
mod hit;
mod hits;
mod locate;
mod neighbours;
mod options;
mod page;
mod passage;
mod plan;
mod projection;
mod quantized;
mod query;
mod ranking;
mod recall;
mod refusal;
mod scan;
mod snippet;
mod start;
mod statement;

pub use self::builder::Search;
pub use self::error::SearchError;
pub use self::explain::Explanation;
pub use self::hit::{Chunk, Hit, HitWithSource, PartialHit, RowHit};
pub use self::hits::Hits;
pub use self::locate::Location;
pub use self::neighbours::Neighbour;
pub use self::passage::{ChunkHit, Passage, PromptContext, WrittenContext};
pub use self::projection::{Chunks, Partial, Projection, SourceModel, SourceRows, WithSource};
pub use self::quantized::Quantized;
pub use self::query::QueryEmbedder;
pub use self::ranking::{FullText, Ranked, Ranking};
pub use self::recall::{Recall, RecallAt, RecallReport};
pub use self::scan::IterativeScan;
pub use self::snippet::{Snippet, snippet};
pub use self::start::SearchTrait;
#[doc(hidden)]
pub use self::start::Searched;
