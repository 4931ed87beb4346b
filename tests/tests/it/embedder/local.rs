//! The in-process model, against vectors that sentence-transformers computed (`golden/minilm.py`).

use std::fs;
use std::sync::OnceLock;

use pgai_sea::embedder::{Embedder, InputType, Local, LocalError, Prompts};
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
pub(super) fn difference(a: &[f32], b: &[f32]) -> f32 {
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
    fs::write(dir.join("config.json"), config.replace("\"bert\"", "\"jina_bert\"")).unwrap();
    let error = Local::from_dir(&dir).unwrap_err();
    fs::remove_dir_all(&dir).unwrap();
    assert!(error.to_string().contains("jina_bert"), "{error}");
}

/// The model's files, and one more of these contents.
fn copy_with(name: &str, contents: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let model = real_parts::minilm_dir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::os::unix::fs::symlink(model.join(file), dir.path().join(file)).unwrap();
    }
    let path = dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, contents).unwrap();
    dir
}

#[tokio::test]
async fn the_models_files_say_what_it_reads_before_a_text() {
    let plain = Local::from_dir(real_parts::minilm_dir().unwrap()).unwrap();
    let vector = async |model: &Local, text: &str, input_type| {
        let mut vectors = model.embed(&[text], input_type).await.unwrap().vectors;
        vectors.remove(0)
    };
    let (document, query) = (InputType::Document, InputType::Query);
    for (file, before_document, before_query) in [
        (
            r#"{"prompts": {"query": "query: ", "passage": "passage: "}}"#,
            "passage: ",
            "query: ",
        ),
        (
            r#"{"prompts": {"query": "ask: ", "any": "any: "}, "default_prompt_name": "any"}"#,
            "any: ",
            "ask: ",
        ),
        (
            r#"{"prompts": {"query": "ask: "}, "default_prompt_name": null, "__version__": {}}"#,
            "",
            "ask: ",
        ),
        ("{}", "", ""),
    ] {
        let dir = copy_with("config_sentence_transformers.json", file);
        let model = Local::from_dir(dir.path()).unwrap();
        for (input_type, before) in [(document, before_document), (query, before_query)] {
            let expected = vector(&plain, &format!("{before}a lamp"), document).await;
            let found = vector(&model, "a lamp", input_type).await;
            assert!(difference(&found, &expected) < 1e-6, "{file} {input_type:?}");
        }
        // beside pgai's worker, which adds none
        let bare = model.prompts(Prompts::none());
        let (found, expected) = (
            vector(&bare, "a lamp", query).await,
            vector(&plain, "a lamp", query).await,
        );
        assert!(difference(&found, &expected) < 1e-6, "{file}");
    }
    let dir = copy_with(
        "1_Pooling/config.json",
        r#"{"pooling_mode_mean_tokens": true, "include_prompt": false}"#,
    );
    assert!(Local::from_dir(dir.path()).is_ok());
    fs::write(
        dir.path().join("config_sentence_transformers.json"),
        r#"{"prompts": {"query": "ask: "}}"#,
    )
    .unwrap();
    let error = Local::from_dir(dir.path()).unwrap_err();
    assert!(error.to_string().contains("include_prompt"), "{error}");
}
