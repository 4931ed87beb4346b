//! The splitters that pgai's worker cuts texts with, in Python.

use std::path::PathBuf;

use crate::Result;
use crate::place::parts_dir;
use crate::wheel::SPLITTERS;

/// A directory with the package `langchain_text_splitters`, of which the modules `base` and `character` are there. They
/// import `langchain_core.documents` and `typing_extensions`, of which they use no more than names.
///
/// # Errors
///
/// About fetching the wheel that holds it.
pub fn splitters_dir() -> Result<PathBuf> {
    SPLITTERS.unpacked(&parts_dir()?)
}
