//! Small models of every family, against vectors that sentence-transformers and model2vec computed
//! (`golden/models.py`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use pgai_sea::embedder::{Embedder, InputType, Local, LocalError};
use pgai_sea::rerank::{LocalReranker, Reranker};
use serde::Deserialize;
use serde_json::{Value, json};

use super::local::difference;

#[derive(Deserialize)]
struct Golden {
    models: BTreeMap<String, Model>,
}

#[derive(Deserialize)]
pub(crate) struct Model {
    files: BTreeMap<String, Value>,
    weights: BTreeMap<String, Vec<Tensor>>,
    #[serde(default)]
    cases: Vec<Case>,
    #[serde(default)]
    pairs: Vec<Pair>,
}

/// Its numbers only where they are whole.
#[derive(Deserialize)]
struct Tensor(String, Vec<usize>, String, #[serde(default)] Vec<i64>);

#[derive(Deserialize)]
struct Case {
    text: String,
    vector: Vec<f32>,
}

#[derive(Deserialize)]
struct Pair {
    query: String,
    passage: String,
    score: f32,
}

pub(crate) fn golden(name: &str) -> &'static Model {
    static GOLDEN: OnceLock<Golden> = OnceLock::new();
    let golden = GOLDEN.get_or_init(|| serde_json::from_str(include_str!("../../../golden/models.json")).unwrap());
    &golden.models[name]
}

impl Model {
    /// Writes the model's files, some of them changed.
    pub(crate) fn write(&self, change: impl Fn(&str, &mut Value)) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, contents) in &self.files {
            let mut contents = contents.clone();
            change(name, &mut contents);
            if !contents.is_null() {
                write(&dir.path().join(name), contents.to_string().as_bytes());
            }
        }
        for (name, tensors) in &self.weights {
            write(&dir.path().join(name), &safetensors(tensors));
        }
        dir
    }
}

fn write(path: &Path, contents: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, contents).unwrap();
}

/// The length of a header of JSON, the header, the numbers: those of `golden/models.py`.
fn safetensors(tensors: &[Tensor]) -> Vec<u8> {
    let mut seed = 1u64;
    let mut next = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f32::from(i8::from_le_bytes([seed.to_le_bytes()[5]])) / 256.0
    };
    let (mut header, mut bytes) = (serde_json::Map::new(), Vec::new());
    for Tensor(name, shape, dtype, whole) in tensors {
        let begin = bytes.len();
        let base = if shape.len() == 1 && name.ends_with(".weight") {
            1.0
        } else {
            0.0
        };
        let count = shape.iter().product();
        match &**dtype {
            "I64" => bytes.extend(whole.iter().flat_map(|number| number.to_le_bytes())),
            "I8" => bytes.extend(whole.iter().map(|number| number.to_le_bytes()[0])),
            _ => {
                for number in (0..count).map(|_| base + next()) {
                    match &**dtype {
                        "F32" => bytes.extend(number.to_le_bytes()),
                        "F64" => bytes.extend(f64::from(number).to_le_bytes()),
                        "F16" => bytes.extend(half::f16::from_f32(number).to_le_bytes()),
                        "BF16" => bytes.extend(half::bf16::from_f32(number).to_le_bytes()),
                        other => panic!("{other}"),
                    }
                }
            }
        }
        header.insert(
            name.clone(),
            json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, bytes.len()]}),
        );
    }
    let header = Value::from(header).to_string();
    let mut file = u64::try_from(header.len()).unwrap().to_le_bytes().to_vec();
    file.extend(header.into_bytes());
    file.extend(bytes);
    file
}

/// Embeds the texts of a model one by one and together.
pub(crate) async fn assert_embeds(name: &str, model: &Local) {
    let cases = &golden(name).cases;
    assert!(!cases.is_empty());
    let texts: Vec<&str> = cases.iter().map(|case| case.text.as_str()).collect();
    let together = model.embed(&texts, InputType::Document).await.unwrap().vectors;
    for (case, vector) in cases.iter().zip(&together) {
        assert_eq!(vector.len(), model.dimensions());
        let alone = model.embed(&[&case.text], InputType::Query).await.unwrap().vectors;
        let longest = case.vector.iter().fold(1.0, |longest: f32, x| longest.max(x.abs()));
        for vector in [vector, &alone[0]] {
            let difference = difference(vector, &case.vector) / longest;
            assert!(difference < 1e-5, "{name}: {difference} in {:?}", case.text);
        }
    }
}

#[tokio::test]
async fn every_family_gives_the_vectors_of_its_reference() {
    for name in [
        "bert", // in three files of 16 bits, with two modules Dense
        "roberta",
        "mpnet",
        "distilbert",
        "nomic",
        "modernbert",
        "model2vec",
        "model2vec quantized",
        "static",
    ] {
        let dir = golden(name).write(|_, _| {});
        assert_embeds(name, &Local::from_dir(dir.path()).unwrap()).await;
    }
}

#[tokio::test]
async fn older_files_are_the_same_model() {
    // as transformers 4 and the models' authors wrote them
    let rename = |config: &mut Value, from: &str, to: &str| {
        let keys = config.as_object_mut().unwrap();
        let value = keys.remove(from).unwrap();
        keys.insert(to.to_owned(), value);
    };
    let dir = golden("modernbert").write(|name, config| {
        if name == "config.json" {
            for key in ["layer_types", "rope_parameters"] {
                config.as_object_mut().unwrap().remove(key).unwrap();
            }
            config["global_attn_every_n_layers"] = json!(3);
            config["global_rope_theta"] = json!(160_000.0);
            config["local_rope_theta"] = json!(10_000.0);
        }
    });
    assert_embeds("modernbert", &Local::from_dir(dir.path()).unwrap()).await;
    let dir = golden("nomic").write(|name, config| {
        if name == "config.json" {
            for (from, to) in [
                ("hidden_size", "n_embd"),
                ("num_hidden_layers", "n_layer"),
                ("num_attention_heads", "n_head"),
                ("intermediate_size", "n_inner"),
                ("max_position_embeddings", "n_positions"),
                ("layer_norm_eps", "layer_norm_epsilon"),
            ] {
                rename(config, from, to);
            }
            config.as_object_mut().unwrap().remove("rope_parameters").unwrap();
            config.as_object_mut().unwrap().remove("hidden_act").unwrap();
            config["activation_function"] = json!("swiglu");
            config["rotary_emb_base"] = json!(1000);
            config["rotary_scaling_factor"] = json!(null);
        }
    });
    assert_embeds("nomic", &Local::from_dir(dir.path()).unwrap()).await;
    // a boolean for each way of pooling
    let dir = golden("bert").write(|name, config| {
        if name == "1_Pooling/config.json" {
            *config = json!({"word_embedding_dimension": 24, "pooling_mode_mean_tokens": false,
                "pooling_mode_lasttoken": true});
        }
    });
    assert_embeds("bert", &Local::from_dir(dir.path()).unwrap()).await;
    // without a list of modules the vectors have the length 1, as this model's have
    let dir = golden("roberta").write(|name, contents| {
        if name == "modules.json" {
            *contents = Value::Null;
        }
    });
    assert_embeds("roberta", &Local::from_dir(dir.path()).unwrap()).await;
    let dir = golden("model2vec").write(|name, contents| match name {
        "modules.json" => *contents = Value::Null,
        "config.json" => contents["model_type"] = json!("model2vec"),
        _ => {}
    });
    assert_embeds("model2vec", &Local::from_dir(dir.path()).unwrap()).await;
}

#[tokio::test]
async fn a_roberta_cross_encoder_gives_the_scores_of_its_reference() {
    let model = golden("roberta cross-encoder");
    let dir = model.write(|_, _| {});
    let reranker = LocalReranker::from_dir(dir.path()).unwrap();
    assert!(!model.pairs.is_empty());
    for pair in &model.pairs {
        let score = reranker.rerank(&pair.query, &[&pair.passage]).await.unwrap()[0];
        let difference = (score - pair.score).abs();
        assert!(difference < 1e-5, "{difference} in {:?}", pair.passage);
    }
}

#[test]
fn what_is_not_built_here_is_named() {
    for (model, file, key, value, named) in [
        ("nomic", "config.json", "prenorm", json!(true), "prenorm"),
        (
            "nomic",
            "config.json",
            "rotary_emb_fraction",
            json!(0.5),
            "rotary_emb_fraction",
        ),
        ("nomic", "config.json", "num_experts", json!(8), "num_experts"),
        (
            "roberta",
            "config.json",
            "position_embedding_type",
            json!("relative_key"),
            "relative_key",
        ),
        (
            "bert",
            "2_Dense/config.json",
            "use_residual",
            json!(true),
            "use_residual",
        ),
        (
            "bert",
            "2_Dense/config.json",
            "activation_function",
            json!("torch.nn.GELU"),
            "GELU",
        ),
        (
            "bert",
            "1_Pooling/config.json",
            "pooling_mode",
            json!(["cls", "mean"]),
            "\"cls\", \"mean\"",
        ),
        (
            "roberta",
            "config.json",
            "model_type",
            json!("jina_bert"),
            "xlm-roberta, camembert",
        ),
    ] {
        let dir = golden(model).write(|name, contents| {
            if name == file {
                contents[key] = value.clone();
            }
        });
        let error = Local::from_dir(dir.path()).unwrap_err();
        assert!(matches!(error, LocalError::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains(named), "{error}");
    }
    let dir = golden("roberta").write(|name, contents| {
        if name == "modules.json" {
            contents[2]["type"] = json!("sentence_transformers.models.LSTM");
        }
    });
    let error = Local::from_dir(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("LSTM") && error.contains("Dense and Normalize"),
        "{error}"
    );
    // a file that the index names
    let dir = golden("bert").write(|_, _| {});
    fs::remove_file(dir.path().join("model-00002-of-00003.safetensors")).unwrap();
    let error = Local::from_dir(dir.path()).unwrap_err().to_string();
    assert!(error.contains("model-00002-of-00003.safetensors"), "{error}");
}
