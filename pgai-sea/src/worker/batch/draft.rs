//! From rows to drafts: each row is split and formatted, and compared with its chunks in the store.

use std::collections::HashMap;

use super::chunk_change::{ChunkChange, StoredChunk};
use super::item::{Failure, Item, Outcome, SourceRow};
use super::load::Loaded;
use crate::entity::{HEADINGS, Place};
use crate::text::{Headings, PythonType, Splitter, Template};
use crate::worker::panics;
use crate::worker::queue::key_sql::Key;
use crate::worker::write::Destination;

/// A batch has at most so many texts, unless they belong to one row: their vectors are in memory together ..
const MOST_TEXTS: usize = 4_096;
/// .. and about so many bytes of formatted text. The rest goes back to the queue.
const MOST_FORMATTED: usize = 32 << 20;
/// The most bytes of formatted text of one row.
const MOST_OF_A_ROW: usize = 256 << 20;

/// A batch before its texts are embedded.
pub(super) struct Drafts {
    /// Each text once.
    pub(super) texts: Vec<String>,
    pub(super) drafts: Vec<Draft>,
    /// Keys for which there was no room.
    pub(super) left_out: Vec<Key>,
}

/// A key before its texts are embedded.
pub(super) struct Draft {
    pub(super) item: Item,
    /// The numbers of the texts that it needs vectors of.
    pub(super) needs: Vec<usize>,
}

impl From<Item> for Draft {
    fn from(item: Item) -> Self {
        Self {
            item,
            needs: Vec::new(),
        }
    }
}

/// A batch's texts, numbered.
#[derive(Default)]
struct Texts {
    list: Vec<String>,
    bytes: usize,
    number: HashMap<String, usize>,
}

impl Texts {
    fn number(&mut self, text: String) -> usize {
        *self.number.entry(text).or_insert_with_key(|text| {
            self.bytes += text.len();
            self.list.push(text.clone());
            self.list.len() - 1
        })
    }
}

/// Splits and formats the rows of one vectorizer.
#[derive(Debug)]
pub(crate) struct Drafter {
    pub(crate) splitter: Splitter,
    pub(crate) template: Template,
    /// The types of the template's columns.
    pub(crate) types: Vec<PythonType>,
    /// Whether the store says where chunks are.
    pub(crate) keeps_places: bool,
    /// Whether texts have headings: they are Markdown.
    pub(crate) has_headings: bool,
}

/// The chunks of a row.
#[derive(Default)]
struct Formatted {
    /// With the template around them.
    texts: Vec<String>,
    /// Where each is in the row's text. Empty if nobody wants to know.
    places: Vec<Place>,
}

impl Drafter {
    /// Drafts what was loaded. `keeps_vectors` says whether a chunk whose text is the same keeps its vector. This
    /// blocks: long texts and costly expressions take a while.
    pub(super) fn draft(&self, loaded: Loaded, destination: &Destination, keeps_vectors: bool) -> Drafts {
        let mut texts = Texts::default();
        let mut left_out = loaded.left_out;
        let mut drafts: Vec<Draft> = loaded.unreadable.into_iter().map(Draft::from).collect();
        for (claimed, row, stored) in loaded.rows {
            if texts.list.len() >= MOST_TEXTS || texts.bytes >= MOST_FORMATTED {
                left_out.push(claimed.key);
                continue;
            }
            let drafted =
                panics::caught_now(|| self.outcome(destination, row.as_ref(), &stored, keeps_vectors, &mut texts));
            let (outcome, needs) =
                drafted.unwrap_or_else(|reason| (Outcome::Failed(Failure::chunking(reason)), Vec::new()));
            let item = Item {
                key: claimed.key,
                attempts: claimed.attempts,
                seen: row,
                outcome,
            };
            drafts.push(Draft { item, needs });
        }
        Drafts {
            texts: texts.list,
            drafts,
            left_out,
        }
    }

    /// The outcome of a row, and the texts that need a vector for it.
    fn outcome(
        &self,
        destination: &Destination,
        row: Option<&SourceRow>,
        stored: &[StoredChunk],
        keeps_vectors: bool,
        texts: &mut Texts,
    ) -> (Outcome, Vec<usize>) {
        let chunks = match self.formatted(row) {
            Ok(chunks) => chunks,
            Err(reason) => return (Outcome::Failed(Failure::chunking(reason)), Vec::new()),
        };
        match destination {
            Destination::Column(_) => {
                let text = chunks.texts.into_iter().next().map(|chunk| texts.number(chunk));
                (Outcome::Column(text), text.into_iter().collect())
            }
            Destination::Table(_) => {
                // only new chunks join the batch's texts
                let Formatted { texts: chunks, places } = chunks;
                let numbers: Vec<usize> = (0..chunks.len()).collect();
                let places = if self.keeps_places { places } else { Vec::new() };
                let mut change = if keeps_vectors {
                    ChunkChange::plan(stored, &numbers, |number| &chunks[number], places)
                } else {
                    ChunkChange::replace(stored, &numbers, places)
                };
                let mut chunks: Vec<Option<String>> = chunks.into_iter().map(Some).collect();
                let mut needs = Vec::with_capacity(change.new.len());
                for new in &mut change.new {
                    if let Some(chunk) = chunks[new.text].take() {
                        new.text = texts.number(chunk);
                        needs.push(new.text);
                    }
                }
                (Outcome::Chunks(change), needs)
            }
        }
    }

    /// The formatted chunks of a row. A row that is gone or has no text has none.
    fn formatted(&self, row: Option<&SourceRow>) -> Result<Formatted, String> {
        let mut formatted = Formatted::default();
        let Some((row, text)) = row.and_then(|row| Some((row, row.text().filter(|text| !text.is_empty())?))) else {
            return Ok(formatted);
        };
        let chunks = self.splitter.split(text).map_err(|error| error.to_string())?;
        let values: Vec<String> = self
            .types
            .iter()
            .zip(&row.values)
            .map(|(kind, value)| kind.str(value.as_deref()))
            .collect();
        let wants_places = self.keeps_places || self.template.names_places();
        let headings = if wants_places && self.has_headings && row.may_have_headings() {
            Headings::of(text)
        } else {
            Headings::default()
        };
        let (mut bytes, count) = (0, chunks.len());
        for chunk in chunks {
            let start = chunk.bytes.start;
            let mut place = Place::new(chunk.bytes, chunk.characters);
            if wants_places {
                place.headings = headings.path(start);
                place.page = row.page_at(start);
            }
            let page = place.page.map_or_else(String::new, |page| page.to_string());
            let text = self
                .template
                .render(&chunk.text, &values, (&page, &place.headings.join(HEADINGS)));
            bytes += text.len();
            if bytes > MOST_OF_A_ROW {
                return Err(format!(
                    "its {count} chunks have more than {} MB with what the template puts around each: take a long \
                     column out of the template, or make larger chunks",
                    MOST_OF_A_ROW >> 20
                ));
            }
            formatted.texts.push(text);
            if wants_places {
                formatted.places.push(place);
            }
        }
        Ok(formatted)
    }
}
