//! Why a text cannot be split.

/// A chunking configuration that cannot split this text, or any.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// `chunk_size` or `chunk_overlap` is out of range.
    #[error(
        "chunk_size {chunk_size} and chunk_overlap {chunk_overlap} do not work: \
         the size must be at least 1, the overlap from 0 to the size"
    )]
    Size {
        /// Characters in a chunk.
        chunk_size: i32,
        /// Characters shared by neighbours.
        chunk_overlap: i32,
    },
    /// A separator is no regular expression that can be used.
    #[error("separator `{separator}` is not a usable regular expression: {reason}")]
    Regex {
        /// The separator as configured.
        separator: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A separator has capture groups, which the recursive splitter takes for separators.
    #[error("separator `{separator}` has capture groups: write `(?:..)` instead of `(..)`")]
    Groups {
        /// The separator as configured.
        separator: String,
    },
    /// The regular expression takes too many steps on this text.
    #[error("separator `{separator}` takes too long on this text: {reason}")]
    Search {
        /// The separator as configured.
        separator: String,
        /// What the engine said.
        reason: String,
    },
    /// An implementation that only other workers know.
    #[error("chunking `{implementation}` is not supported by this worker")]
    Unsupported {
        /// The `implementation` in the configuration.
        implementation: String,
    },
}
