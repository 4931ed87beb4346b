//! What holds of the repository.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod dependencies;
mod lines;
mod links;
mod packages;
mod public_api;
