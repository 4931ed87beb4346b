//! Upkeep beside the batches: embeddings without a row, documents that change, and the index over the embeddings.

pub(crate) mod index_builder;
mod index_resources;
pub(crate) mod index_schedule;
pub(crate) mod orphans;
#[cfg(feature = "documents")]
pub(crate) mod recheck;
