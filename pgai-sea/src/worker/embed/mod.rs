//! From a batch's texts to vectors.
//!
//! - `requests` makes the requests of one batch, and finds the text that the provider refuses;
//! - `provider` makes one request: concurrency, budget, waiting when the provider asks to, checking the vectors;
//! - `batching` decides which texts share a request, `request_size` makes requests smaller while the provider fails;
//! - `quarantine` remembers texts on which the provider seems to break;
//! - `vector_cache` keeps vectors that could not be written yet, and `given` those of a provider's batch.

mod batching;
mod budget;
mod failure;
#[cfg(feature = "embedder")]
pub(crate) mod given;
mod neighbour;
mod provider;
mod quarantine;
mod request_size;
mod requests;
pub(crate) mod telemetry;
#[cfg(test)]
mod tests;
mod vector_cache;

pub use self::budget::Budget;
pub(crate) use self::budget::{Budgets, keeps_budgets};
pub(crate) use self::neighbour::Neighbour;
pub(crate) use self::provider::Provider;
pub(crate) use self::requests::{Embedded, Requests};
pub(crate) use self::vector_cache::VectorCache;
