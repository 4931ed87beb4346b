//! The in-process model, against vectors that sentence-transformers computed (`golden/minilm.py`).

use std::fs;
use std::sync::OnceLock;

use pgai_sea::embedder::{Embedder, InputType, Local, LocalError};
use serde::Deserialize;

use super::embed;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    /// With the special ones, before any cutting.
    tokens: usize,
    embedding: Vec<f32>,
}

fn golden() -> Vec<Case> {
    let golden: Golden = serde_json::from_str(include_str!("../../../golden/minilm.json")).unwrap();
    golden.cases
}

fn minilm() -> &'static Local {
    static MODEL: OnceLock<Local> = OnceLock::new();
    MODEL.get_or_init(|| Local::from_dir(real_parts::minilm_dir().unwrap()).unwrap())
}

/// The largest difference of two numbers at the same place.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0., f32::max)
}

#[tokio::test]
async fn embeddings_are_those_of_sentence_transformers() {
    let cases = golden();
    // where tokenizer.json would cut, where the model does, and nothing at all
    for tokens in [129..=256, 257..=usize::MAX, 2..=2] {
        assert!(cases.iter().any(|case| tokens.contains(&case.tokens)), "{tokens:?}");
    }
    for case in &cases {
        let vector = embed(minilm(), &[&case.text]).await.unwrap().remove(0);
        let difference = difference(&vector, &case.embedding);
        assert!(difference < 1e-4, "{difference} in {:?}", case.text);
    }
}

#[tokio::test]
async fn company_changes_nothing() {
    let cases = golden();
    // several batches, with the same texts at different places in them
    let texts: Vec<&str> = cases
        .iter()
        .cycle()
        .take(3 * cases.len() + 1)
        .map(|case| case.text.as_str())
        .collect();
    let vectors = minilm().embed(&texts, InputType::Query).await.unwrap().vectors;
    assert_eq!(vectors.len(), texts.len());
    for (vector, case) in vectors.iter().zip(cases.iter().cycle()) {
        let difference = difference(vector, &case.embedding);
        assert!(difference < 1e-4, "{difference} in {:?}", case.text);
    }
}

#[tokio::test]
async fn the_runtime_goes_on_meanwhile() {
    // on the one thread of this test's runtime: a model that blocked it would let nothing else run
    let golden = golden();
    let texts: Vec<&str> = golden.iter().map(|case| case.text.as_str()).collect();
    let embedding = minilm().embed(&texts, InputType::Document);
    let mut turns = 0;
    tokio::pin!(embedding);
    loop {
        tokio::select! {
            embeddings = &mut embedding => break assert_eq!(embeddings.unwrap().vectors.len(), texts.len()),
            () = tokio::time::sleep(std::time::Duration::from_millis(1)) => turns += 1,
        }
    }
    assert!(turns > 2, "{turns}");
}

#[test]
fn a_directory_without_a_model_says_what_belongs_there() {
    let error = Local::from_dir("/nowhere").unwrap_err();
    assert!(matches!(error, LocalError::Read { .. }), "{error:?}");
    let shown = error.to_string();
    assert!(
        shown.contains("/nowhere/config.json") && shown.contains("model.safetensors"),
        "{shown}"
    );
}

#[test]
fn a_model_of_another_kind_is_not_run_as_if_it_were_bert() {
    let dir = std::env::temp_dir().join(format!("pgai-sea-not-bert-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let config = fs::read_to_string(real_parts::minilm_dir().unwrap().join("config.json")).unwrap();
    fs::write(dir.join("config.json"), config.replace("\"bert\"", "\"mpnet\"")).unwrap();
    let error = Local::from_dir(&dir).unwrap_err();
    fs::remove_dir_all(&dir).unwrap();
    assert!(error.to_string().contains("`mpnet`"), "{error}");
}
