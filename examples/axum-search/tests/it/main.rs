//! The service over HTTP, as a process, and in a browser, with a real database and the real model.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod articles;
mod browser;
mod driver;
mod migration;
mod page;
mod process;
mod searching;
mod service;
