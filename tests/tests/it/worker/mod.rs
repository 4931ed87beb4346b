//! The worker's promises.

mod basics;
mod interleaving;
mod shapes;
mod support;
mod trouble;
