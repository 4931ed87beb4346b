//! The documents that a batch's rows hold or lead to become text. Each fails alone.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;

use super::item::{Content, Failure, Item, Outcome};
use super::load::Loaded;
use super::stop_reason::StopReason;
use crate::document::{DocumentError, Documents, Parsed};
use crate::worker::queue::document_log::DocumentLog;

/// Documents that are loaded at once.
const AT_ONCE: usize = 8;
/// A batch has about so many bytes of documents' text. The rest goes back to the queue.
const MOST_TEXT: usize = 32 << 20;

/// What became of a row's document, and the version that was loaded.
type Read = (Result<Parsed, DocumentError>, Option<String>);

/// Reads the documents of one vectorizer.
#[derive(Debug)]
pub(crate) struct DocumentReader {
    pub(crate) documents: Documents,
    /// The AWS role that is assumed to read from S3.
    pub(crate) role: Option<String>,
    /// Whether documents are parsed, or taken as text.
    pub(crate) parses: bool,
    /// Whether they are loaded from addresses.
    pub(crate) loads: bool,
    /// Where the versions of documents are kept, if somebody looks for others.
    pub(crate) log: Option<Arc<DocumentLog>>,
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
                    Some(content) => Some(self.text(content).await),
                    None => None,
                }
            })
            .buffered(AT_ONCE);
        let (mut keys, mut versions) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for (claimed, mut row, stored) in rows {
            if bytes >= MOST_TEXT {
                loaded.left_out.push(claimed.key);
                continue;
            }
            let (read, version) = texts
                .next()
                .await
                .flatten()
                .map_or((Ok(None), None), |(read, version)| (read.map(Some), version));
            keys.push(claimed.key.clone());
            versions.push(version);
            match read {
                Ok(text) => {
                    bytes += text.as_ref().map_or(0, |text| text.markdown().len());
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
        if let Some(log) = &self.log {
            // before anything is written: a row that goes back to the queue is loaded again
            log.record(&keys.iter().collect::<Vec<_>>(), versions).await?;
        }
        Ok(())
    }

    async fn text(&self, content: Content) -> Read {
        match content {
            Content::Bytes(bytes) => (self.documents.parse(bytes, None).await, None),
            Content::Text(address) if address.trim().is_empty() => (Ok(Parsed::text(String::new())), None),
            Content::Text(address) => {
                self.documents
                    .read_as(&address, self.role.as_deref(), self.parses)
                    .await
            }
        }
    }
}
