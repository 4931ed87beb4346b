//! Changing the model, the chunking or the template of a vectorizer in use, without an outage.
//!
//! ```no_run
//! # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), pgai_sea::change::ChangeError> {
//! use pgai_sea::config::Embedding;
//! use pgai_sea::{ChangeVectorizer, change};
//!
//! let blog = "public_blog_posts_embedding_store";
//! let larger = ChangeVectorizer::new(blog).embedding(Embedding::openai("text-embedding-3-large", 1024));
//! change::start(&db, &larger).await?; // then a worker embeds all rows
//! change::cut_over(&db, blog).await?; // searches find the new vectors
//! change::finish(&db, blog).await?; // the ones before are dropped
//! # Ok(())
//! # }
//! ```
//!
//! | step | what happens | undone by |
//! |---|---|---|
//! | [`start`] | a second generation is made beside the first: a vectorizer of its own, called `.._new` | [`abort`] |
//! | | a worker embeds all rows for it; both are kept current; searches use the first | |
//! | [`cut_over`] | the two change names, in one short transaction; the one before is called `.._old` | [`roll_back`] |
//! | [`finish`] | the one before is dropped | |
//!
//! Each step is one transaction. It waits for a lock for a moment only, and tries again, so that it holds up nobody. A
//! step that was interrupted is simply called again. What was done already is done once.
//!
//! [`find`] says where a change is, `Plan` (feature `worker`) what it costs, [`Compare`] what the two generations find.
//!
//! On pgai's own catalog [`start`], [`find`] and [`abort`] work the same. Its triggers name their store, so nothing
//! there changes names: cut over by letting the entity say the new `target_table`.

mod compare;
mod configs;
mod error;
#[cfg(feature = "worker")]
mod plan;
#[cfg(feature = "worker")]
mod sample;
mod steps;

pub use self::compare::{Compare, Compared, Comparison, Found};
pub use self::error::ChangeError;
#[cfg(feature = "worker")]
#[cfg_attr(docsrs, doc(cfg(feature = "worker")))]
pub use self::plan::{Estimate, Plan};
pub(crate) use self::steps::is_ours;
pub use self::steps::{Change, abort, cut_over, cut_over_unready, find, finish, roll_back, start};
