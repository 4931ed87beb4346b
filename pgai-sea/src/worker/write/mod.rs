//! Writing: the one transaction that ends a batch, and what it touches.

mod commit;
mod configuration;
mod copy;
mod embedding_column;
mod places;
pub(crate) mod row_security;
mod source;
mod store;

pub(crate) use self::commit::{BatchOutcome, Destination, Retries, Writer};
pub(crate) use self::configuration::Configuration;
pub(crate) use self::copy::{Copy, VectorFormat};
pub(crate) use self::embedding_column::EmbeddingColumn;
pub(crate) use self::source::{RowsWithin, Source};
pub(crate) use self::store::Store;
