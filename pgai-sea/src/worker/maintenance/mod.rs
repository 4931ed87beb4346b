//! Upkeep beside the batches: embeddings and dead letters without a row, documents that change, and the index over the
//! embeddings.

mod gone_dead_letters;
pub(crate) mod index_builder;
mod index_resources;
pub(crate) mod index_schedule;
mod index_watch;
pub(crate) mod orphans;
#[cfg(feature = "documents")]
pub(crate) mod recheck;
