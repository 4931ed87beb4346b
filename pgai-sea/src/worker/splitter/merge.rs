//! Putting small pieces together again: chunks as long as allowed, each beginning with the end of the one before.

use std::collections::VecDeque;

use super::piece::{Piece, strip};

/// Merges `pieces` into chunks of at most `chunk_size` characters, joined with `separator`, that overlap by up to
/// `chunk_overlap` characters. A piece that is longer by itself becomes a longer chunk.
pub(super) fn merge<'t>(
    pieces: impl IntoIterator<Item = Piece<'t>>,
    separator: &str,
    chunk_size: usize,
    chunk_overlap: usize,
) -> Vec<String> {
    let separator_length = separator.chars().count();
    let mut chunks = Vec::new();
    let mut current: VecDeque<Piece<'t>> = VecDeque::new();
    // characters in `current`, separators included
    let mut total = 0;

    for piece in pieces {
        let length = piece.length;
        let joined = |total: usize, current: &VecDeque<Piece<'t>>| {
            total + length + if current.is_empty() { 0 } else { separator_length }
        };
        if joined(total, &current) > chunk_size && !current.is_empty() {
            chunks.extend(join(&current, separator));
            // What stays is the overlap: short enough itself, and leaving room for the next piece.
            while total > chunk_overlap || (joined(total, &current) > chunk_size && total > 0) {
                let Some(first) = current.pop_front() else {
                    break;
                };
                total -= first.length;
                if !current.is_empty() {
                    total -= separator_length;
                }
            }
        }
        if !current.is_empty() {
            total += separator_length;
        }
        total += length;
        current.push_back(piece);
    }
    chunks.extend(join(&current, separator));
    chunks
}

/// The pieces as one text without the whitespace around it; nothing if that leaves nothing.
fn join(pieces: &VecDeque<Piece<'_>>, separator: &str) -> Option<String> {
    let bytes: usize = pieces.iter().map(|piece| piece.text.len() + separator.len()).sum();
    let mut text = String::with_capacity(bytes);
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 {
            text.push_str(separator);
        }
        text.push_str(&piece.text);
    }
    match strip(&text) {
        "" => None,
        stripped if stripped.len() == text.len() => Some(text),
        stripped => Some(stripped.to_owned()),
    }
}
