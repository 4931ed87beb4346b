//! Joins small pieces to chunks of the allowed length. Each chunk begins with the end of the one before.

use std::collections::VecDeque;

use super::chunk::Chunks;
use super::piece::{Piece, offset, strip};
use super::size::Size;

/// Merges pieces, joined with `separator`, into chunks of at most `size.chunk` characters. Neighbours overlap by at
/// most `size.overlap` characters. A piece that is longer by itself becomes a longer chunk.
#[derive(Debug)]
pub(super) struct Merger<'t, 's> {
    separator: &'s str,
    separator_length: usize,
    size: Size,
    current: VecDeque<Piece<'t>>,
    /// Characters in `current`, separators included.
    total: usize,
}

impl<'t, 's> Merger<'t, 's> {
    pub(super) fn new(separator: &'s str, size: Size) -> Self {
        Self {
            separator,
            separator_length: separator.chars().count(),
            size,
            current: VecDeque::new(),
            total: 0,
        }
    }

    /// The length with one piece more.
    fn joined(&self, piece: &Piece<'t>) -> usize {
        let separator = if self.current.is_empty() {
            0
        } else {
            self.separator_length
        };
        self.total + piece.length + separator
    }

    /// Adds a piece, before which a chunk may be full.
    pub(super) fn push(&mut self, piece: Piece<'t>, chunks: &mut Chunks<'_>) {
        if self.joined(&piece) > self.size.chunk && !self.current.is_empty() {
            self.join(chunks);
            // What stays is the overlap: short enough itself, and leaving room for the next piece.
            while self.total > self.size.overlap || (self.joined(&piece) > self.size.chunk && self.total > 0) {
                let Some(first) = self.current.pop_front() else {
                    break;
                };
                self.total -= first.length;
                if !self.current.is_empty() {
                    self.total -= self.separator_length;
                }
            }
        }
        self.total = self.joined(&piece);
        self.current.push_back(piece);
    }

    /// Ends the last chunk and forgets its pieces.
    pub(super) fn finish(&mut self, chunks: &mut Chunks<'_>) {
        self.join(chunks);
        self.current.clear();
        self.total = 0;
    }

    /// The pieces as one text without the whitespace around it; nothing if that leaves nothing.
    fn join(&self, chunks: &mut Chunks<'_>) {
        let separator = self.separator;
        let bytes = self.current.iter().map(|piece| piece.text.len() + separator.len());
        let mut text = String::with_capacity(bytes.sum());
        for (index, piece) in self.current.iter().enumerate() {
            if index > 0 {
                text.push_str(separator);
            }
            text.push_str(&piece.text);
        }
        let stripped = strip(&text);
        if stripped.is_empty() {
            return;
        }
        let start = offset(&text, stripped);
        let end = start + stripped.len();
        let bytes = self.source_of(start, false)..self.source_of(end, true);
        let text = if stripped.len() < text.len() {
            stripped.to_owned()
        } else {
            text
        };
        chunks.push(text, bytes);
    }

    /// The byte of the whole text that byte `at` of the joined pieces was.
    fn source_of(&self, at: usize, is_end: bool) -> usize {
        // where the piece before ends, here and in the whole text
        let mut before: Option<(usize, usize)> = None;
        for piece in &self.current {
            let from = before.map_or(0, |(end, _)| end + self.separator.len());
            let end = from + piece.text.len();
            match before {
                Some((before, source)) if at < from => return (source + at - before).min(piece.bytes.start),
                _ if at < end || (is_end && at == end) => return piece.source_of(at - from, is_end),
                _ => before = Some((end, piece.bytes.end)),
            }
        }
        before.map_or(0, |(_, source)| source)
    }
}
