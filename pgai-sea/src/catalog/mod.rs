//! The schema `ai`: install it, upgrade it, and read the vectorizers in it.
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
//!
//! Two schemas have the same functions and tables: the one that [`install`] brings, whose SQL is in this module's
//! folder `sql`, and pgai's own of versions 0.10 to 0.12. Everything in this crate works with either.
//!
//! # Change the type of a column
//!
//! PostgreSQL refuses to change the type of a column that a vectorizer's triggers and views use. Call
//! `ai.release_vectorizer` before the change and `ai.refresh_vectorizer` after it, in one transaction:
//!
//! ```sql
//! begin;
//! select ai.release_vectorizer('public_blog_embedding_store');
//! alter table blog alter column id type bigint;
//! select ai.refresh_vectorizer('public_blog_embedding_store');
//! commit;
//! ```
//!
//! # Logical replication
//!
//! Triggers fill the queues. If a subscription of logical replication writes to the source, PostgreSQL fires only
//! triggers that are enabled for it, and of statement triggers only that of truncate. Enable them, then call
//! `ai.refresh_vectorizer`, which makes row triggers of them:
//!
//! ```sql
//! alter table blog enable always trigger _vectorizer_src_trg_1_insert; -- of vectorizer 1
//! -- and _update, _delete and _truncate
//! select ai.refresh_vectorizer('public_blog_embedding_store');
//! ```

mod apply;
pub(crate) mod backfill;
pub mod entities;
mod error;
mod errors;
mod failed;
mod grant_search;
pub(crate) mod identity;
mod install;
#[cfg(feature = "migration")]
mod leftovers;
mod own_table;
#[cfg(test)]
mod pinned;
mod presence;
mod requeue;
pub(crate) mod schedule;
mod schema;
#[cfg(feature = "cli")]
pub(crate) mod script;
mod search_path;
mod status;
mod uninstall;
mod upgrade;
mod vectorizer;
mod vectors;
mod verify;
mod wait;

pub use self::backfill::{BackfillStatus, BatchesStatus};
pub use self::error::CatalogError;
pub use self::errors::{RecordedError, errors};
pub use self::failed::{FailedRow, Retried, failed, failed_count, retry, retry_failed};
pub use self::grant_search::grant_search;
pub use self::identity::StoreState;
pub use self::install::{Installed, install};
pub use self::requeue::{requeue, requeue_all};
pub use self::schedule::{pause, resume};
pub use self::status::{
    Count, Coverage, IndexBuild, IndexStatus, StatusError, VectorizerState, VectorizerStatus, status, statuses,
};
pub use self::uninstall::uninstall;
pub use self::vectorizer::{KeyColumn, Vectorizer, vectorizer, vectorizers};
pub use self::verify::{Damage, verify};
pub use self::wait::{WaitError, wait_until_embedded, wait_until_replayed};
pub use crate::vectorizer::VectorizerRef;

#[cfg(feature = "worker")]
pub(crate) use self::failed::LEASE_MARK;
#[cfg(feature = "migration")]
pub(crate) use self::leftovers::drop_leftovers;
#[cfg(feature = "migration")]
pub(crate) use self::presence::hidden_pgvector;
#[cfg(feature = "worker")]
pub(crate) use self::status::LONGEST_INDEX_WAIT;
#[cfg(all(test, feature = "cli"))]
pub(crate) use self::status::an_example;
#[cfg(feature = "worker")]
pub(crate) use self::status::reports::{INDEX_FAILED, PROVIDER_FAILED};
pub(crate) use self::vectorizer::has_catalog;
#[cfg(feature = "migration")]
pub(crate) use self::vectorizer::has_local_embedding;
#[cfg(feature = "worker")]
pub(crate) use self::vectorizer::model;
#[cfg(feature = "migration")]
pub(crate) use self::vectorizer::{id, is_ours};
#[cfg(feature = "cli")]
pub(crate) use self::vectorizer::{none_to_see, rows};
pub(crate) use self::vectors::{Vectors, check_table, look, pgvector_schema};
