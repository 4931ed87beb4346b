//! The integration tests: real PostgreSQL, both catalogs, providers' real HTTP APIs.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where
#![allow(unreachable_pub)] // entities are written as in an application

mod builders;
mod catalog;
mod change;
mod cycle;
mod derive;
mod documents;
mod embedder;
mod guide;
mod harness;
mod house;
mod migrate;
mod pages;
mod quality;
mod readme;
mod rerank;
mod search;
mod splitters;
mod worker;
