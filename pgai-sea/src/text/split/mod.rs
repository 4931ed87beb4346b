//! The splitters cut a text into chunks, byte for byte as pgai's worker does with LangChain.

mod character;
mod chunk;
mod error;
mod merge;
mod piece;
mod recursive;
mod separator;
mod size;
#[cfg(feature = "markdown")]
mod structure;

pub use self::chunk::TextChunk;
pub use self::error::SplitError;

use self::character::CharacterSplitter;
use self::chunk::Chunks;
use self::recursive::RecursiveSplitter;
use self::size::Size;
#[cfg(feature = "markdown")]
use self::structure::StructureSplitter;
use crate::config::{Chunking, DEFAULT_CHUNK_OVERLAP, DEFAULT_CHUNK_SIZE};

/// The default `separator`.
const DEFAULT_SEPARATOR: &str = "\n\n";
/// The default `separators`.
const DEFAULT_SEPARATORS: [&str; 7] = ["\n\n", "\n", ".", "?", "!", " ", ""];

impl Chunking {
    /// Cuts `text` into the chunks that the worker embeds.
    ///
    /// The chunks equal those of pgai's worker byte for byte: LangChain's splitters count Unicode code points, strip
    /// the whitespace around a chunk, and leave empty chunks out. Options that are not set have the defaults of pgai's
    /// SQL functions.
    ///
    /// ```
    /// use pgai_sea::config::Chunking;
    ///
    /// let splitter = Chunking::character_text_splitter().separator(".").chunk_size(12).chunk_overlap(0);
    /// let chunking = Chunking::from(splitter);
    /// assert_eq!(chunking.split("One. Two. Three and four.")?, ["One. Two", "Three and four"]);
    /// # Ok::<(), pgai_sea::text::SplitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A size is out of range, a separator is not a regular expression, or this version does not know the
    /// implementation.
    pub fn split(&self, text: &str) -> Result<Vec<String>, SplitError> {
        let chunks = self.chunks(text)?;
        Ok(chunks.into_iter().map(|chunk| chunk.text).collect())
    }

    /// The same chunks, with their places in `text`.
    ///
    /// # Errors
    ///
    /// As [`split`](Self::split).
    pub fn chunks(&self, text: &str) -> Result<Vec<TextChunk>, SplitError> {
        Splitter::new(self)?.split(text)
    }
}

/// A [`Chunking`] with its options checked and its regular expressions compiled.
#[derive(Debug)]
pub(crate) struct Splitter(Kind);

#[derive(Debug)]
enum Kind {
    Character(CharacterSplitter),
    Recursive(RecursiveSplitter),
    None,
    #[cfg(feature = "markdown")]
    Structure(StructureSplitter),
}

impl Splitter {
    pub(crate) fn new(chunking: &Chunking) -> Result<Self, SplitError> {
        let size = |chunk_size: Option<i32>, chunk_overlap: Option<i32>| {
            Size::new(
                chunk_size.unwrap_or(DEFAULT_CHUNK_SIZE),
                chunk_overlap.unwrap_or(DEFAULT_CHUNK_OVERLAP),
            )
        };
        let kind = match chunking {
            Chunking::CharacterTextSplitter(options) => Kind::Character(CharacterSplitter::new(
                options.separator.as_deref().unwrap_or(DEFAULT_SEPARATOR),
                options.is_separator_regex.unwrap_or(false),
                size(options.chunk_size, options.chunk_overlap)?,
            )?),
            Chunking::RecursiveCharacterTextSplitter(options) => {
                let size = size(options.chunk_size, options.chunk_overlap)?;
                let is_regex = options.is_separator_regex.unwrap_or(false);
                Kind::Recursive(match &options.separators {
                    Some(separators) => RecursiveSplitter::new(separators, is_regex, size)?,
                    None => RecursiveSplitter::new(&DEFAULT_SEPARATORS, is_regex, size)?,
                })
            }
            Chunking::None(_) => Kind::None,
            #[cfg(feature = "markdown")]
            Chunking::Markdown(options) => {
                let overlap = options.chunk_overlap.or(Some(0));
                Kind::Structure(StructureSplitter::markdown(size(options.chunk_size, overlap)?)?)
            }
            #[cfg(not(feature = "markdown"))]
            Chunking::Markdown(_) => return Err(SplitError::Feature { feature: "markdown" }),
            #[cfg(feature = "code")]
            Chunking::Code(options) => {
                let size = size(options.chunk_size, options.chunk_overlap.or(Some(0)))?;
                Kind::Structure(StructureSplitter::code(&options.language, size)?)
            }
            #[cfg(not(feature = "code"))]
            Chunking::Code(_) => return Err(SplitError::Feature { feature: "code" }),
            Chunking::Other(stored) => {
                let implementation = stored.get("implementation").and_then(|name| name.as_str());
                return Err(SplitError::Unsupported {
                    implementation: implementation.unwrap_or("unnamed").to_owned(),
                });
            }
        };
        Ok(Self(kind))
    }

    pub(crate) fn split(&self, text: &str) -> Result<Vec<TextChunk>, SplitError> {
        let mut chunks = Chunks::of(text);
        match &self.0 {
            Kind::Character(splitter) => splitter.split(text, &mut chunks)?,
            Kind::Recursive(splitter) => splitter.split(text, &mut chunks)?,
            Kind::None => chunks.push(text.to_owned(), 0..text.len()),
            #[cfg(feature = "markdown")]
            Kind::Structure(splitter) => splitter.split(text, &mut chunks),
        }
        Ok(chunks.into_vec())
    }
}
