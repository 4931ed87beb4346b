//! The licences of all dependencies, and those that are compiled in several versions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use project_checks::root;
use serde_json::Value;
use spdx::{Expression, Licensee, ParseMode};

/// What may be linked into a program under `MIT OR Apache-2.0`.
const ACCEPTED: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0", // data: the certificates of Mozilla's root program
    "ISC",
    "MPL-2.0", // of each file: its changes are published, nothing else
    "Unicode-3.0",
    "Zlib",
];

/// What Cargo says of the workspace.
pub(crate) fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--all-features", "--offline"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The packages that a build on this platform compiles. Nothing is fetched.
fn packages() -> Vec<Value> {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = metadata(&["--filter-platform", host]);
    let compiled: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| compiled.contains(package["id"].as_str().unwrap()) && !package["source"].is_null())
        .cloned()
        .collect()
}

#[test]
fn licences_are_accepted() {
    let accepted: Vec<Licensee> = ACCEPTED.map(|licence| Licensee::parse(licence).unwrap()).into();
    let mut refused = Vec::new();
    let packages = packages();
    assert!(packages.len() > 100, "{} packages", packages.len());
    for package in packages {
        let licence = package["license"].as_str().unwrap_or_default();
        // older crates write a slash for OR
        let is_accepted = Expression::parse_mode(licence, ParseMode::LAX).is_ok_and(|expression| {
            expression.evaluate(|required| accepted.iter().any(|accepted| accepted.satisfies(required)))
        });
        if !is_accepted {
            refused.push(format!("{} {}: {licence:?}", package["name"], package["version"]));
        }
    }
    assert!(
        refused.is_empty(),
        "licences that nobody has accepted:\n{}",
        refused.join("\n")
    );
}

/// `duplicates.txt` has a line for each crate that is compiled more than once, with the number of its versions.
/// `PGAI_SEA_BLESS=1` writes it anew.
#[test]
fn nothing_new_is_compiled_in_several_versions() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        let text = |field: &str| package[field].as_str().unwrap().to_owned();
        versions.entry(text("name")).or_default().insert(text("version"));
    }
    versions.retain(|_, versions| versions.len() > 1);
    let now: BTreeSet<String> = versions
        .iter()
        .map(|(name, versions)| format!("{name} {}\n", versions.len()))
        .collect();
    let file = root().join("tests/project/tests/it/duplicates.txt");
    if std::env::var_os("PGAI_SEA_BLESS").is_some() {
        return fs::write(&file, now.into_iter().collect::<String>()).unwrap();
    }
    let tolerated = fs::read_to_string(&file).unwrap();
    let tolerated: BTreeSet<String> = tolerated.lines().map(|line| format!("{line}\n")).collect();
    let more: String = now.difference(&tolerated).cloned().collect();
    let fewer: String = tolerated.difference(&now).cloned().collect();
    assert!(
        now == tolerated,
        "crates and their versions that duplicates.txt does not have:\n{more}that only it has:\n{fewer}{versions:#?}"
    );
}
