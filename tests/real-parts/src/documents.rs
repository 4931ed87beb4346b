//! The documents that pgai's own tests read.

use std::path::PathBuf;

use crate::Result;
use crate::place::parts_dir;
use crate::wheel::DOCUMENTS;

/// A directory with PDF, Word, EPUB, Markdown, text and a picture.
///
/// # Errors
///
/// About fetching the source distribution that holds it.
pub fn documents_dir() -> Result<PathBuf> {
    let source = DOCUMENTS.unpacked(&parts_dir()?)?;
    Ok(source.join("pgai-0.12.1/tests/vectorizer/cli/documents"))
}
