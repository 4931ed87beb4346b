//! Where the repository is, and which files it has.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's folder.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = tests.and_then(Path::parent);
    root.unwrap_or(Path::new(".")).to_owned()
}

/// All files and symbolic links of the repository, relative to [`root`]; not what was built or is hidden.
pub fn files() -> Vec<PathBuf> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let is_skipped = name == "target" || name.to_string_lossy().starts_with('.');
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if !is_skipped {
                    folders.push(path);
                }
            } else if let Ok(path) = path.strip_prefix(&root) {
                found.push(path.to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The files whose names end so, with their text.
///
/// # Panics
///
/// If one cannot be read.
pub fn texts(extension: &str) -> impl Iterator<Item = (PathBuf, String)> {
    let files = files().into_iter();
    let files = files.filter(move |path| path.extension().is_some_and(|is| is == extension));
    files.map(|path| {
        let text = fs::read_to_string(root().join(&path));
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, text)
    })
}
