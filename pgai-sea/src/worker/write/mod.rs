//! Writing: the one transaction that ends a batch.

pub(crate) mod commit;
pub(crate) mod embedding_column;
pub(crate) mod source;
pub(crate) mod store;
pub(crate) mod vector_array;
