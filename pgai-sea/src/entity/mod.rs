//! What `#[derive(Vectorizer)]` implements, and the registry of what a program declares.
//!
//! ```
//! use pgai_sea::EmbeddingTrait as _;
//! # mod blog_post {
//! #     use pgai_sea::Vectorizer;
//! #     use sea_orm::entity::prelude::*;
//! #     #[sea_orm::model]
//! #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
//! #     #[sea_orm(table_name = "blog_posts")]
//! #     pub struct Model {
//! #         #[sea_orm(primary_key)]
//! #         pub id: i32,
//! #         #[vectorizer(dimensions = 768)]
//! #         pub content: String,
//! #     }
//! #     impl ActiveModelBehavior for ActiveModel {}
//! # }
//! # fn main() {
//! use blog_post::content_embeddings; // of `#[vectorizer(dimensions = 768)] pub content: String`
//!
//! assert_eq!(content_embeddings::Entity::DIMENSIONS, 768);
//! assert_eq!(content_embeddings::Entity::DECLARATION.to_string(), "blog_posts.content");
//! # }
//! ```

mod declaration;
mod declared;
mod embedding;
mod place;
mod registry;

pub use self::declaration::{Declaration, DeclaredDestination};
#[doc(hidden)]
pub use self::declared::declared;
#[doc(hidden)]
pub use self::embedding::Sealed;
pub use self::embedding::{EmbeddingTrait, SourceKey};
#[cfg(feature = "worker")]
pub(crate) use self::place::HEADINGS;
pub(crate) use self::place::PLACE_COLUMNS;
pub use self::place::Place;
#[doc(hidden)]
pub use self::registry::Registered;
pub use self::registry::{ManagedTable, declarations, managed_tables};
