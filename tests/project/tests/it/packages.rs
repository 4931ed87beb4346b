//! What the published crates contain.

use std::fs;
use std::path::PathBuf;

use project_checks::{files, root};

/// The folders of the crates that are published.
fn published() -> Vec<PathBuf> {
    let crates = files().into_iter().filter(|path| path.ends_with("Cargo.toml"));
    let crates = crates.filter(|path| {
        let manifest = fs::read_to_string(root().join(path)).unwrap();
        manifest.contains("[package]") && !manifest.contains("publish = false")
    });
    crates.map(|path| path.parent().unwrap().to_owned()).collect()
}

/// Cargo takes files from a crate's own folder, and a symbolic link is not a file everywhere.
#[test]
fn the_crates_have_the_licences_of_the_repository() {
    let published = published();
    assert!(published.len() >= 2, "{published:?}");
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        let original = fs::read_to_string(root().join(licence)).unwrap();
        for package in &published {
            let copy = fs::read_to_string(root().join(package).join(licence)).unwrap_or_default();
            assert!(copy == original, "copy {licence} to {}", package.display());
        }
    }
}

#[test]
fn nothing_is_a_symbolic_link() {
    let links: Vec<_> = files()
        .into_iter()
        .filter(|path| root().join(path).is_symlink())
        .collect();
    assert!(links.is_empty(), "{links:?}");
}
