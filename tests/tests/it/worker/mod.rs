//! The worker's promises.

mod basics;
mod beside;
mod interleaving;
mod shapes;
mod support;
mod trouble;
