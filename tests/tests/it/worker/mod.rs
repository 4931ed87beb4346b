//! The worker's promises.

mod basics;
mod beside;
mod interleaving;
mod overtaken;
mod renames;
mod rights;
mod shapes;
mod support;
mod trouble;
mod versions;
