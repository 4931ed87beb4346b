//! The text of a document, and the places in it.

use serde::{Deserialize, Serialize};

use super::parse::format::Format;
use crate::config::Chunking;
use crate::text::SplitError;

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

/// A heading of the Markdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading<'p> {
    /// From 1, the highest.
    pub level: usize,
    /// Without the `#`.
    pub text: &'p str,
    /// The byte of the Markdown at which it begins.
    pub offset: usize,
}

/// A chunk, and where it is in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The chunk, without the template.
    pub text: String,
    /// The byte of the Markdown at which it begins. `None` for a chunk that is not a part of the text: the splitter
    /// joins parts with a separator, which a regular expression does not say.
    pub offset: Option<usize>,
    /// The page on which it begins.
    pub page: Option<usize>,
    /// The headings that it stands under, the highest first.
    pub headings: Vec<String>,
}

impl Parsed {
    pub(super) fn new(format: Format, markdown: String, pages: Vec<PageStart>) -> Self {
        Self {
            format,
            markdown,
            pages,
        }
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

    /// Where the pages begin that have text. Only PDF has pages. A paragraph that goes on over several pages belongs to
    /// the first of them.
    pub fn pages(&self) -> &[PageStart] {
        &self.pages
    }

    /// The headings, in their order. Lines in a block of code are none.
    pub fn headings(&self) -> Vec<Heading<'_>> {
        let (mut headings, mut offset, mut fence) = (Vec::new(), 0, None);
        for line in self.markdown.split_inclusive('\n') {
            let text = line.trim_end();
            let opens = ["```", "~~~"]
                .into_iter()
                .find(|mark| text.trim_start().starts_with(mark));
            match (fence, opens) {
                (None, Some(_)) => fence = opens,
                (Some(open), Some(mark)) if open == mark => fence = None,
                (None, None) => {
                    let level = text.bytes().take_while(|byte| *byte == b'#').count();
                    if let (1..=6, Some(text)) = (level, text[level..].strip_prefix(' ')) {
                        let text = text.trim();
                        headings.push(Heading { level, text, offset });
                    }
                }
                (Some(_), _) => {}
            }
            offset += line.len();
        }
        headings
    }

    /// The chunks that `chunking` makes of the text, with their places.
    ///
    /// # Errors
    ///
    /// The chunking cannot be carried out, as [`Chunking::split`] says.
    pub fn passages(&self, chunking: &Chunking) -> Result<Vec<Passage>, SplitError> {
        let headings = self.headings();
        let mut from = 0;
        let passage = |text: String| {
            // a chunk may overlap with the one before, but begins after it
            let offset = self.markdown[from..].find(&text).map(|found| from + found);
            if let Some(offset) = offset {
                from = offset + text.chars().next().map_or(0, char::len_utf8);
            }
            Passage {
                page: offset.and_then(|offset| self.page_at(offset)),
                headings: offset.map_or_else(Vec::new, |offset| path(&headings, offset)),
                offset,
                text,
            }
        };
        Ok(chunking.split(&self.markdown)?.into_iter().map(passage).collect())
    }

    fn page_at(&self, offset: usize) -> Option<usize> {
        let before = self.pages.partition_point(|page| page.offset <= offset);
        Some(self.pages[before.checked_sub(1)?].page)
    }
}

/// The headings above the text at `offset`. A heading at its very beginning is one of them.
fn path(headings: &[Heading<'_>], offset: usize) -> Vec<String> {
    let mut path: Vec<&Heading<'_>> = Vec::new();
    for heading in headings.iter().take_while(|heading| heading.offset <= offset) {
        path.retain(|above| above.level < heading.level);
        path.push(heading);
    }
    path.into_iter().map(|heading| heading.text.to_owned()).collect()
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
            .map(|passage| (passage.text.as_str(), passage.page, passage.headings.join("/")))
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
    fn a_comment_in_code_is_no_heading() {
        let parsed = parsed("# A\n```sh\n# not one\n```\n#no\n####### no\n### B #1\n", &[]);
        let headings: Vec<_> = parsed
            .headings()
            .iter()
            .map(|heading| (heading.level, heading.text))
            .collect();
        assert_eq!(headings, [(1, "A"), (3, "B #1")]);
    }

    #[test]
    fn equal_chunks_have_their_own_places() {
        let chunking = Chunking::character_text_splitter()
            .chunk_size(3)
            .chunk_overlap(0)
            .separator(" ");
        let passages = parsed("abc abc", &[(1, 0), (2, 4)]).passages(&chunking.into()).unwrap();
        assert_eq!(
            passages.iter().map(|passage| passage.page).collect::<Vec<_>>(),
            [Some(1), Some(2)]
        );
    }
}
