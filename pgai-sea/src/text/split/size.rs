//! `chunk_size` and `chunk_overlap`, checked.

use super::error::SplitError;

/// Both in characters; the overlap is no longer than the chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) chunk: usize,
    pub(super) overlap: usize,
}

impl Size {
    pub(super) fn new(chunk_size: i32, chunk_overlap: i32) -> Result<Self, SplitError> {
        match (usize::try_from(chunk_size), usize::try_from(chunk_overlap)) {
            (Ok(chunk), Ok(overlap)) if chunk > 0 && overlap <= chunk => Ok(Self { chunk, overlap }),
            _ => Err(SplitError::Size {
                chunk_size,
                chunk_overlap,
            }),
        }
    }
}
