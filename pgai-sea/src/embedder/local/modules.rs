//! What a text goes through: the modules of sentence-transformers.

use std::path::{Path, PathBuf};

use pgai_sea_bert::{Dense, Pooling, to_unit};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::LocalError;
use super::files::{Files, parse, read, refused};
use super::network::{Network, Static, Transformer};
use crate::embedder::Prompts;

/// One of `modules.json`.
#[derive(Deserialize)]
struct Module {
    path: PathBuf,
    /// A Python class.
    r#type: String,
}

#[derive(Deserialize)]
struct DenseConfig {
    in_features: usize,
    out_features: usize,
    bias: bool,
    activation_function: String,
    #[serde(default)]
    use_residual: bool,
}

/// A network, and what is done with its vectors.
#[derive(Debug)]
pub(super) struct Modules {
    pub(super) network: Network,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Dense(Dense),
    Normalize,
}

impl Modules {
    /// Follows `modules.json`. Without it the model is a network with the pooling of `1_Pooling`, or one of model2vec,
    /// and vectors have the length 1.
    pub(super) fn load(dir: &Path, prompts: &Prompts) -> Result<Self, LocalError> {
        let path = dir.join("modules.json");
        let listed: Vec<Module> = if path.exists() { parse(&path)? } else { Vec::new() };
        let modules: Vec<(&str, PathBuf)> = listed
            .iter()
            .map(|module| (class(&module.r#type), dir.join(&module.path)))
            .collect();
        match &modules[..] {
            [] if Static::is_in(dir)? => {
                let (model, normalizes) = Static::load_with_config(dir)?;
                Ok(Self {
                    network: Network::Static(model),
                    steps: normalizes.then_some(Step::Normalize).into_iter().collect(),
                })
            }
            [] => Self::transformer(dir, &dir.join("1_Pooling"), vec![Step::Normalize], prompts),
            [("StaticEmbedding", first), rest @ ..] => Ok(Self {
                network: Network::Static(Static::load(first)?),
                steps: steps(dir, rest)?,
            }),
            [("Transformer", first), ("Pooling", pooling), rest @ ..] => {
                Self::transformer(first, pooling, steps(dir, rest)?, prompts)
            }
            other => Err(unknown(dir, other)),
        }
    }

    fn transformer(dir: &Path, pooling: &Path, steps: Vec<Step>, prompts: &Prompts) -> Result<Self, LocalError> {
        let pooling = pooling_of(&pooling.join("config.json"), prompts)?;
        Ok(Self {
            network: Network::Transformer(Transformer::load(dir, pooling)?),
            steps,
        })
    }

    /// The length of the vectors.
    pub(super) fn dimensions(&self) -> usize {
        let dense = self.steps.iter().rev().find_map(|step| match step {
            Step::Dense(dense) => Some(dense.dimensions()),
            Step::Normalize => None,
        });
        dense.unwrap_or_else(|| self.network.dimensions())
    }

    /// What becomes of a vector of the network's.
    pub(super) fn finish(&self, mut vector: Vec<f32>) -> Vec<f32> {
        for step in &self.steps {
            match step {
                Step::Dense(dense) => vector = dense.apply(&vector),
                Step::Normalize => to_unit(&mut vector),
            }
        }
        vector
    }
}

/// The last part of a Python class's name: the modules before it differ from version to version.
fn class(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn unknown(dir: &Path, modules: &[(&str, PathBuf)]) -> LocalError {
    let found: Vec<&str> = modules.iter().map(|(class, _)| *class).collect();
    Files(dir).unsupported(format!(
        "modules.json has {}; a Transformer and a Pooling, or a StaticEmbedding, run here, with Dense and Normalize \
         after them",
        found.join(", ")
    ))
}

fn steps(dir: &Path, modules: &[(&str, PathBuf)]) -> Result<Vec<Step>, LocalError> {
    let step = |(class, path): &(&str, PathBuf)| match *class {
        "Normalize" => Ok(Step::Normalize),
        "Dense" => Ok(Step::Dense(dense(path)?)),
        _ => Err(unknown(dir, modules)),
    };
    modules.iter().map(step).collect()
}

fn dense(dir: &Path) -> Result<Dense, LocalError> {
    let config: DenseConfig = parse(&dir.join("config.json"))?;
    let is_tanh = match class(&config.activation_function) {
        "Tanh" => true,
        "Identity" => false,
        other => {
            return Err(Files(dir).unsupported(format!(
                "its activation function is {other}; Tanh and Identity run here"
            )));
        }
    };
    if config.use_residual {
        return Err(Files(dir).unsupported("it has a residual connection (use_residual: true)".to_owned()));
    }
    let path = dir.join("model.safetensors");
    let sizes = (config.in_features, config.out_features);
    Dense::load(&read(&path)?, sizes, config.bias, is_tanh).map_err(|error| refused(path, error))
}

/// What a pooling's `config.json` says. Without the file it is the mean.
fn pooling_of(path: &Path, prompts: &Prompts) -> Result<Pooling, LocalError> {
    if !path.exists() {
        return Ok(Pooling::Mean);
    }
    let config: Map<String, Value> = parse(path)?;
    let unsupported = |reason: String| LocalError::Unsupported {
        path: path.to_owned(),
        reason,
    };
    if config.get("include_prompt") == Some(&Value::Bool(false)) && *prompts != Prompts::none() {
        return Err(unsupported(
            "it leaves the tokens of prompts out (include_prompt: false), which is not built here".to_owned(),
        ));
    }
    // one name or a list of names; before version 5 of sentence-transformers a `pooling_mode_..: true` for each
    let modes: Vec<&str> = match config.get("pooling_mode") {
        Some(Value::Array(modes)) => modes.iter().filter_map(Value::as_str).collect(),
        Some(mode) => mode.as_str().into_iter().collect(),
        None => config
            .iter()
            .filter_map(|(key, on)| key.strip_prefix("pooling_mode_").filter(|_| *on == true))
            .collect(),
    };
    match modes[..] {
        ["mean" | "mean_tokens"] => Ok(Pooling::Mean),
        ["cls" | "cls_token"] => Ok(Pooling::Cls),
        ["max" | "max_tokens"] => Ok(Pooling::Max),
        ["lasttoken"] => Ok(Pooling::LastToken),
        ["mean_sqrt_len_tokens"] => Ok(Pooling::MeanSqrtLen),
        ["weightedmean" | "weightedmean_tokens"] => Ok(Pooling::WeightedMean),
        _ => Err(unsupported(format!(
            "it pools by {modes:?}; one of mean, cls, max, lasttoken, weightedmean and mean_sqrt_len_tokens runs here"
        ))),
    }
}
