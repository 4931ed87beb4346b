//! The integration tests: real PostgreSQL, both catalogs, providers' real HTTP APIs.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod builders;
mod embedder;
mod harness;
mod worker;
