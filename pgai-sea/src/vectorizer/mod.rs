//! Creating and dropping vectorizers: builders for `ai.create_vectorizer` and `ai.drop_vectorizer`.
//!
//! A migration hands them to its `SchemaManager` (feature `migration`). Other programs execute the
//! [`statement`](CreateVectorizer::statement), which binds its values, or print [`to_sql`](CreateVectorizer::to_sql).
//! [`VectorizerRef`] says which vectorizer is meant.

mod change;
mod create;
mod drop;
mod reference;
mod source;

pub use self::change::ChangeVectorizer;
pub(crate) use self::create::is_vectorizer_name;
pub use self::create::{Backfill, CreateVectorizer};
pub use self::drop::DropVectorizer;
pub use self::reference::VectorizerRef;
pub use self::source::SourceTable;
