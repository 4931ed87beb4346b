//! The text of a document, and the places in it.

use serde::{Deserialize, Serialize};

use super::parse::format::Format;
use crate::config::Chunking;
use crate::entity::Place;
use crate::text::{Heading, Headings, SplitError};

/// The text of a document, as Markdown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parsed {
    format: Format,
    markdown: String,
    pages: Vec<PageStart>,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageStart {
    /// Its number, from 1.
    pub page: usize,
    /// The byte of the Markdown at which it begins.
    pub offset: usize,
}

/// A chunk, and where it is in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The chunk, without the template.
    pub text: String,
    /// Where it is in the Markdown.
    pub place: Place,
}

impl Parsed {
    pub(super) fn new(format: Format, markdown: String, pages: Vec<PageStart>) -> Self {
        Self {
            format,
            markdown,
            pages,
        }
    }

    /// A document that is text.
    pub(crate) fn text(text: String) -> Self {
        Self::new(Format::Text, text, Vec::new())
    }

    /// What the document is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The text.
    pub fn markdown(&self) -> &str {
        &self.markdown
    }

    /// The text.
    pub fn into_markdown(self) -> String {
        self.markdown
    }

    /// Where the pages begin that have text, also in the middle of a paragraph. Only PDF has pages. In a file of many
    /// megabytes, some paragraphs that go on over pages may belong to the first of them.
    pub fn pages(&self) -> &[PageStart] {
        &self.pages
    }

    /// The headings, in their order. Lines in a block of code are none. PDF and CSV have none.
    pub fn headings(&self) -> Vec<Heading<'_>> {
        if self.may_have_headings() {
            Headings::of(&self.markdown).into_vec()
        } else {
            Vec::new()
        }
    }

    /// Whether a line that begins with `#` is a heading. In a PDF it is a line of its text.
    pub(crate) fn may_have_headings(&self) -> bool {
        !matches!(self.format, Format::Pdf | Format::Csv)
    }

    /// The chunks that `chunking` makes of the text, with their places.
    ///
    /// # Errors
    ///
    /// The chunking cannot be carried out, as [`Chunking::split`] says.
    pub fn passages(&self, chunking: &Chunking) -> Result<Vec<Passage>, SplitError> {
        let headings = match chunking {
            Chunking::Code(_) => Headings::default(),
            _ if !self.may_have_headings() => Headings::default(),
            _ => Headings::of(&self.markdown),
        };
        let chunks = chunking.chunks(&self.markdown)?.into_iter();
        Ok(chunks
            .map(|chunk| {
                let start = chunk.bytes.start;
                let mut place = Place::new(chunk.bytes, chunk.characters).under(headings.path(start));
                place.page = self.page_at(start);
                Passage {
                    text: chunk.text,
                    place,
                }
            })
            .collect())
    }

    /// The page of the text at `offset`.
    pub(crate) fn page_at(&self, offset: usize) -> Option<usize> {
        let before = self.pages.partition_point(|page| page.offset <= offset);
        Some(self.pages[before.checked_sub(1)?].page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(markdown: &str, pages: &[(usize, usize)]) -> Parsed {
        let pages = pages.iter().map(|&(page, offset)| PageStart { page, offset });
        Parsed::new(Format::Text, markdown.to_owned(), pages.collect())
    }

    #[test]
    fn a_passage_stands_under_its_headings_and_on_its_page() {
        let text = "# A\n\none\n\n## B\n\ntwo\n\n# C\n\nthree";
        let chunking = Chunking::character_text_splitter()
            .chunk_size(8)
            .chunk_overlap(0)
            .separator("\n\n");
        let passages = parsed(text, &[(1, 0), (3, 10)]).passages(&chunking.into()).unwrap();
        let found: Vec<_> = passages
            .iter()
            .map(|passage| {
                (
                    passage.text.as_str(),
                    passage.place.page,
                    passage.place.headings.join("/"),
                )
            })
            .collect();
        let expected = [
            ("# A\n\none", Some(1), "A".to_owned()),
            ("## B", Some(3), "A/B".to_owned()),
            ("two\n\n# C", Some(3), "A/B".to_owned()),
            ("three", Some(3), "C".to_owned()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_line_of_a_pdf_is_no_heading() {
        let of = |format| {
            let parsed = Parsed::new(format, "# 7 of them\n\ntext".to_owned(), Vec::new());
            let passages = parsed.passages(&Chunking::none().into()).unwrap();
            (parsed.headings().len(), passages[0].place.headings.len())
        };
        assert_eq!([of(Format::Pdf), of(Format::Html)], [(0, 0), (1, 1)]);
    }

    #[test]
    fn equal_chunks_have_their_own_places() {
        let chunking = Chunking::character_text_splitter()
            .chunk_size(3)
            .chunk_overlap(0)
            .separator(" ");
        let passages = parsed("abc abc", &[(1, 0), (2, 4)]).passages(&chunking.into()).unwrap();
        assert_eq!(
            passages.iter().map(|passage| passage.place.page).collect::<Vec<_>>(),
            [Some(1), Some(2)]
        );
    }
}
