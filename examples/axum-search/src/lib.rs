//! Search by meaning in an axum service.
//!
//! Articles are written over HTTP (`POST`, `PUT` and `DELETE` on `/articles`). A worker in the same process keeps their
//! embeddings right. `GET /search?q=` finds articles by what they say. `/` is a page to type into,
//! and `/compare` shows what vectors, words and both together find.

pub mod article;
mod articles;
mod compare;
mod indexing;
pub mod migration;
mod page;
mod passage;
mod problem;
mod search;
pub mod seed;
mod service;

pub use self::service::{App, Error, router, run};
