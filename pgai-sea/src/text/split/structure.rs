//! Splitters by the structure of a text: Markdown's, and with the feature `code` a programming language's.

use text_splitter::{Characters, ChunkConfig, MarkdownSplitter};

use super::chunk::Chunks;
use super::error::SplitError;
use super::size::Size;

#[derive(Debug)]
pub(super) enum StructureSplitter {
    Markdown(MarkdownSplitter<Characters>),
    #[cfg(feature = "code")]
    Code(text_splitter::CodeSplitter<Characters>),
}

impl StructureSplitter {
    pub(super) fn markdown(size: Size) -> Result<Self, SplitError> {
        Ok(Self::Markdown(MarkdownSplitter::new(config(size)?)))
    }

    #[cfg(feature = "code")]
    pub(super) fn code(language: &str, size: Size) -> Result<Self, SplitError> {
        let grammar = match language {
            "rust" => tree_sitter_rust::LANGUAGE,
            "python" => tree_sitter_python::LANGUAGE,
            "javascript" => tree_sitter_javascript::LANGUAGE,
            "go" => tree_sitter_go::LANGUAGE,
            _ => {
                return Err(SplitError::Language {
                    language: language.to_owned(),
                    reason: "it is not one of rust, python, javascript, go".to_owned(),
                });
            }
        };
        let splitter = text_splitter::CodeSplitter::new(grammar, config(size)?);
        splitter.map(Self::Code).map_err(|error| SplitError::Language {
            language: language.to_owned(),
            reason: error.to_string(),
        })
    }

    pub(super) fn split(&self, text: &str, chunks: &mut Chunks<'_>) {
        let found: Box<dyn Iterator<Item = (usize, &str)>> = match self {
            Self::Markdown(splitter) => Box::new(splitter.chunk_indices(text)),
            #[cfg(feature = "code")]
            Self::Code(splitter) => Box::new(splitter.chunk_indices(text)),
        };
        for (start, chunk) in found {
            chunks.push(chunk.to_owned(), start..start + chunk.len());
        }
    }
}

/// In characters, without the whitespace around a chunk.
fn config(size: Size) -> Result<ChunkConfig<Characters>, SplitError> {
    let config = ChunkConfig::new(size.chunk).with_overlap(size.overlap);
    let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    config.map_err(|_| SplitError::Size {
        chunk_size: number(size.chunk),
        chunk_overlap: number(size.overlap),
    })
}
