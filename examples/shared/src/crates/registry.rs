//! `registry/src/<registry>/<name>-<version>/`, one directory per crate that was ever built.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use semver::Version;

use super::manifest::Manifest;

/// A crate's unpacked source.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) manifest: Manifest,
    pub(super) dir: PathBuf,
}

/// The newest version of every crate below `sources`, by name. What cannot be read is left out: the registry is
/// Cargo's, and half a directory of it is nothing to stop at.
pub(super) fn newest(sources: &Path) -> Vec<Unpacked> {
    let mut newest: BTreeMap<String, Unpacked> = BTreeMap::new();
    for unpacked in directories(sources)
        .flat_map(|registry| directories(&registry))
        .filter_map(read)
    {
        let known = newest.get(&unpacked.name);
        if known.is_none_or(|known| rank(known) < rank(&unpacked)) {
            newest.insert(unpacked.name.clone(), unpacked);
        }
    }
    newest.into_values().collect()
}

/// Releases go before pre-releases; the path decides between the same version from two registries.
fn rank(unpacked: &Unpacked) -> (bool, &Version, &Path) {
    (unpacked.version.pre.is_empty(), &unpacked.version, &unpacked.dir)
}

fn read(dir: PathBuf) -> Option<Unpacked> {
    let manifest = fs::read(dir.join("Cargo.toml")).ok()?;
    let manifest = Manifest::parse(&String::from_utf8_lossy(&manifest))?;
    Some(Unpacked {
        name: manifest.name().to_owned(),
        version: manifest.version()?,
        manifest,
        dir,
    })
}

fn directories(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_is_taken_and_rubbish_is_passed_over() {
        let root = std::env::temp_dir().join(format!("examples-registry-{}", std::process::id()));
        let package = |registry: &str, dir: &str, manifest: &[u8]| {
            let dir = root.join(registry).join(dir);
            fs::create_dir_all(&dir).expect("a directory");
            fs::write(dir.join("Cargo.toml"), manifest).expect("a file");
        };
        package("a", "x-0.9.0", b"[package]\nname = \"x\"\nversion = \"0.9.0\"");
        package("a", "x-0.10.0", b"[package]\nname = \"x\"\nversion = \"0.10.0\"");
        package(
            "b",
            "x-1.0.0-rc.1",
            b"[package]\nname = \"x\"\nversion = \"1.0.0-rc.1\"",
        );
        package("b", "y-1.0.0", b"[package]\nname = \"y\"\nversion = \"1.0.0\" # \xff");
        package("b", "z-1.0.0", b"\xff\xfe");
        fs::create_dir_all(root.join("b/empty-1.0.0")).expect("a directory");
        fs::write(root.join("b/file"), "").expect("a file");

        let found: Vec<_> = newest(&root)
            .into_iter()
            .map(|unpacked| (unpacked.name, unpacked.version.to_string()))
            .collect();
        fs::remove_dir_all(&root).expect("the directory to go");
        assert_eq!(found, [("x".into(), "0.10.0".into()), ("y".into(), "1.0.0".into())]);
        assert!(newest(&root).is_empty());
    }
}
