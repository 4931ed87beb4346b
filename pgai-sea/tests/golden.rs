//! Chunks and formatted text against what Python makes of them: `golden/generate.py` wrote the expectations.
#![cfg(feature = "chunking")]
#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

use std::path::PathBuf;

use pgai_sea::config::{Chunking, Formatting};
use pgai_sea::text::TemplateError;
use serde_json::{Value, json};

/// The cases of one file; `PGAI_SEA_GOLDEN_DIR` names a directory of freshly made ones.
fn cases(file: &str) -> Vec<Value> {
    let checked_in = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let directory = std::env::var_os("PGAI_SEA_GOLDEN_DIR").map_or_else(checked_in, PathBuf::from);
    let text = std::fs::read_to_string(directory.join(file)).unwrap();
    let mut golden: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(golden["cases"].take()).unwrap()
}

#[test]
fn chunks_equal_langchains() {
    let cases = cases("splitters.json");
    assert!(cases.len() > 300);
    for case in cases {
        let mut stored = case.clone();
        stored["config_type"] = json!("chunking");
        let chunking: Chunking = serde_json::from_value(stored).unwrap();
        let chunks = chunking.split(case["text"].as_str().unwrap());
        if case["error"].is_null() {
            assert_eq!(json!(chunks.as_ref().ok()), case["chunks"], "{case}\n{chunks:?}");
        } else {
            assert!(chunks.is_err(), "{case}\n{chunks:?}");
        }
    }
}

#[test]
fn templates_equal_pythons() {
    for case in cases("template.json") {
        let template = Formatting::python_template(case["template"].as_str().unwrap());
        let row = &case["row"];
        let value = |name: &str| row[name].as_str().map(str::to_owned);
        let text = template.render(row["chunk"].as_str().unwrap(), value);
        if case["error"].is_null() {
            assert_eq!(text.as_deref().ok(), case["text"].as_str(), "{case}\n{text:?}");
            continue;
        }
        let expected = case["error"].as_str().unwrap();
        match text.unwrap_err() {
            TemplateError::Missing { name } => assert_eq!(expected, format!("KeyError: '{name}'")),
            TemplateError::Invalid { line, column } => {
                assert_eq!(
                    expected,
                    format!("ValueError: Invalid placeholder in string: line {line}, col {column}")
                );
            }
            other => panic!("{case}: {other}"),
        }
    }
}
