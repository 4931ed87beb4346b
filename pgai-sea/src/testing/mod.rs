//! Testing an application that searches: an embedder without a model, and a queue that is worked off on the spot.
//!
//! ```no_run
//! # mod blog_post { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/blog_post.rs")); }
//! # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
//! use pgai_sea::prelude::*;
//! use pgai_sea::testing::{FakeEmbedder, embed_all};
//!
//! let embedder = FakeEmbedder::new(768);
//! embed_all(&db, &embedder).await?; // what a worker would do
//! let best = blog_post::Entity::search_text(&embedder, "flour and water").one(&db).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | to | use |
//! |---|---|
//! | have a database of the test's own | [`TestDatabase`] |
//! | embed without a model: texts with the same words are near | [`FakeEmbedder`] |
//! | decide which text a question finds | [`FakeEmbedder::pin`] |
//! | see what your application does when a provider fails | [`FakeEmbedder::fail_next`], [`FakeEmbedder::refuse`] |
//! | see what was asked | [`FakeEmbedder::requests`] |
//! | embed everything that waits | [`embed_all`] |
//! | insert embeddings as fixtures | [`FakeEmbedder::vector`] |
//! | test with a real provider's vectors, without asking it each time | [`Cassette`] |
//! | test an application that keeps [`Embedders`](crate::Embedders) | [`FakeEmbedder::embedders`] |
//! | test code that searches, with SeaORM's `MockDatabase` | [`mock_page`], [`mock_count`] |
//! | test code that only shows hits | [`Hit::new`](crate::search::Hit::new) and its siblings |
//!
//! The guide's page [`testing`](crate::guide::testing) shows a whole test.

mod cassette;
mod database;
mod embed_all;
mod failure;
mod fake;
mod features;

pub use self::cassette::{Cassette, CassetteError};
pub use self::database::TestDatabase;
pub use self::embed_all::{EmbedAllError, TestEmbedder, embed_all};
pub use self::failure::Failure;
pub use crate::search::mock::{MockHit, MockRow, mock_count, mock_page};

pub use self::fake::{FakeEmbedder, Pin, Request};
