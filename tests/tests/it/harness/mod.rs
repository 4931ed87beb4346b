//! The harness itself: what the other tests rely on without looking.

mod databases;
mod providers;
