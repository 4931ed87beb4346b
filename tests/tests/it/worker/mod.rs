//! The worker's promises.

mod basics;
mod beside;
mod blame;
mod budget;
mod failed;
mod indexing;
mod interleaving;
mod killed;
mod model;
mod orphans;
mod overtaken;
mod poison;
mod providers;
mod renames;
mod restart;
mod restored;
mod rights;
mod secrets;
mod shapes;
mod support;
mod telemetry;
mod trouble;
mod versions;
mod waking;
mod withdrawn;
