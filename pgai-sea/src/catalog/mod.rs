//! The `ai` schema: installing it, and reading the vectorizers in it.
//!
//! Two schemas offer the same functions and tables: the one that [`install`] brings, whose SQL is in this module's
//! `sql` folder, and pgai's own of versions 0.10 to 0.12. Everything else in this crate works with either.
//!
//! What fills queues are triggers. Where a source is a subscriber of logical replication, PostgreSQL fires none of them
//! for what is replicated, unless they are enabled for it; then `ai.refresh_vectorizer` makes row triggers of them, as
//! it fires no others but the truncate's:
//!
//! ```sql
//! alter table blog enable always trigger _vectorizer_src_trg_1_insert; -- and _update, _delete and _truncate, of vectorizer 1
//! select ai.refresh_vectorizer('public_blog_embedding_store');
//! ```
//!
//! PostgreSQL does not change the type of a column that a vectorizer reads, as its triggers and views know the column.
//! `ai.release_vectorizer` lets go of it, and `ai.refresh_vectorizer` takes it up again:
//!
//! ```sql
//! begin;
//! select ai.release_vectorizer('public_blog_embedding_store');
//! alter table blog alter column id type bigint;
//! select ai.refresh_vectorizer('public_blog_embedding_store');
//! commit;
//! ```
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
mod wait;

pub use self::error::CatalogError;
pub use self::failed::{FailedRow, failed, failed_count, retry_failed};
pub use self::install::{Installed, install};
pub use self::status::{Count, Coverage, VectorizerStatus, status};
pub use self::uninstall::uninstall;
pub use self::vectorizer::{KeyColumn, Vectorizer, vectorizer, vectorizers};
pub use self::wait::{WaitError, wait_until_embedded};
pub use crate::vectorizer::VectorizerRef;

#[cfg(feature = "migration")]
pub(crate) use self::leftovers::drop_leftovers;
pub(crate) use self::vectorizer::has_catalog;
#[cfg(feature = "migration")]
pub(crate) use self::vectorizer::id;
