//! The worker's promises.

mod basics;
mod beside;
mod failed;
mod indexing;
mod interleaving;
mod killed;
mod overtaken;
mod secrets;
mod shapes;
mod support;
mod trouble;
mod withdrawn;
