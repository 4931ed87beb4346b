//! What becomes of a claimed key.

use super::chunk_change::ChunkChange;
#[cfg(feature = "documents")]
use crate::document::Parsed;
use crate::worker::queue::key_sql::Key;

/// A claimed key, and what is to become of it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) key: Key,
    /// Failed attempts before this one.
    pub(crate) attempts: i32,
    /// The row that was embedded.
    pub(crate) seen: Option<SourceRow>,
    pub(crate) outcome: Outcome,
}

impl Item {
    /// Why it failed, if it did.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Chunks(_) | Outcome::Column(_) => None,
        }
    }

    /// Whether its row could not be read.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.seen.as_ref().is_some_and(|row| row.is_unreadable)
    }
}

/// What is to be written for a key.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The chunks of a table destination.
    Chunks(ChunkChange),
    /// The vector of a column destination, by the number of its text. `None` for NULL.
    Column(Option<usize>),
    /// One more attempt has failed.
    Failed(Failure),
}

impl Outcome {
    /// The number of chunks to write.
    pub(crate) fn chunks(&self) -> usize {
        match self {
            Self::Chunks(change) => change.new.len() + change.moved.len(),
            Self::Column(text) => text.iter().len(),
            Self::Failed(_) => 0,
        }
    }
}

/// Why a row failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The dead letter's `failure_step`.
    pub(crate) step: &'static str,
    pub(crate) reason: String,
    /// Whether another attempt on the same row would end in the same way.
    pub(crate) is_final: bool,
}

impl Failure {
    /// The row or its document could not be read.
    pub(crate) fn loading(reason: String) -> Self {
        Self::at("loading", reason)
    }

    /// The document was not understood.
    #[cfg(feature = "documents")]
    pub(crate) fn parsing(reason: String) -> Self {
        let is_final = true;
        Self {
            is_final,
            ..Self::at("parsing", reason)
        }
    }

    /// The text could not be split or formatted.
    pub(crate) fn chunking(reason: String) -> Self {
        Self::at("chunking", reason)
    }

    /// The provider refused a text.
    pub(crate) fn embedding(reason: String) -> Self {
        Self::at("embedding", reason)
    }

    /// The database refused what was to be written, and may do so each time.
    pub(crate) fn writing(reason: String, is_final: bool) -> Self {
        Self {
            is_final,
            ..Self::at("writing", reason)
        }
    }

    fn at(step: &'static str, reason: String) -> Self {
        let is_final = false;
        Self { step, reason, is_final }
    }
}

/// The part of a source row that is embedded.
#[derive(Clone, Debug)]
pub(crate) struct SourceRow {
    /// The version of the row. A row of the same version need not be read again.
    pub(crate) version: String,
    /// The loaded column.
    pub(crate) content: Option<Content>,
    /// The document that the column holds or leads to.
    #[cfg(feature = "documents")]
    pub(crate) document: Option<Parsed>,
    /// The template's columns.
    pub(crate) values: Vec<Option<String>>,
    /// Whether only the version could be read.
    pub(crate) is_unreadable: bool,
}

/// What a loaded column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

impl Content {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

impl SourceRow {
    /// The text that is embedded.
    pub(crate) fn text(&self) -> Option<&str> {
        #[cfg(feature = "documents")]
        if let Some(document) = &self.document {
            return Some(document.markdown());
        }
        match &self.content {
            Some(Content::Text(text)) => Some(text),
            Some(Content::Bytes(_)) | None => None,
        }
    }

    /// The page of the text at `offset`.
    #[cfg_attr(
        not(feature = "documents"),
        expect(clippy::unused_self, reason = "only documents have pages")
    )]
    pub(crate) fn page_at(&self, offset: usize) -> Option<usize> {
        #[cfg(feature = "documents")]
        if let Some(document) = &self.document {
            return document.page_at(offset);
        }
        let _ = offset;
        None
    }

    /// Whether a line of the text that begins with `#` may be a heading.
    #[cfg_attr(
        not(feature = "documents"),
        expect(clippy::unused_self, reason = "only documents say what they are")
    )]
    pub(crate) fn may_have_headings(&self) -> bool {
        #[cfg(feature = "documents")]
        if let Some(document) = &self.document {
            return document.may_have_headings();
        }
        true
    }

    /// Whether both rows lead to the same embeddings.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.content == other.content && self.values == other.values
    }
}

/// A batch's texts and their vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vectors<'b> {
    pub(crate) texts: &'b [String],
    pub(crate) vectors: &'b [Option<Vec<f32>>],
}

impl<'b> Vectors<'b> {
    /// The text of that number and its vector. `None` if it was not embedded.
    pub(crate) fn get(&self, text: usize) -> Option<(&'b str, &'b [f32])> {
        let vector = self.vectors.get(text)?.as_ref()?;
        Some((self.texts.get(text)?, vector))
    }
}
