//! A batch, from the claim to the write: read the rows and their documents, split and format them, embed the texts,
//! write everything at once.

pub(crate) mod blame;
pub(crate) mod chunk_change;
#[cfg(feature = "documents")]
mod documents;
mod draft;
pub(crate) mod item;
mod load;
mod pipeline;
pub(crate) mod stop_reason;

#[cfg(feature = "documents")]
pub(crate) use self::documents::DocumentReader;
pub(crate) use self::draft::Drafter;
pub(crate) use self::pipeline::{Batch, Pipeline};
