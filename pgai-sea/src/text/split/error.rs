//! Why a text cannot be split.

/// The chunking configuration cannot split this text, or any text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// `chunk_size` or `chunk_overlap` is out of range.
    #[error(
        "chunk_size is {chunk_size} and chunk_overlap is {chunk_overlap}: \
         chunk_size must be at least 1, and chunk_overlap between 0 and chunk_size"
    )]
    Size {
        /// Characters in a chunk.
        chunk_size: i32,
        /// Characters shared by neighbours.
        chunk_overlap: i32,
    },
    /// A separator is not a regular expression, or not one that this engine has.
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
    /// The chunking needs a feature that this program was built without.
    #[error("this program was built without the feature `{feature}`, which its chunking needs")]
    Feature {
        /// `markdown` or `code`.
        feature: &'static str,
    },
    /// There is no such language.
    #[error("code in `{language}` cannot be split: {reason}")]
    Language {
        /// The language as configured.
        language: String,
        /// What is wrong with it.
        reason: String,
    },
    /// This version does not know the implementation.
    #[error("this worker does not know the chunking `{implementation}`")]
    Unsupported {
        /// The `implementation` in the configuration.
        implementation: String,
    },
}
