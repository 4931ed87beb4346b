//! Documents: an address or bytes become text.
//!
//! A vectorizer with `loading_uri` embeds the documents that a column's addresses lead to. One with a `bytea` column
//! embeds the documents in that column. [`Documents`] says how its worker reads them.
//!
//! ```no_run
//! # #[cfg(feature = "worker")]
//! # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
//! use pgai_sea::document::Documents;
//! use pgai_sea::worker::Worker;
//!
//! let documents = Documents::in_child("/usr/local/bin/pgai-sea")
//!     .allow_path("/srv/documents")
//!     .allow_prefix("https://docs.example.com/")
//!     .allow_prefix("s3://manuals/");
//! Worker::new(db).documents(documents).run_once().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | option | default | meaning |
//! |---|---|---|
//! | [`allow_path`](Documents::allow_path) | none | folders of this machine that may be read |
//! | [`allow_prefix`](Documents::allow_prefix) | none | addresses that may be loaded: `https://`, `http://`, `s3://`, `gs://`, `az://` |
//! | [`allow_private_hosts`](Documents::allow_private_hosts) | no | whether http(s) may lead into private networks |
//! | [`most_bytes`](Documents::most_bytes) | 64 MB | the largest document |
//! | [`most_text`](Documents::most_text) | 32 MB | the longest text of a document |
//! | [`most_memory`](Documents::most_memory) | 1 GB | the memory of the process that parses |
//! | [`timeout`](Documents::timeout) | 1 min | how long loading and parsing may take, each |
//! | [`recheck`](Documents::recheck) | never | how often a document is looked at again |
//! | [`forget_missing`](Documents::forget_missing) | no | whether a document that is gone takes its embeddings along |
//!
//! # Where documents are parsed
//!
//! A document may come from anybody, and a parser is a large program. You choose where it runs:
//!
//! - [`Documents::in_child`] starts a process for each document. The process has no environment, opens no file, and has
//!   limits of memory and time. If it dies, only that document has failed. `pgai-sea worker` does this. Your own
//!   program can be the child: call [`run_child`] first in `main`.
//! - [`Documents::in_process`] parses in your process. It is faster for small documents. A document that exhausts the
//!   memory or the stack ends your process, and a parser that does not end keeps its thread. Use it for documents
//!   that you wrote yourself.
//!
//! # Formats
//!
//! PDF, Word (docx), PowerPoint (pptx), Excel (xlsx), EPUB, HTML and e-mail become Markdown. The content decides which
//! format it is, and not the name. Text in UTF-8 or UTF-16, and so Markdown, stays as it is. Only CSV is known by its
//! name or media type. What is understood by none of them is an error that says what it seems to be.
//!
//! Of PDF you get the text in reading order, with its pages. Headings, tables and pictures of a PDF are lost, and a
//! scanned page has no text. [`preview`] shows what becomes of a file.

mod error;
mod load;
mod parse;
mod parsed;
mod settings;
mod sync;

pub use self::error::DocumentError;
#[cfg(feature = "worker")]
pub(crate) use self::load::Now;
pub use self::parse::child::run_child;
pub use self::parse::format::Format;
pub use self::parsed::{PageStart, Parsed, Passage};
pub use self::settings::Documents;
pub use self::sync::{SyncError, SyncPrefix, Synced};
pub use crate::text::Heading;

use std::path::Path;

/// What a worker would make of a file: its text as Markdown. Parses in this process, and blocks.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pgai_sea::Chunking;
/// use pgai_sea::document::preview;
///
/// # let dir = tempfile::tempdir()?;
/// # let file = dir.path().join("page.html");
/// # std::fs::write(&file, "<html><body><h1>Tides</h1><p>The moon pulls.</p></body></html>")?;
/// let parsed = preview(&file)?;
/// assert_eq!(parsed.markdown(), "# Tides\n\nThe moon pulls.");
/// let passages = parsed.passages(&Chunking::none().into())?;
/// assert_eq!(passages[0].place.headings, ["Tides"]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The file cannot be read, or is not understood.
pub fn preview(path: impl AsRef<Path>) -> Result<Parsed, DocumentError> {
    let path = path.as_ref();
    let address = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| DocumentError::load(&address, error))?;
    parse::parse(bytes, path.to_str(), usize::MAX).map_err(DocumentError::parse)
}
