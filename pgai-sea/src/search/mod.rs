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
//! | search by a text, with the catalog's model ([`Embedders`](crate::Embedders)) or your own |
//! [`search_text`](SearchTrait::search_text) |
//! | say which model made a vector | [`model`](Search::model) |
//! | find rows like another row | [`search_like`](SearchTrait::search_like) |
//! | filter, join, page, set a maximal distance | [`Search`] |
//! | return some columns only | [`into_partial_model`](Search::into_partial_model) |
//! | fuse with a full-text search, rerank, leave out repetition | [`Ranking`] |
//! | set `ef_search` or `probes`, use [quantized](Quantized) vectors, or no index | [`Search`](Search#how-it-is-found)
//! |
//! | see which index serves a search, and how many rows it misses | [`explain`](Search::explain),
//! [`recall`](SearchTrait::recall) |
//!
//! | search several entities with one box | [`SearchAll`] |
//! | read page by page, or all of it | [`paginate`](Search::paginate), [`after`](Search::after),
//! [`stream`](Search::stream) |
//! | count the hits, also by a column | [`count`](Search::count), [`count_by`](Search::count_by) |
//! | know a hit's page, headings and place in its document | [`with_places`](Search::with_places) |
//! | know whether a hit is up to date | [`with_freshness`](Search::with_freshness) |
//!
//! # Telemetry
//!
//! A search is a `tracing` span of the level INFO, `search`, with `db.collection.name`, `error.type` and, below
//! `pgai_sea.search.`, `limit`, `hits`, `missing`, `method` (`scan`: the last statement was one that an index serves if
//! there is one; `exact`: it read every row), `embedding_seconds`, `reranking_seconds` and `database_seconds`. Metrics
//! are events of the target `pgai_sea::metrics` and the level TRACE, which the `MetricsLayer` of the crate
//! tracing-opentelemetry collects: `pgai_sea.search.duration`, `pgai_sea.search.embedding.duration`,
//! `pgai_sea.search.reranking.duration`, `pgai_sea.search.database.duration` (seconds), `pgai_sea.search.hits`,
//! `pgai_sea.search.missing`, and `pgai_sea.search.statements` by method.
//!
//! # Plain SeaORM
//!
//! A query written with SeaORM alone can use the distances of [`VectorExprTrait`](crate::pgvector::VectorExprTrait).

pub mod ai;
mod all;
mod asking;
mod builder;
mod chunks_of;
mod counting;
mod cursor;
mod error;
mod explain;
mod facets;
mod freshness;
mod generation;
mod hit;
mod hits;
mod json;
mod locate;
#[cfg(feature = "testing")]
pub(crate) mod mock;
mod neighbours;
mod options;
mod page;
mod paging;
mod passage;
mod places;
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
mod telemetry;
mod text_index;

pub use self::all::{FusedHit, Leg, Legs, SearchAll};
pub use self::builder::Search;
pub use self::chunks_of::{LoadChunks, LoadChunksTrait};
pub use self::cursor::{Cursor, CursorError};
pub use self::error::SearchError;
pub use self::explain::{Choice, Explanation};
pub use self::hit::{Chunk, Hit, HitWithSource, PartialHit, RowHit};
pub use self::hits::Hits;
pub use self::json::Json;
pub use self::locate::Location;
pub use self::neighbours::Neighbour;
pub use self::paging::{Pageable, SearchPages};
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
#[cfg(feature = "worker")]
pub(crate) use self::telemetry::METRICS;
pub use self::text_index::CreateTextIndex;
