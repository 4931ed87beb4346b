//! The encoder against the definition of BERT, written down plainly in double precision, with small models of random
//! weights.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_precision_loss)]

use std::collections::BTreeMap;

use half::{bf16, f16};
use pgai_sea_bert::{Config, CrossEncoder, EncodeError, Encoder, LoadError, Pair, Pooling};
use safetensors::{Dtype, tensor::TensorView};

const VOCABULARY: usize = 50;
const POSITIONS: usize = 40;
const HIDDEN: usize = 36; // neither this nor a head's 12 is a multiple of a register
const HEADS: usize = 3;
const INTERMEDIATE: usize = 75;
const LAYERS: usize = 2;
const EPSILON: f64 = 1e-12;

fn config(activation: &str) -> Config {
    config_with(activation, &serde_json::json!({}))
}

/// With some other keys.
fn config_with(activation: &str, other: &serde_json::Value) -> Config {
    let mut config = serde_json::json!({
        "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "intermediate_size": INTERMEDIATE, "hidden_act": activation, "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2, "layer_norm_eps": EPSILON, "model_type": "bert",
    });
    let keys = config.as_object_mut().unwrap();
    keys.extend(other.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

/// Tensors by name, with their shapes.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f64>)>;

/// A model's weights. All of them are numbers of 8 bits, so every type holds them exactly.
fn tensors() -> Tensors {
    let mut tensors = Tensors::new();
    let mut seed = 1u64;
    let mut add = |name: String, shape: &[usize]| {
        let numbers = (0..shape.iter().product::<usize>()).map(|_| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            f64::from((seed >> 40) as i8) / 256.0
        });
        let numbers = numbers.collect();
        tensors.insert(name, (shape.to_vec(), numbers));
    };
    for (name, rows) in [("word", VOCABULARY), ("position", POSITIONS), ("token_type", 2)] {
        add(format!("embeddings.{name}_embeddings.weight"), &[rows, HIDDEN]);
    }
    let mut norms = vec!["embeddings".to_owned()];
    for layer in 0..LAYERS {
        let layer = format!("encoder.layer.{layer}");
        for (name, to, from) in [
            ("attention.self.query", HIDDEN, HIDDEN),
            ("attention.self.key", HIDDEN, HIDDEN),
            ("attention.self.value", HIDDEN, HIDDEN),
            ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", INTERMEDIATE, HIDDEN),
            ("output.dense", HIDDEN, INTERMEDIATE),
        ] {
            add(format!("{layer}.{name}.weight"), &[to, from]);
            add(format!("{layer}.{name}.bias"), &[to]);
        }
        norms.extend([format!("{layer}.attention.output"), format!("{layer}.output")]);
    }
    for norm in norms {
        add(format!("{norm}.LayerNorm.weight"), &[HIDDEN]);
        add(format!("{norm}.LayerNorm.bias"), &[HIDDEN]);
    }
    tensors
}

fn file(tensors: &Tensors, dtype: Dtype) -> Vec<u8> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, numbers))| {
            let bytes = numbers.iter().flat_map(|number| match dtype {
                Dtype::F16 => f16::from_f64(*number).to_le_bytes().to_vec(),
                Dtype::BF16 => bf16::from_f64(*number).to_le_bytes().to_vec(),
                Dtype::F64 => number.to_le_bytes().to_vec(),
                _ => (*number as f32).to_le_bytes().to_vec(),
            });
            (name, shape, bytes.collect())
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(dtype, (*shape).clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// A model's definition.
struct Reference {
    tensors: Tensors,
    activation: fn(f64) -> f64,
}

impl Reference {
    fn get(&self, name: &str) -> &[f64] {
        &self.tensors[name].1
    }

    fn linear(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let weights = self.get(&format!("{name}.weight")).chunks(x.len());
        let bias = self.get(&format!("{name}.bias"));
        weights.zip(bias).map(|(row, bias)| dot(row, x) + bias).collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let count = x.len() as f64;
        let mean = x.iter().sum::<f64>() / count;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        let scale = self.get(&format!("{name}.LayerNorm.weight"));
        let shift = self.get(&format!("{name}.LayerNorm.bias"));
        x.iter()
            .zip(scale.iter().zip(shift))
            .map(|(x, (scale, shift))| (x - mean) / (variance + EPSILON).sqrt() * scale + shift)
            .collect()
    }

    fn attention(&self, layer: &str, states: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let part = |name: &str| -> Vec<Vec<f64>> {
            let name = format!("{layer}.attention.self.{name}");
            states.iter().map(|state| self.linear(&name, state)).collect()
        };
        let (queries, keys, values) = (part("query"), part("key"), part("value"));
        let size = HIDDEN / HEADS;
        let mut context = vec![vec![0.0; HIDDEN]; states.len()];
        for (query, context) in queries.iter().zip(&mut context) {
            for head in 0..HEADS {
                let columns = head * size..(head + 1) * size;
                let scores = keys
                    .iter()
                    .map(|key| (dot(&query[columns.clone()], &key[columns.clone()]) / (size as f64).sqrt()).exp());
                let scores: Vec<f64> = scores.collect();
                let sum: f64 = scores.iter().sum();
                for (score, value) in scores.iter().zip(&values) {
                    for column in columns.clone() {
                        context[column] += score / sum * value[column];
                    }
                }
            }
        }
        context
    }

    /// The last states of a text whose tokens are of the second type from `second` on.
    fn states(&self, text: &[u32], second: usize) -> Vec<Vec<f64>> {
        let row = |table: &str, row: usize| {
            &self.get(&format!("embeddings.{table}_embeddings.weight"))[row * HIDDEN..][..HIDDEN]
        };
        let mut states: Vec<Vec<f64>> = (0..)
            .zip(text)
            .map(|(position, token)| {
                let sum = add(row("word", *token as usize), row("position", position));
                self.norm(
                    "embeddings",
                    &add(&sum, row("token_type", usize::from(position >= second))),
                )
            })
            .collect();
        for layer in 0..LAYERS {
            let layer = format!("encoder.layer.{layer}");
            let context = self.attention(&layer, &states);
            for (state, context) in states.iter_mut().zip(context) {
                let attended = self.linear(&format!("{layer}.attention.output.dense"), &context);
                let attended = self.norm(&format!("{layer}.attention.output"), &add(&attended, state));
                let mut between = self.linear(&format!("{layer}.intermediate.dense"), &attended);
                for x in &mut between {
                    *x = (self.activation)(*x);
                }
                let out = self.linear(&format!("{layer}.output.dense"), &between);
                *state = self.norm(&format!("{layer}.output"), &add(&out, &attended));
            }
        }
        states
    }

    fn embed(&self, text: &[u32], pooling: Pooling) -> Vec<f64> {
        let mut states = self.states(text, text.len());
        if pooling == Pooling::Cls {
            return states.remove(0);
        }
        let sum = states
            .iter()
            .skip(1)
            .fold(states[0].clone(), |sum, state| add(&sum, state));
        sum.iter().map(|x| x / states.len() as f64).collect()
    }

    fn score(&self, text: &[u32], second: usize) -> f64 {
        let pooled = self.linear("pooler.dense", &self.states(text, second)[0]);
        let pooled: Vec<f64> = pooled.into_iter().map(f64::tanh).collect();
        self.linear("classifier", &pooled)[0]
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// By the series of the error function.
fn gelu(x: f64) -> f64 {
    let z = x / std::f64::consts::SQRT_2;
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    x / 2.0 * (1.0 + sum * std::f64::consts::FRAC_2_SQRT_PI)
}

fn relu(x: f64) -> f64 {
    x.max(0.0)
}

/// Texts of 1 to `POSITIONS` tokens, the long beside the short.
fn texts() -> Vec<Vec<u32>> {
    [1, 40, 2, 17, 12, 33, 5]
        .map(|length: u32| (0..length).map(|i| (i * 7 + length) % 50).collect())
        .to_vec()
}

fn assert_equal(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let difference = (f64::from(*found) - expected).abs();
        assert!(difference < 1e-5, "{found} and {expected}");
    }
}

#[test]
fn texts_are_embedded_as_the_definition_says_whatever_stands_beside_them() {
    for (name, activation) in [("gelu", gelu as fn(f64) -> f64), ("relu", relu)] {
        let reference = Reference {
            tensors: tensors(),
            activation,
        };
        let encoder = Encoder::load(&[file(&reference.tensors, Dtype::F32)], &config(name)).unwrap();
        for pooling in [Pooling::Mean, Pooling::Cls] {
            let together = encoder.embed(&texts(), pooling).unwrap();
            assert_eq!(together.len(), texts().len());
            for (text, vector) in texts().iter().zip(&together) {
                let expected = reference.embed(text, pooling);
                assert_equal(vector, &expected);
                assert_equal(&encoder.embed(&[text], pooling).unwrap()[0], &expected);
            }
        }
    }
    let none: [&[u32]; 0] = [];
    let encoder = Encoder::load(&[file(&tensors(), Dtype::F32)], &config("gelu")).unwrap();
    assert!(encoder.embed(&none, Pooling::Mean).unwrap().is_empty());
}

#[test]
fn pairs_are_scored_as_the_definition_says_whatever_stands_beside_them() {
    let mut tensors = tensors();
    let numbers = |count: usize| {
        (0..count)
            .map(|i| f64::from((i * 37 % 101) as i8 - 50) / 256.0)
            .collect::<Vec<_>>()
    };
    for (name, shape) in [
        ("pooler.dense.weight", vec![HIDDEN, HIDDEN]),
        ("classifier.weight", vec![1, HIDDEN]),
    ] {
        let count = shape.iter().product();
        tensors.insert(name.to_owned(), (shape, numbers(count)));
    }
    tensors.insert("pooler.dense.bias".to_owned(), (vec![HIDDEN], numbers(HIDDEN)));
    tensors.insert("classifier.bias".to_owned(), (vec![1], vec![0.125]));
    let reference = Reference {
        tensors,
        activation: gelu,
    };
    let network = CrossEncoder::load(&[file(&reference.tensors, Dtype::F32)], &config("gelu")).unwrap();
    let texts = texts();
    let pairs: Vec<Pair<'_>> = texts
        .iter()
        .zip([1, 20, 0, 5, 12, 32, 3])
        .map(|(tokens, second)| Pair { tokens, second })
        .collect();
    let expected: Vec<f64> = pairs
        .iter()
        .map(|pair| reference.score(pair.tokens, pair.second))
        .collect();
    assert_equal(&network.score(&pairs).unwrap(), &expected);
    for (pair, expected) in pairs.iter().zip(&expected) {
        assert_equal(&network.score(&[*pair]).unwrap(), &[*expected]);
    }
    assert!(network.score(&[]).unwrap().is_empty());
    // the type of a token counts
    let other = Pair { second: 1, ..pairs[1] };
    assert!((f64::from(network.score(&[other]).unwrap()[0]) - expected[1]).abs() > 1e-3);

    let mut several = reference.tensors.clone();
    several.insert("classifier.weight".to_owned(), (vec![3, HIDDEN], numbers(3 * HIDDEN)));
    let error = CrossEncoder::load(&[file(&several, Dtype::F32)], &config("gelu")).unwrap_err();
    assert!(error.to_string().contains("classifier.weight"), "{error}");
}

#[test]
fn weights_of_16_bits_and_files_with_other_names_are_the_same_model() {
    let expected = Encoder::load(&[file(&tensors(), Dtype::F32)], &config("gelu"))
        .unwrap()
        .embed(&texts(), Pooling::Mean)
        .unwrap();
    let older = |name: &str| {
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
        format!("bert.{}", name.replace("LayerNorm.bias", "LayerNorm.beta"))
    };
    let renamed: Tensors = tensors()
        .into_iter()
        .map(|(name, tensor)| (older(&name), tensor))
        .collect();
    for file in [
        file(&tensors(), Dtype::F16),
        file(&tensors(), Dtype::BF16),
        file(&tensors(), Dtype::F64),
        file(&renamed, Dtype::F32),
    ] {
        let encoder = Encoder::load(&[file], &config("gelu")).unwrap();
        assert_eq!(encoder.embed(&texts(), Pooling::Mean).unwrap(), expected);
    }
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let load = |tensors: &Tensors, config: &Config| Encoder::load(&[file(tensors, Dtype::F32)], config).unwrap_err();
    for name in ["encoder.layer.1.output.dense.bias", "embeddings.LayerNorm.weight"] {
        let mut tensors = tensors();
        tensors.remove(name);
        assert!(matches!(load(&tensors, &config("gelu")), LoadError::Missing { name: found } if found == name));
    }
    let narrow = config_with("gelu", &serde_json::json!({"intermediate_size": INTERMEDIATE + 1}));
    let error = load(&tensors(), &narrow).to_string();
    assert!(
        error.contains("encoder.layer.0.intermediate.dense") && error.contains("[76, 36]"),
        "{error}"
    );
    let uneven = config_with("gelu", &serde_json::json!({"num_attention_heads": 5}));
    assert!(matches!(load(&tensors(), &uneven), LoadError::Sizes { .. }));
    let error = Encoder::load(&[file(&tensors(), Dtype::I32)], &config("gelu")).unwrap_err();
    assert!(matches!(error, LoadError::Type { .. }), "{error}");
    let relative = config_with("gelu", &serde_json::json!({"position_embedding_type": "relative_key"}));
    assert!(matches!(load(&tensors(), &relative), LoadError::Unsupported { .. }));
    let error = Encoder::load(&[b"not safetensors"], &config("gelu")).unwrap_err();
    assert!(matches!(error, LoadError::Format(_)), "{error}");
}

#[test]
fn tokens_that_the_model_does_not_have_are_refused() {
    let encoder = Encoder::load(&[file(&tensors(), Dtype::F32)], &config("gelu")).unwrap();
    let error = |text: &[u32]| encoder.embed(&[&[1], text], Pooling::Mean).unwrap_err();
    assert_eq!(error(&[49, 50]), EncodeError::Token { token: 50 });
    let length = |tokens| EncodeError::Length { tokens, positions: 40 };
    assert_eq!(error(&[]), length(0));
    assert_eq!(error(&[0; 41]), length(41));
}
