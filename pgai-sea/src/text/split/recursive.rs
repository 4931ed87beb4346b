//! LangChain's `RecursiveCharacterTextSplitter`: cut at the first separator that occurs, and what is still too long
//! at the next ones.

use std::ops::Range;

use super::chunk::Chunks;
use super::error::SplitError;
use super::merge::Merger;
use super::separator::Separator;
use super::size::Size;

/// Used when a configuration names no separator at all.
const DEFAULT_SEPARATORS: [&str; 4] = ["\n\n", "\n", " ", ""];

#[derive(Debug)]
pub(super) struct RecursiveSplitter {
    separators: Vec<Separator>,
    size: Size,
}

impl RecursiveSplitter {
    pub(super) fn new<S: AsRef<str>>(separators: &[S], is_regex: bool, size: Size) -> Result<Self, SplitError> {
        let separators: Result<Vec<_>, _> = if separators.is_empty() {
            DEFAULT_SEPARATORS.iter().map(|s| Separator::new(s, is_regex)).collect()
        } else {
            separators
                .iter()
                .map(|s| Separator::new(s.as_ref(), is_regex))
                .collect()
        };
        Ok(Self {
            separators: separators?,
            size,
        })
    }

    pub(super) fn split(&self, text: &str, chunks: &mut Chunks<'_>) -> Result<(), SplitError> {
        self.split_at(&self.separators, text, &(0..text.len()), chunks)
    }

    /// Splits a text that was cut from `bytes`.
    fn split_at(
        &self,
        separators: &[Separator],
        text: &str,
        bytes: &Range<usize>,
        chunks: &mut Chunks<'_>,
    ) -> Result<(), SplitError> {
        let Some((separator, finer)) = choose(separators, text)? else {
            return Ok(());
        };
        // short pieces in a row
        let mut short = Merger::new("", self.size);
        for piece in separator.split_keeping(text)? {
            let piece = piece.within(text, bytes);
            if piece.length < self.size.chunk {
                short.push(piece, chunks);
                continue;
            }
            short.finish(chunks);
            if finer.is_empty() {
                // nothing left to cut it with, and LangChain does not strip it either
                chunks.push(piece.text.into_owned(), piece.bytes);
            } else {
                self.split_at(finer, &piece.text, &piece.bytes, chunks)?;
            }
        }
        short.finish(chunks);
        Ok(())
    }
}

/// The first separator that occurs and those after it, or the last one and none.
fn choose<'s>(separators: &'s [Separator], text: &str) -> Result<Option<(&'s Separator, &'s [Separator])>, SplitError> {
    for (index, separator) in separators.iter().enumerate() {
        if separator.occurs_in(text)? {
            let finer = match separator {
                Separator::Characters => &[],
                _ => &separators[index + 1..],
            };
            return Ok(Some((separator, finer)));
        }
    }
    Ok(separators.last().map(|last| (last, &[][..])))
}
