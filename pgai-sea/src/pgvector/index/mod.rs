//! Indexes on vectors, for migrations: HNSW and IVFFlat on any table, and those of VectorChord and pgvectorscale.
//!
//! A vectorizer can declare an index with [`Indexing`](crate::Indexing), which the worker builds. Use these for other
//! columns, other distances, quantized and partial indexes, and for searches without a worker.
//!
//! ```
//! use pgai_sea::pgvector::{CreateVectorIndex, DropVectorIndex};
//! use pgai_sea::pgvector::Metric;
//!
//! # fn main() -> Result<(), pgai_sea::config::ConfigError> {
//! let create = CreateVectorIndex::hnsw("items", "embedding").metric(Metric::L2).m(24).ef_construction(100);
//! assert_eq!(
//!     create.to_sql()?,
//!     r#"CREATE INDEX "items_embedding_hnsw_vector_l2" ON "items" USING hnsw ("embedding" vector_l2_ops) "#.to_owned()
//!         + "WITH (m = 24, ef_construction = 100)"
//! );
//! assert_eq!(DropVectorIndex::of(&create).to_sql()?, r#"DROP INDEX "items_embedding_hnsw_vector_l2""#);
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `migration`, `manager.create_vector_index(..)` and `manager.drop_vector_index(..)` run them.

mod create;
mod drop;
mod found;
mod opclass;
mod others;
mod rules;
mod statement;

pub use self::create::CreateVectorIndex;
pub use self::drop::DropVectorIndex;
pub(crate) use self::found::{OF_BITS, of as index_of};
#[cfg(feature = "worker")]
pub(crate) use self::opclass::opclass_on;
pub use self::opclass::{IndexMethod, VectorType};
#[cfg(feature = "worker")]
pub(crate) use self::statement::IndexStatement;
