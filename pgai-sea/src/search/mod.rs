//! Finding rows by meaning.
//!
//! [`VectorExprTrait`] gives columns and expressions pgvector's distances, for queries written with SeaORM alone; [`ai`] embeds
//! query text inside the database. [`SearchTrait`] starts a [`Search`] on a companion entity: filtered on both tables, limited,
//! with the rows that the chunks belong to.

pub mod ai;
mod builder;
mod error;
mod expr;
mod found;
mod hit;
mod statement;

pub use self::builder::{Search, SearchTrait};
pub use self::error::SearchError;
#[doc(hidden)]
pub use self::expr::kind;
pub use self::expr::{IntoVector, Metric, VectorExpr, VectorExprTrait};
pub use self::found::{Chunks, Found, Rows, SearchableTrait, WithSource};
pub use self::hit::{Chunk, Hit, HitWithSource, RowHit};
