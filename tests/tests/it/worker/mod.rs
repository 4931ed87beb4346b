//! The worker's promises.

mod basics;
mod beside;
mod failed;
mod indexing;
mod interleaving;
mod killed;
mod overtaken;
mod renames;
mod rights;
mod secrets;
mod shapes;
mod support;
mod trouble;
mod versions;
mod withdrawn;
