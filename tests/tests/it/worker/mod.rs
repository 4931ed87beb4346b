//! The worker's promises.

mod basics;
mod interleaving;
mod support;
