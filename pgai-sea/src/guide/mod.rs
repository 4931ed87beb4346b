//! The guide. Each page is one task.
//!
//! | page | task |
//! |---|---|
//! | [`first_search`] | your first search in ten minutes |
//! | [`declaring`] | say on an entity what is searchable |
//! | [`local_models`] | embed without a server: a model in your process |
//! | [`migrating`] | create, change and drop vectorizers |
//! | [`changing`] | change the model, the chunks or the template of a vectorizer in use |
//! | [`documents`] | embed PDF, Word and other documents |
//! | [`production`] | run the worker, watch it, give it its rights |
//! | [`searching`] | filters, pages, hybrid search, one box over several tables |
//! | [`testing`] | test your application |
//! | [`quality`] | know whether searches find what they should |
//! | [`tenants`] | several customers in one database |
//! | [`growing`] | several workers, read replicas, partitions |
//! | [`figures`] | what was measured, beside what |
//! | [`from_pgai`] | come from pgai and SQLAlchemy |
//!
//! Every block of code on these pages is also the code of a test that runs on a real PostgreSQL.

#[doc = include_str!("changing.md")]
pub mod changing {}

#[doc = include_str!("declaring.md")]
pub mod declaring {}

#[doc = include_str!("documents.md")]
pub mod documents {}

#[doc = include_str!("figures.md")]
pub mod figures {}

#[doc = include_str!("first_search.md")]
pub mod first_search {}

#[doc = include_str!("from_pgai.md")]
pub mod from_pgai {}

#[doc = include_str!("growing.md")]
pub mod growing {}

#[doc = include_str!("local_models.md")]
pub mod local_models {}

#[doc = include_str!("migrating.md")]
pub mod migrating {}

#[doc = include_str!("production.md")]
pub mod production {}

#[doc = include_str!("quality.md")]
pub mod quality {}

#[doc = include_str!("searching.md")]
pub mod searching {}

#[doc = include_str!("tenants.md")]
pub mod tenants {}

#[doc = include_str!("testing.md")]
pub mod testing {}
