//! Separators and templates that somebody mistyped: nothing breaks, nothing hangs, and what is taken is Python's.

use std::time::{Duration, Instant};

use pgai_sea::config::{Chunking, Formatting};
use pgai_sea_tests::{Random, rounds, seed};
use serde_json::{Value, json};

use super::ask;
use super::cases::Cases;

/// What has a meaning in a regular expression or in a template.
const SIGNS: &str = r"()[]{}?*+|^$.\-,:=!<>#&~P0123456789aAbBdDsSwWxuUnNzZ ";
/// More than any text of these cases takes, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The text with a few characters lost, doubled, replaced or moved.
fn damaged(random: &mut Random, whole: &str) -> String {
    let mut text: Vec<char> = whole.chars().collect();
    let mut below = |end: usize| usize::try_from(random.below(end.max(1) as u64)).unwrap();
    let signs: Vec<char> = SIGNS.chars().collect();
    for _ in 0..=below(3) {
        let at = below(text.len() + 1);
        let sign = signs[below(signs.len())];
        match below(5) {
            0 if at < text.len() => drop(text.remove(at)),
            1 if at < text.len() => text.insert(at, text[at]),
            2 if at < text.len() => text[at] = sign,
            3 => text.truncate(at),
            _ => text.insert(at, sign),
        }
    }
    text.into_iter().collect()
}

#[test]
fn mistyped_separators_and_templates_break_nothing() {
    let (seed, count) = (seed(7_301), rounds(150));
    let (mut cases, mut random) = (Cases::new(seed), Random::new(seed));
    let splits: Vec<Value> = (0..count)
        .map(|_| {
            let mut case = cases.split();
            let options = &mut case["options"];
            options["is_separator_regex"] = true.into();
            if let Some(separator) = options.get("separator").and_then(Value::as_str).map(str::to_owned) {
                options["separator"] = damaged(&mut random, &separator).into();
            } else {
                let separator = cases.split()["options"]["separator"]
                    .as_str()
                    .unwrap_or(r"(\s+|a)")
                    .to_owned();
                options["separators"] = json!([damaged(&mut random, &separator), " "]);
            }
            case
        })
        .collect();
    let templates: Vec<Value> = (0..count)
        .map(|_| {
            let mut case = cases.template();
            case["template"] = damaged(&mut random, case["template"].as_str().unwrap()).into();
            case
        })
        .collect();
    let answers = ask(&splits, &templates);

    let mut differences = Vec::new();
    let (mut agreed, mut refused, mut apart) = (0, 0, 0);
    for (case, answer) in splits.iter().zip(&answers.splits) {
        let mut stored = case["options"].clone();
        stored["implementation"] = case["implementation"].clone();
        stored["config_type"] = "chunking".into();
        let chunking: Chunking = serde_json::from_value(stored).unwrap();
        let began = Instant::now();
        let chunks = chunking.split(case["text"].as_str().unwrap());
        assert!(
            began.elapsed() < PATIENCE,
            "seed {seed}: {:?} for {case}",
            began.elapsed()
        );
        match (&chunks, &answer.error) {
            _ if answer.late => {}
            (Ok(chunks), None) if json!(chunks) == answer.value => agreed += 1,
            (Ok(chunks), None) => differences.push(format!("{case}\n  here   {chunks:?}\n  Python {answer:?}")),
            (Err(error), Some(_)) => {
                assert!(error.to_string().chars().count() < 2_000, "{error}");
                refused += 1;
            }
            // one of the two takes what the other does not: said to whoever wrote it, and seldom
            (Ok(_), Some(_)) | (Err(_), None) => apart += 1,
        }
    }
    for (case, answer) in templates.iter().zip(&answers.templates) {
        let row = &case["row"];
        let value = |name: &str| row[name].as_str().map(str::to_owned);
        let template = Formatting::python_template(case["template"].as_str().unwrap());
        let text = template.render(row["chunk"].as_str().unwrap(), value);
        match (&text, &answer.error) {
            (Ok(text), None) if json!(text) == answer.value => agreed += 1,
            (Err(_), Some(_)) => refused += 1,
            _ => differences.push(format!("{case}\n  here   {text:?}\n  Python {answer:?}")),
        }
    }
    let shown = differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    let tally = format!("seed {seed}: {agreed} agreements, {refused} refusals by both, {apart} by one");
    assert!(
        differences.is_empty(),
        "{tally}, {} differences\n{shown}",
        differences.len()
    );
    // it is worth something only if both kinds are there
    assert!(
        agreed > count / 2 && refused > count / 10 && apart < count / 10,
        "{tally}"
    );
}
