//! The library's public interface, as `pgai-sea/public-api.txt` has it.
//!
//! A change of the interface changes that file, so a reviewer sees it: lines that go are what breaks users. To write it
//! anew:
//!
//! ```sh
//! PGAI_SEA_BLESS=1 cargo project public_api
//! ```
//!
//! rustdoc's JSON is not stable: the crate `public-api` reads the format of one version of Rust.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use project_checks::root;
use public_api::{Builder, MINIMUM_NIGHTLY_RUST_VERSION};

use crate::dependencies::metadata;

/// Stands in for rustdoc: writes JSON for the library, and nothing for other crates. Only rustdoc is told to accept
/// unstable options: with the variable set for Cargo, many build scripts would run again.
const RUSTDOC: &str = r#"#!/bin/sh
case " $* " in
    *" --crate-name pgai_sea "*) RUSTC_BOOTSTRAP=1 exec rustdoc "$@" -Zunstable-options --output-format json ;;
    *" --crate-name "*) exit 0 ;;
    *) exec rustdoc "$@" ;;
esac
"#;

/// The library's documentation as JSON, made by `cargo doc` with the features that the rest of the workspace is
/// compiled with: what is compiled for that serves here too.
fn json() -> PathBuf {
    let folder = tempfile::tempdir().unwrap();
    let rustdoc = folder.path().join("rustdoc");
    fs::write(&rustdoc, RUSTDOC).unwrap();
    fs::set_permissions(&rustdoc, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["doc", "--workspace", "--no-deps", "--all-features", "--offline"])
        .current_dir(root())
        .env("RUSTDOC", &rustdoc)
        // so that Cargo does not take this for the documentation that people read
        .env("RUSTDOCFLAGS", "--cfg=public_api")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Path::new(metadata(&["--no-deps"])["target_directory"].as_str().unwrap()).join("doc/pgai_sea.json")
}

/// The lines but those of functions that an implementation has because its trait has them.
fn without_methods_of_traits(lines: impl Iterator<Item = String>) -> String {
    let mut implementing = None;
    let mut kept = String::new();
    for line in lines {
        if line.starts_with("impl") {
            let of_type = line.split_once(" for ").map(|(_, of_type)| of_type);
            implementing = of_type.map(|of_type| format!("pub fn {}::", of_type.split(" where ").next().unwrap()));
        }
        if implementing.as_ref().is_none_or(|method| !line.starts_with(method)) {
            kept += &line;
            kept.push('\n');
        }
    }
    kept
}

#[test]
fn it_is_as_the_file_says() {
    let api = Builder::from_rustdoc_json(json())
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build();
    let api = api.unwrap_or_else(|error| panic!("public-api reads {MINIMUM_NIGHTLY_RUST_VERSION}: {error}"));
    let now = without_methods_of_traits(api.items().map(ToString::to_string));
    let file = root().join("pgai-sea/public-api.txt");
    if std::env::var_os("PGAI_SEA_BLESS").is_some() {
        return fs::write(&file, now).unwrap();
    }
    let before = fs::read_to_string(&file).unwrap_or_default();
    let only = |one: &str, other: &str, mark: char| {
        let other: Vec<&str> = other.lines().collect();
        let lines = one.lines().filter(|line| !other.contains(line));
        lines.map(|line| format!("{mark} {line}\n")).collect::<String>()
    };
    assert!(
        now == before,
        "the public interface is another; if that is meant, `PGAI_SEA_BLESS=1 cargo project public_api`\n{}{}",
        only(&before, &now, '-'),
        only(&now, &before, '+'),
    );
}
