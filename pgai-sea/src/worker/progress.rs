//! Telling a person how far it is.

/// How far a vectorizer is in this run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The vectorizer's name.
    pub vectorizer: String,
    /// Source rows done since the run began.
    pub rows: u64,
    /// Chunks written with a new embedding since the run began.
    pub chunks: u64,
    /// Queue rows still there, leased ones included; counted up to a million.
    pub pending: u64,
}
