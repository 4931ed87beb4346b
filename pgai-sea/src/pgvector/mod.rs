//! What is pgvector's: its types as columns of entities, its distances and functions as expressions, its indexes in
//! migrations.
//!
//! ```
//! use pgai_sea::prelude::*;
//! use sea_orm::sea_query::{Expr, PostgresQueryBuilder, Query};
//!
//! let nearest = Query::select()
//!     .column("id")
//!     .from("items")
//!     .order_by_expr(Expr::col("embedding").cosine_distance(HalfVec::from([1.0, 0.5])), sea_orm::Order::Asc)
//!     .limit(5)
//!     .to_string(PostgresQueryBuilder);
//! assert_eq!(nearest, r#"SELECT "id" FROM "items" ORDER BY "embedding" <=> '[1,0.5]' ASC LIMIT 5"#);
//! ```
//!
//! - [`VectorExprTrait`] gives columns and expressions pgvector's distances and functions. A [`Metric`] names a
//!   distance.
//! - [`HalfVec`], [`SparseVec`] and [`Bits`] are columns of entities. SeaORM itself has
//!   [`PgVector`](sea_orm::prelude::PgVector).
//! - [`CreateVectorIndex`] and [`DropVectorIndex`] create and drop HNSW and IVFFlat indexes in a migration.

mod dimensions;
mod expr;
mod index;
mod metric;
mod types;

#[cfg(any(feature = "embedder", feature = "worker"))]
pub(crate) use self::dimensions::Dimensions;
pub(crate) use self::dimensions::{VectorFault, check_vector};
pub(crate) use self::expr::Quantization;
#[doc(hidden)]
pub use self::expr::kind;
pub use self::expr::{IntoVector, VectorExpr, VectorExprTrait};
pub use self::index::{CreateVectorIndex, DropVectorIndex, IndexMethod, VectorType};
#[cfg(feature = "worker")]
pub(crate) use self::index::{IndexStatement, opclass_on};
pub(crate) use self::index::{OF_BITS, index_of};
pub use self::metric::Metric;
pub use self::types::{Bits, HalfVec, SparseVec, VectorError};
