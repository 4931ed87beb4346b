//! A batch, from the claim to the write: read the rows, split and format them, embed the texts, write everything at
//! once.

pub(crate) mod blame;
pub(crate) mod chunk_change;
mod draft;
pub(crate) mod item;
mod load;
mod pipeline;
pub(crate) mod stop_reason;

pub(crate) use self::draft::Drafter;
pub(crate) use self::pipeline::{Batch, Pipeline};
