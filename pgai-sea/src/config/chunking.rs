//! How text is split into chunks: `ai.chunking_character_text_splitter` and its siblings.

use serde::{Deserialize, Serialize};

use super::structure::{ChunkingCode, ChunkingMarkdown};
use super::{ConfigError, Other, area, bare, check_range, check_text};
use crate::sql::Call;

/// pgai's default chunk size, in characters.
pub(crate) const DEFAULT_CHUNK_SIZE: i32 = 800;
/// pgai's default overlap, in characters.
pub(crate) const DEFAULT_CHUNK_OVERLAP: i32 = 400;

area! {
    /// How text is split into chunks.
    Chunking, Tag = "chunking" {
        /// At one separator.
        CharacterTextSplitter(CharacterTextSplitter) = "character_text_splitter",
        /// At a list of separators, coarse ones first.
        RecursiveCharacterTextSplitter(RecursiveCharacterTextSplitter) = "recursive_character_text_splitter",
        /// Not at all.
        None(ChunkingNone) = "none",
        /// By the structure of Markdown. Only this crate's catalog has it.
        Markdown(ChunkingMarkdown) = "markdown",
        /// By the syntax of a programming language. Only this crate's catalog has it.
        Code(ChunkingCode) = "code",
    }
}

impl Chunking {
    /// Cuts at one separator and joins the pieces up to `chunk_size`. It equals LangChain's `CharacterTextSplitter`.
    ///
    /// ```
    /// use pgai_sea::config::Chunking;
    ///
    /// assert_eq!(
    ///     Chunking::character_text_splitter().chunk_size(800).chunk_overlap(400).separator(".").to_sql(),
    ///     "ai.chunking_character_text_splitter(chunk_size => 800, chunk_overlap => 400, separator => '.')"
    /// );
    /// ```
    #[must_use]
    pub fn character_text_splitter() -> CharacterTextSplitter {
        CharacterTextSplitter::default()
    }

    /// Cuts at the first separator that occurs in the text. A piece that is still too long is cut at the next
    /// separator. It equals LangChain's `RecursiveCharacterTextSplitter` and is the default of a vectorizer.
    ///
    /// ```
    /// use pgai_sea::config::Chunking;
    ///
    /// assert_eq!(
    ///     Chunking::recursive_character_text_splitter().separators(["\n\n", "."]).to_sql(),
    ///     r"ai.chunking_recursive_character_text_splitter(separators => ARRAY[E'\n\n', '.']::text[])"
    /// );
    /// ```
    #[must_use]
    pub fn recursive_character_text_splitter() -> RecursiveCharacterTextSplitter {
        RecursiveCharacterTextSplitter::default()
    }

    /// Embeds the whole text as one chunk.
    ///
    /// ```
    /// assert_eq!(pgai_sea::config::Chunking::none().to_sql(), "ai.chunking_none()");
    /// ```
    #[must_use]
    pub fn none() -> ChunkingNone {
        ChunkingNone::default()
    }
}

/// Refuses what LangChain would only refuse when the worker runs.
fn check_sizes(chunk_size: Option<i32>, chunk_overlap: Option<i32>) -> Result<(), ConfigError> {
    check_range("chunk_size", chunk_size, 1..=i32::MAX)?;
    check_range("chunk_overlap", chunk_overlap, 0..=i32::MAX)?;
    let (size, overlap) = (
        chunk_size.unwrap_or(DEFAULT_CHUNK_SIZE),
        chunk_overlap.unwrap_or(DEFAULT_CHUNK_OVERLAP),
    );
    if overlap > size {
        let default = if chunk_overlap.is_none() { ", the default," } else { "" };
        let problem = format!("{overlap}{default} is larger than chunk_size {size}; set chunk_overlap to at most that");
        return Err(ConfigError::new("chunk_overlap", problem));
    }
    Ok(())
}

/// Cuts at one separator. See [`Chunking::character_text_splitter`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CharacterTextSplitter {
    #[serde(default)]
    config_type: Tag,
    /// The most characters of a chunk. The default is 800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_size: Option<i32>,
    /// The most characters that a chunk repeats of the one before. The default is 400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_overlap: Option<i32>,
    /// Where to cut. The default is an empty line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// Whether the separator is a regular expression in Python's notation. The default is `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_separator_regex: Option<bool>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl CharacterTextSplitter {
    /// The most characters of a chunk. The default is 800. A piece without a separator may be longer.
    #[must_use]
    pub fn chunk_size(mut self, chunk_size: i32) -> Self {
        self.chunk_size = Some(chunk_size);
        self
    }

    /// The most characters that a chunk repeats of the one before. The default is 400.
    #[must_use]
    pub fn chunk_overlap(mut self, chunk_overlap: i32) -> Self {
        self.chunk_overlap = Some(chunk_overlap);
        self
    }

    /// Where to cut. The default is an empty line. The empty string cuts between any two characters.
    #[must_use]
    pub fn separator(mut self, separator: impl Into<String>) -> Self {
        self.separator = Some(separator.into());
        self
    }

    /// Whether the separator is a regular expression in Python's notation. The default is `false`.
    #[must_use]
    pub fn is_separator_regex(mut self, is_separator_regex: bool) -> Self {
        self.is_separator_regex = Some(is_separator_regex);
        self
    }

    pub(crate) fn call(&self) -> Call {
        Call::new("chunking_character_text_splitter")
            .arg("chunk_size", self.chunk_size)
            .arg("chunk_overlap", self.chunk_overlap)
            .arg("separator", self.separator.as_ref())
            .arg("is_separator_regex", self.is_separator_regex)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_sizes(self.chunk_size, self.chunk_overlap)?;
        self.separator
            .as_ref()
            .map_or(Ok(()), |separator| check_text("separator", separator))
    }
}

/// Cuts at a list of separators. See [`Chunking::recursive_character_text_splitter`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecursiveCharacterTextSplitter {
    #[serde(default)]
    config_type: Tag,
    /// The most characters of a chunk. The default is 800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_size: Option<i32>,
    /// The most characters that a chunk repeats of the one before. The default is 400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_overlap: Option<i32>,
    /// Where to cut, coarse separators first. The defaults are an empty line, a line break, `.`, `?`, `!`, a space, and
    /// between any two characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separators: Option<Vec<String>>,
    /// Whether the separators are regular expressions in Python's notation. The default is `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_separator_regex: Option<bool>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl RecursiveCharacterTextSplitter {
    /// The most characters of a chunk. The default is 800.
    #[must_use]
    pub fn chunk_size(mut self, chunk_size: i32) -> Self {
        self.chunk_size = Some(chunk_size);
        self
    }

    /// The most characters that a chunk repeats of the one before. The default is 400.
    #[must_use]
    pub fn chunk_overlap(mut self, chunk_overlap: i32) -> Self {
        self.chunk_overlap = Some(chunk_overlap);
        self
    }

    /// Where to cut, coarse separators first. The defaults are an empty line, a line break, `.`, `?`, `!`, a space, and
    /// between any two characters.
    #[must_use]
    pub fn separators<S: Into<String>>(mut self, separators: impl IntoIterator<Item = S>) -> Self {
        self.separators = Some(separators.into_iter().map(Into::into).collect());
        self
    }

    /// Whether the separators are regular expressions in Python's notation. The default is `false`.
    #[must_use]
    pub fn is_separator_regex(mut self, is_separator_regex: bool) -> Self {
        self.is_separator_regex = Some(is_separator_regex);
        self
    }

    pub(crate) fn call(&self) -> Call {
        Call::new("chunking_recursive_character_text_splitter")
            .arg("chunk_size", self.chunk_size)
            .arg("chunk_overlap", self.chunk_overlap)
            .arg("separators", self.separators.as_ref())
            .arg("is_separator_regex", self.is_separator_regex)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_sizes(self.chunk_size, self.chunk_overlap)?;
        let separators = self.separators.as_deref().unwrap_or(&[]);
        if self.separators.is_some() && separators.is_empty() {
            return Err(ConfigError::new(
                "separators",
                "is an empty list; use Chunking::none() to embed whole texts",
            ));
        }
        separators
            .iter()
            .try_for_each(|separator| check_text("separators", separator))
    }
}

bare! {
    /// The whole text is one chunk. See [`Chunking::none`].
    ChunkingNone, Tag, "chunking_none"
}
