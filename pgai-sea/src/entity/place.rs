//! Where a chunk is in the text of its row.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Where a chunk is in the text that was split: the loaded column, or the text of the document that it holds or leads
/// to.
///
/// ```
/// use pgai_sea::Place;
///
/// let place = Place::new(120..180, 118..176).on_page(7).under(["Tides", "Moon"]);
/// assert_eq!(place.to_string(), "page 7, Tides > Moon");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Place {
    /// In bytes of UTF-8.
    pub bytes: Range<usize>,
    /// In characters, which are Unicode code points.
    pub characters: Range<usize>,
    /// The page on which it begins, from 1. Only PDF has pages.
    pub page: Option<usize>,
    /// The headings that it stands under, the highest first. Of a long one the first 200 characters.
    pub headings: Vec<String>,
}

impl Place {
    /// A place in a text.
    #[must_use]
    pub fn new(bytes: Range<usize>, characters: Range<usize>) -> Self {
        Self {
            bytes,
            characters,
            ..Self::default()
        }
    }

    /// Sets the page.
    #[must_use]
    pub fn on_page(mut self, page: usize) -> Self {
        self.page = Some(page);
        self
    }

    /// Sets the headings.
    #[must_use]
    pub fn under<S: Into<String>>(mut self, headings: impl IntoIterator<Item = S>) -> Self {
        self.headings = headings.into_iter().map(Into::into).collect();
        self
    }
}

/// For people: the page and the headings, as far as they are known.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let page = self.page.map(|page| format!("page {page}"));
        let headings = (!self.headings.is_empty()).then(|| self.headings.join(HEADINGS));
        let parts: Vec<String> = page.into_iter().chain(headings).collect();
        f.write_str(&parts.join(", "))
    }
}

/// Between the headings of a path, for people and in a template's `$headings`.
pub(crate) const HEADINGS: &str = " > ";

/// The columns of a store that say the places of its chunks: the bytes, the characters, the page and the headings.
///
/// Stores of documents have them in this crate's catalog. In a store of pgai's they can be added. A worker of this
/// crate fills them where they are. pgai's leaves them null.
pub(crate) const PLACE_COLUMNS: [(&str, &str); 6] = [
    ("chunk_byte_start", "int4"),
    ("chunk_byte_end", "int4"),
    ("chunk_char_start", "int4"),
    ("chunk_char_end", "int4"),
    ("chunk_page", "int4"),
    ("chunk_headings", "_text"),
];
