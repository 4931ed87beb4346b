//! The library over HTTP and in a browser, with a real database, the real model and real documents.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod browser;
// the same browser as axum-search's
#[path = "../../../axum-search/tests/it/driver.rs"]
mod driver;
mod searching;
mod service;
