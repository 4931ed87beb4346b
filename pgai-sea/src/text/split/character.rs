//! LangChain's `CharacterTextSplitter`: cut at one separator, then merge.

use super::chunk::Chunks;
use super::error::SplitError;
use super::merge::Merger;
use super::separator::Separator;
use super::size::Size;

/// What a regular expression starts with when it matches a place rather than a text.
const LOOKAROUNDS: [&str; 4] = ["(?=", "(?<!", "(?<=", "(?!"];

#[derive(Debug)]
pub(super) struct CharacterSplitter {
    separator: Separator,
    /// Written between merged pieces: the separator as configured, even if it is a regular expression, as LangChain
    /// does.
    glue: String,
    size: Size,
}

impl CharacterSplitter {
    pub(super) fn new(separator: &str, is_regex: bool, size: Size) -> Result<Self, SplitError> {
        let is_place = is_regex && LOOKAROUNDS.iter().any(|start| separator.starts_with(start));
        Ok(Self {
            separator: Separator::new(separator, is_regex)?,
            glue: if is_place { String::new() } else { separator.to_owned() },
            size,
        })
    }

    pub(super) fn split(&self, text: &str, chunks: &mut Chunks<'_>) -> Result<(), SplitError> {
        let mut merger = Merger::new(&self.glue, self.size);
        for piece in self.separator.split(text)? {
            merger.push(piece, chunks);
        }
        merger.finish(chunks);
        Ok(())
    }
}
