//! pgai-sea

#![cfg_attr(docsrs, feature(doc_cfg))]

// What `#[derive(Vectorizer)]` writes names `::pgai_sea`; this lets it work in this crate's own tests.
extern crate self as pgai_sea;

pub mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod embedder;
pub mod entity;
#[cfg(feature = "migration")]
pub mod migration;
pub mod search;
pub mod sql;
pub mod vectorizer;
#[cfg(feature = "worker")]
pub mod worker;

pub use self::vectorizer::{CreateVectorizer, DropVectorizer};
