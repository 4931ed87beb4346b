//! The documents that a batch's rows hold or lead to become text. Each fails alone.

use futures::StreamExt as _;
use futures::stream;

use super::item::{Content, Failure, Item, Outcome};
use super::load::Loaded;
use super::stop_reason::StopReason;
use crate::document::{DocumentError, Documents};

/// Documents that are loaded at once.
const AT_ONCE: usize = 8;
/// A batch has about so many bytes of documents' text. The rest goes back to the queue.
const MOST_TEXT: usize = 32 << 20;

/// Reads the documents of one vectorizer.
#[derive(Debug)]
pub(crate) struct DocumentReader {
    pub(crate) documents: Documents,
    /// The AWS role that is assumed to read from S3.
    pub(crate) role: Option<String>,
    /// Whether documents are parsed, or taken as text.
    pub(crate) parses: bool,
}

impl DocumentReader {
    /// Reads the documents of all rows. A row whose document fails becomes an item that has failed.
    ///
    /// # Errors
    ///
    /// Nothing can be parsed, whatever the document is.
    pub(super) async fn read(&self, loaded: &mut Loaded) -> Result<(), StopReason> {
        let rows = std::mem::take(&mut loaded.rows);
        let contents: Vec<Option<Content>> = rows
            .iter()
            .map(|(_, row, _)| row.as_ref().and_then(|row| row.content.clone()))
            .collect();
        let mut texts = stream::iter(contents)
            .map(|content| async {
                match content {
                    Some(content) => self.text(content).await.map(Some),
                    None => Ok(None),
                }
            })
            .buffered(AT_ONCE);
        let mut bytes = 0;
        for (claimed, mut row, stored) in rows {
            if bytes >= MOST_TEXT {
                loaded.left_out.push(claimed.key);
                continue;
            }
            match texts.next().await.unwrap_or(Ok(None)) {
                Ok(text) => {
                    bytes += text.as_ref().map_or(0, String::len);
                    if let Some(row) = &mut row {
                        row.document = text;
                    }
                    loaded.rows.push((claimed, row, stored));
                }
                Err(error @ DocumentError::Parser { .. }) => return Err(StopReason::Configuration(error.to_string())),
                Err(error) => {
                    let reason = error.to_string();
                    let failure = match error {
                        DocumentError::Parse { .. } => Failure::parsing(reason),
                        _ => Failure::loading(reason),
                    };
                    loaded.unreadable.push(Item {
                        key: claimed.key,
                        attempts: claimed.attempts,
                        seen: row,
                        outcome: Outcome::Failed(failure),
                    });
                }
            }
        }
        Ok(())
    }

    async fn text(&self, content: Content) -> Result<String, DocumentError> {
        let parsed = match content {
            Content::Bytes(bytes) => self.documents.parse(bytes, None).await?,
            Content::Text(address) if address.trim().is_empty() => return Ok(String::new()),
            Content::Text(address) if self.parses => self.documents.read_as(&address, self.role.as_deref()).await?,
            Content::Text(address) => return self.documents.text_as(&address, self.role.as_deref()).await,
        };
        Ok(parsed.into_markdown())
    }
}
