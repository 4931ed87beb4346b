//! A part of the text and its length in characters, counted once.

use std::borrow::Cow;

#[derive(Clone, Debug)]
pub(super) struct Piece<'t> {
    pub(super) text: Cow<'t, str>,
    /// Unicode code points, as Python's `len` counts.
    pub(super) length: usize,
}

impl<'t> Piece<'t> {
    pub(super) fn new(text: impl Into<Cow<'t, str>>) -> Self {
        let text = text.into();
        let length = text.chars().count();
        Self { text, length }
    }
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
        assert_eq!(Piece::new("né\u{301}🦀").length, 4);
    }
}
