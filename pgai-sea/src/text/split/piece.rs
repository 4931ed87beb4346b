//! A part of the text, its length in characters, counted once, and where it was cut from.

use std::borrow::Cow;
use std::ops::Range;

#[derive(Clone, Debug)]
pub(super) struct Piece<'t> {
    pub(super) text: Cow<'t, str>,
    /// Unicode code points, as Python's `len` counts.
    pub(super) length: usize,
    /// The bytes of the whole text that it was cut from.
    pub(super) bytes: Range<usize>,
}

impl<'t> Piece<'t> {
    /// A part of `whole`.
    pub(super) fn of(whole: &str, part: &'t str) -> Self {
        let start = offset(whole, part);
        Self {
            text: part.into(),
            length: part.chars().count(),
            bytes: start..start + part.len(),
        }
    }

    /// Two parts of `whole`, joined. They may stand anywhere in it.
    pub(super) fn joined(whole: &'t str, first: &'t str, second: &'t str) -> Self {
        let (a, b) = (offset(whole, first), offset(whole, second));
        if a + first.len() == b {
            return Self::of(whole, &whole[a..b + second.len()]);
        }
        Self {
            text: [first, second].concat().into(),
            length: first.chars().count() + second.chars().count(),
            bytes: a.min(b)..(a + first.len()).max(b + second.len()),
        }
    }

    /// The same piece, of a text that was itself cut from `bytes`.
    pub(super) fn within(mut self, text: &str, bytes: &Range<usize>) -> Self {
        self.bytes = if text.len() == bytes.len() {
            bytes.start + self.bytes.start..bytes.start + self.bytes.end
        } else {
            bytes.clone()
        };
        self
    }

    /// The byte of the whole text that byte `at` of the piece was. A piece that was joined has only a beginning and an
    /// end.
    pub(super) fn source_of(&self, at: usize, is_end: bool) -> usize {
        if self.text.len() == self.bytes.len() {
            self.bytes.start + at
        } else if is_end {
            self.bytes.end
        } else {
            self.bytes.start
        }
    }
}

/// Where a part of `whole` begins in it.
pub(super) fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

/// Python's `str.strip()`. Its whitespace is Unicode's and the four ASCII separators U+001C to U+001F.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_what_python_calls_whitespace() {
        assert_eq!(strip("\u{1c}\u{85}\u{a0} a b\u{1f}\u{3000}\u{2028}\t"), "a b");
        // zero width space and the byte order mark are not whitespace to Python
        assert_eq!(strip("\u{200b}a\u{feff}"), "\u{200b}a\u{feff}");
    }

    #[test]
    fn lengths_are_in_code_points() {
        assert_eq!(Piece::of("né\u{301}🦀", "né\u{301}🦀").length, 4);
    }

    #[test]
    fn parts_know_where_they_were() {
        let whole = "ab-cd;ef";
        let (ab, cd) = (&whole[..3], &whole[3..5]);
        assert_eq!(Piece::joined(whole, ab, cd).bytes, 0..5);
        let apart = Piece::joined(whole, &whole[6..], ab);
        assert_eq!((apart.text.as_ref(), apart.bytes), ("efab-", 0..8));
    }
}
