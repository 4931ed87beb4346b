//! Indexes over vectors, for migrations: HNSW and IVFFlat on the tables of vectorizers, on columns of vectors, and on any other table.
//!
//! A vectorizer's own index is declared with [`Indexing`](crate::Indexing) and built by the worker. These are for what that does not
//! say: other columns, other distances, quantised and partial indexes, and searches without a worker.
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
mod opclass;
mod rules;

pub use self::create::CreateVectorIndex;
pub use self::drop::DropVectorIndex;
pub use self::opclass::{IndexMethod, VectorType};
