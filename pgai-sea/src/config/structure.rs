//! Chunking by the structure of a text: `ai.chunking_markdown` and `ai.chunking_code` of this crate's catalog.

use serde::{Deserialize, Serialize};

use super::chunking::{Chunking, DEFAULT_CHUNK_SIZE, Tag};
use super::{ConfigError, Other, check_range};
use crate::sql::Call;

impl Chunking {
    /// Cuts Markdown where its structure allows: at headings first, then between blocks, sentences and words. Chunks
    /// under different headings are joined only if the whole sections fit. It needs this crate's catalog, and a worker
    /// with the feature `markdown`, which `documents` has.
    ///
    /// ```
    /// use pgai_sea::config::Chunking;
    ///
    /// assert_eq!(
    ///     Chunking::markdown().chunk_size(1000).to_sql(),
    ///     "ai.chunking_markdown(chunk_size => 1000)"
    /// );
    /// ```
    #[must_use]
    pub fn markdown() -> ChunkingMarkdown {
        ChunkingMarkdown::default()
    }

    /// Cuts source code where its syntax allows: between functions first, then statements. The languages are `rust`,
    /// `python`, `javascript` and `go`. This needs this crate's catalog, and a worker with the feature `code`.
    ///
    /// ```
    /// use pgai_sea::config::Chunking;
    ///
    /// assert_eq!(Chunking::code("rust").to_sql(), "ai.chunking_code(language => 'rust')");
    /// ```
    #[must_use]
    pub fn code(language: impl Into<String>) -> ChunkingCode {
        ChunkingCode {
            config_type: Tag::default(),
            language: language.into(),
            chunk_size: None,
            chunk_overlap: None,
            other: Other::new(),
        }
    }

    /// Whether only this crate's catalog knows it.
    #[cfg(feature = "migration")]
    pub(crate) fn is_by_structure(&self) -> bool {
        matches!(self, Self::Markdown(_) | Self::Code(_))
    }
}

/// Cuts Markdown by its structure. See [`Chunking::markdown`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChunkingMarkdown {
    #[serde(default)]
    config_type: Tag,
    /// The most characters of a chunk. The default is 800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_size: Option<i32>,
    /// The most characters that a chunk repeats of the one before. The default is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_overlap: Option<i32>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// Cuts source code by its syntax. See [`Chunking::code`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChunkingCode {
    #[serde(default)]
    config_type: Tag,
    /// `rust`, `python`, `javascript` or `go`.
    pub language: String,
    /// The most characters of a chunk. The default is 800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_size: Option<i32>,
    /// The most characters that a chunk repeats of the one before. The default is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_overlap: Option<i32>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// The languages of [`Chunking::code`].
const LANGUAGES: [&str; 4] = ["rust", "python", "javascript", "go"];

impl ChunkingMarkdown {
    /// The most characters of a chunk. The default is 800.
    #[must_use]
    pub fn chunk_size(mut self, chunk_size: i32) -> Self {
        self.chunk_size = Some(chunk_size);
        self
    }

    /// The most characters that a chunk repeats of the one before. The default is 0.
    #[must_use]
    pub fn chunk_overlap(mut self, chunk_overlap: i32) -> Self {
        self.chunk_overlap = Some(chunk_overlap);
        self
    }

    pub(crate) fn call(&self) -> Call {
        Call::new("chunking_markdown")
            .arg("chunk_size", self.chunk_size)
            .arg("chunk_overlap", self.chunk_overlap)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_sizes(self.chunk_size, self.chunk_overlap)
    }
}

impl ChunkingCode {
    /// The most characters of a chunk. The default is 800.
    #[must_use]
    pub fn chunk_size(mut self, chunk_size: i32) -> Self {
        self.chunk_size = Some(chunk_size);
        self
    }

    /// The most characters that a chunk repeats of the one before. The default is 0.
    #[must_use]
    pub fn chunk_overlap(mut self, chunk_overlap: i32) -> Self {
        self.chunk_overlap = Some(chunk_overlap);
        self
    }

    pub(crate) fn call(&self) -> Call {
        Call::new("chunking_code")
            .arg("language", Some(self.language.clone()))
            .arg("chunk_size", self.chunk_size)
            .arg("chunk_overlap", self.chunk_overlap)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !LANGUAGES.contains(&self.language.as_str()) {
            let problem = format!("{:?} is not one of {}", self.language, LANGUAGES.join(", "));
            return Err(ConfigError::new("language", problem));
        }
        check_sizes(self.chunk_size, self.chunk_overlap)
    }
}

/// An overlap is shorter than a chunk.
fn check_sizes(chunk_size: Option<i32>, chunk_overlap: Option<i32>) -> Result<(), ConfigError> {
    check_range("chunk_size", chunk_size, 1..=i32::MAX)?;
    check_range("chunk_overlap", chunk_overlap, 0..=i32::MAX)?;
    let (size, overlap) = (chunk_size.unwrap_or(DEFAULT_CHUNK_SIZE), chunk_overlap.unwrap_or(0));
    if overlap >= size {
        let problem = format!("{overlap} is not less than chunk_size {size}");
        return Err(ConfigError::new("chunk_overlap", problem));
    }
    Ok(())
}
