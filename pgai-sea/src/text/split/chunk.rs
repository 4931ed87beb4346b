//! A chunk, and where it is in the text.

use std::ops::Range;

/// A chunk, and where it is in the text that was split.
///
/// ```
/// use pgai_sea::Chunking;
///
/// let chunking = Chunking::from(Chunking::character_text_splitter().separator(". ").chunk_size(4).chunk_overlap(0));
/// let chunks = chunking.chunks("Übung. Ende")?;
/// assert_eq!((chunks[1].text.as_str(), &chunks[1].bytes, &chunks[1].characters), ("Ende", &(8..12), &(7..11)));
/// # Ok::<(), pgai_sea::text::SplitError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextChunk {
    /// The chunk, without the template.
    pub text: String,
    /// The bytes of the text that it was cut from. Where a splitter joins pieces with a separator that was not between
    /// them, as LangChain does with regular expressions, this is from the first piece to the last.
    pub bytes: Range<usize>,
    /// The same in characters, which are Unicode code points.
    pub characters: Range<usize>,
}

/// Makes chunks of one text, and counts its characters on the way.
#[derive(Debug)]
pub(super) struct Chunks<'t> {
    text: &'t str,
    chunks: Vec<TextChunk>,
    /// A byte of the text, and the character that begins there.
    counted: (usize, usize),
}

impl<'t> Chunks<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self {
            text,
            chunks: Vec::new(),
            counted: (0, 0),
        }
    }

    pub(super) fn push(&mut self, text: String, bytes: Range<usize>) {
        let start = self.text.floor_char_boundary(bytes.start);
        let end = self.text.floor_char_boundary(bytes.end).max(start);
        let first = self.character(start);
        // the next chunk begins near here
        let last = first + self.text[start..end].chars().count();
        self.chunks.push(TextChunk {
            text,
            bytes: start..end,
            characters: first..last,
        });
    }

    fn character(&mut self, byte: usize) -> usize {
        let (from, character) = self.counted;
        let character = if byte >= from {
            character + self.text[from..byte].chars().count()
        } else {
            character - self.text[byte..from].chars().count()
        };
        self.counted = (byte, character);
        character
    }

    pub(super) fn into_vec(self) -> Vec<TextChunk> {
        self.chunks
    }
}
