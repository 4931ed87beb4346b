//! Creating and dropping vectorizers: builders for `ai.create_vectorizer` and `ai.drop_vectorizer`.
//!
//! A migration hands them to its `SchemaManager` (feature `migration`); anything else executes their
//! [`statement`](CreateVectorizer::statement), which binds its values, or prints [`to_sql`](CreateVectorizer::to_sql).

mod create;
mod drop;
mod source;

pub use self::create::CreateVectorizer;
pub(crate) use self::create::is_vectorizer_name;
pub use self::drop::DropVectorizer;
pub use self::source::SourceTable;
