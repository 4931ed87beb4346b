//! Chunks and formatted text against Python's own, on random texts and parameters.
//!
//! LangChain's splitters run as pgai's worker runs them; see `python.py`.

mod cases;
mod damaged;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use pgai_sea::config::{Chunking, Formatting};
use pgai_sea::text::{SplitError, TemplateError};
use pgai_sea_tests::{rounds, seed};
use serde::Deserialize;
use serde_json::{Value, json};

use self::cases::Cases;

#[derive(Deserialize)]
struct Answers {
    splits: Vec<Answer>,
    templates: Vec<Answer>,
}

/// What Python says of a case.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    value: Value,
    error: Option<String>,
    /// It was stopped before it came to an end.
    #[serde(default)]
    late: bool,
}

fn ask(splits: &[Value], templates: &[Value]) -> Answers {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/splitters/python.py");
    let mut python = Command::new("python3")
        .arg("-B") // what was fetched stays as it came
        .arg(script)
        .arg(real_parts::splitters_dir().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3, which also fetched what it is to run");
    let cases = json!({ "splits": splits, "templates": templates }).to_string();
    let mut input = python.stdin.take().unwrap();
    // it reads all before it writes anything
    input.write_all(cases.as_bytes()).unwrap();
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A chunk's place is where its text is.
#[test]
fn chunks_know_where_they_were_cut_from() {
    let seed = seed(5_115);
    let mut cases = Cases::new(seed);
    let (mut exact, mut joined) = (0, 0);
    for _ in 0..rounds(2_000) {
        let case = cases.split();
        let (text, options) = (case["text"].as_str().unwrap(), &case["options"]);
        let mut stored = options.clone();
        stored["implementation"] = case["implementation"].clone();
        stored["config_type"] = "chunking".into();
        let chunking: Chunking = serde_json::from_value(stored).unwrap();
        let Ok(chunks) = chunking.chunks(text) else { continue };
        let is_regex = options["is_separator_regex"] == true;
        let mut last = 0;
        for chunk in chunks {
            let about = || format!("seed {seed}: {case}\n{chunk:?}");
            let there = &text[chunk.bytes.clone()];
            let characters = text[..chunk.bytes.start].chars().count();
            let counted = characters..characters + there.chars().count();
            assert_eq!(chunk.characters, counted, "{}", about());
            if there == chunk.text {
                exact += 1;
            } else {
                // LangChain joins pieces with a separator that was not between them, or takes one of several away
                joined += 1;
                assert!(
                    is_regex || case["implementation"] == "character_text_splitter",
                    "{}",
                    about()
                );
            }
            assert!(is_regex || last <= chunk.bytes.start, "{}", about());
            last = chunk.bytes.start;
            if is_regex {
                continue;
            }
            let separator = options["separator"].as_str().unwrap_or("\n\n");
            let squeeze = |text: &str| match separator {
                "" => text.to_owned(),
                separator => text
                    .split(separator)
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join(separator),
            };
            assert_eq!(squeeze(there), squeeze(&chunk.text), "{}", about());
        }
    }
    assert!(exact > joined && joined > 0, "{exact} {joined}");
}

#[test]
fn chunks_and_texts_are_pythons() {
    let (seed, count) = (seed(2_026), rounds(1_000));
    let mut cases = Cases::new(seed);
    let splits: Vec<Value> = (0..count).map(|_| cases.split()).collect();
    let templates: Vec<Value> = (0..count / 4).map(|_| cases.template()).collect();
    let answers = ask(&splits, &templates);

    let mut differences = Vec::new();
    let (mut agreed, mut refused, mut skipped) = (0, 0, 0);
    for (case, answer) in splits.iter().zip(&answers.splits) {
        // A group that took no part in a match: 0.3 fails on the None, 1.0 leaves it out, and so does this.
        let is_none = answer.error.as_ref().is_some_and(|error| error.contains("NoneType"));
        if answer.late || is_none && case["implementation"] == "character_text_splitter" {
            skipped += 1;
            continue;
        }
        let mut stored = case["options"].clone();
        stored["implementation"] = case["implementation"].clone();
        stored["config_type"] = "chunking".into();
        let chunking: Chunking = serde_json::from_value(stored).unwrap();
        let chunks = chunking.split(case["text"].as_str().unwrap());
        if matches!(chunks, Err(SplitError::Search { .. })) {
            skipped += 1; // it takes too long here
            continue;
        }
        match (&chunks, &answer.error) {
            (Ok(chunks), None) if json!(chunks) == answer.value => agreed += 1,
            (Err(_), Some(_)) => refused += 1,
            _ => differences.push(format!("{case}\n  here   {chunks:?}\n  Python {answer:?}")),
        }
    }
    for (case, answer) in templates.iter().zip(&answers.templates) {
        let template = Formatting::python_template(case["template"].as_str().unwrap());
        let row = &case["row"];
        let value = |name: &str| row[name].as_str().map(str::to_owned);
        let text = template.render(row["chunk"].as_str().unwrap(), value);
        let error = match &text {
            Ok(_) => None,
            Err(TemplateError::Missing { name }) => Some(format!("KeyError: '{name}'")),
            Err(TemplateError::Invalid { line, column }) => Some(format!(
                "ValueError: Invalid placeholder in string: line {line}, col {column}"
            )),
            Err(other) => Some(other.to_string()),
        };
        if text.as_deref().ok() == answer.value.as_str() && error == answer.error {
            agreed += 1;
        } else {
            differences.push(format!("{case}\n  here   {text:?}\n  Python {answer:?}"));
        }
    }
    let shown = differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(
        differences.is_empty(),
        "seed {seed}: {} differences, {agreed} agreements, {refused} refusals, {skipped} skipped\n{shown}",
        differences.len()
    );
    // most of it has to be worth comparing
    assert!(
        agreed > count && skipped < count / 20,
        "{agreed} agreements, {refused} refusals, {skipped} skipped"
    );
}
