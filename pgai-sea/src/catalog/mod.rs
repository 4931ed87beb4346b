//! The `ai` schema: installing it, and reading the vectorizers in it.
//!
//! Two schemas offer the same functions and tables: the one that [`install`] brings, whose SQL is in this module's `sql`
//! folder, and pgai's own of versions 0.10 to 0.12. Everything else in this crate works with either.
//!
//! ```no_run
//! # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), pgai_sea::catalog::CatalogError> {
//! use pgai_sea::catalog;
//!
//! println!("{}", catalog::install(&db).await?);
//! for vectorizer in catalog::vectorizers(&db).await? {
//!     println!("{} embeds {}", vectorizer.name, vectorizer.source_table);
//! }
//! # Ok(())
//! # }
//! ```

pub mod entities;
mod error;
mod failed;
mod install;
#[cfg(feature = "migration")]
mod leftovers;
mod presence;
mod schema;
mod status;
mod uninstall;
mod vectorizer;

pub use self::error::CatalogError;
pub use self::failed::{DeadLetter, failed, failed_count, retry_failed};
pub use self::install::{Installed, install};
pub use self::status::{Count, Coverage, VectorizerStatus, status};
pub use self::uninstall::uninstall;
pub use self::vectorizer::{KeyColumn, Vectorizer, VectorizerRef, vectorizer, vectorizers};

#[cfg(feature = "migration")]
pub(crate) use self::leftovers::drop_leftovers;
pub(crate) use self::vectorizer::has_catalog;
