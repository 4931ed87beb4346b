//! The files of a model directory, as sentence-transformers lays them out.

use std::{collections::HashMap, fs, path::Path};

use pgai_sea_bert::{Config, CrossEncoder, Encoder, LoadError, Pooling};
use serde::{Deserialize, de::DeserializeOwned};
use tokenizers::{Tokenizer, TruncationParams};

use super::LocalError;
use crate::embedder::Prompts;

#[derive(Deserialize)]
struct ModelType {
    model_type: Option<String>,
}

#[derive(Default, Deserialize)]
struct SentenceBert {
    max_seq_length: Option<usize>,
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    /// A model without a limit has a number here that no integer type holds.
    model_max_length: Option<f64>,
}

/// One `pooling_mode_..: bool` for each way of pooling. sentence-transformers concatenates those that are on.
#[derive(Deserialize)]
struct PoolingConfig(serde_json::Map<String, serde_json::Value>);

/// The file in which a model names its prompts.
#[derive(Default, Deserialize)]
struct SentenceTransformers {
    #[serde(default)]
    prompts: HashMap<String, String>,
    default_prompt_name: Option<String>,
}

/// What sentence-transformers writes into the `config.json` of a cross-encoder.
#[derive(Default, Deserialize)]
struct CrossEncoderConfig {
    sentence_transformers: Option<ActivationConfig>,
    sbert_ce_default_activation_function: Option<String>,
}

#[derive(Default, Deserialize)]
struct ActivationConfig {
    activation_fn: Option<String>,
}

/// A model directory.
#[derive(Debug)]
pub(crate) struct Files<'a>(pub(crate) &'a Path);

impl Files<'_> {
    /// `config.json`, of a BERT model.
    pub(crate) fn config(&self) -> Result<Config, LocalError> {
        let path = self.0.join("config.json");
        // this is checked first: that a key is missing says less than that the model is of another kind
        let ModelType { model_type } = parse(&path)?;
        if let Some(model_type) = model_type.filter(|model_type| model_type != "bert") {
            return Err(self.unsupported(format!("it is a `{model_type}` model; only `bert` models run here")));
        }
        parse(&path)
    }

    /// `tokenizer.json`. Texts are truncated where sentence-transformers truncates them, whatever the file says, and
    /// not padded.
    pub(crate) fn tokenizer(&self, config: &Config) -> Result<Tokenizer, LocalError> {
        let path = self.0.join("tokenizer.json");
        let parse_error = |source| LocalError::Parse {
            path: path.clone(),
            source,
        };
        let mut tokenizer = Tokenizer::from_bytes(read(&path)?).map_err(parse_error)?;
        let truncation = TruncationParams {
            max_length: self.max_length(config)?,
            ..TruncationParams::default()
        };
        tokenizer
            .with_padding(None)
            .with_truncation(Some(truncation))
            .map_err(parse_error)?;
        Ok(tokenizer)
    }

    /// The most tokens of a text: `max_seq_length` of `sentence_bert_config.json`, or else the tokenizer's
    /// `model_max_length`. It is never more than the model has positions for.
    fn max_length(&self, config: &Config) -> Result<usize, LocalError> {
        let sentence_bert: SentenceBert = parse_if_there(&self.0.join("sentence_bert_config.json"))?;
        let tokenizer: TokenizerConfig = parse_if_there(&self.0.join("tokenizer_config.json"))?;
        let positions = config.max_position_embeddings;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float saturates, and the number of positions is the limit anyway"
        )]
        let max_length = sentence_bert
            .max_seq_length
            .or(tokenizer.model_max_length.map(|length| length as usize))
            .unwrap_or(positions)
            .min(positions);
        if max_length < 3 {
            return Err(self.unsupported(format!(
                "it reads {max_length} tokens, two of them are special, and none is left for text"
            )));
        }
        Ok(max_length)
    }

    /// The prompts in `config_sentence_transformers.json`, chosen as sentence-transformers' `encode_query` and
    /// `encode_document` choose them.
    pub(super) fn prompts(&self) -> Result<Prompts, LocalError> {
        let file: SentenceTransformers = parse_if_there(&self.0.join("config_sentence_transformers.json"))?;
        let prompt = |names: &[&str]| {
            let names = names.iter().copied().chain(file.default_prompt_name.as_deref());
            let found = names.into_iter().find_map(|name| file.prompts.get(name));
            found.cloned().unwrap_or_default()
        };
        Ok(Prompts::new(
            prompt(&["query"]),
            prompt(&["document", "passage", "corpus"]),
        ))
    }

    /// What `1_Pooling/config.json` says. Without the file it is the mean.
    pub(super) fn pooling(&self, prompts: &Prompts) -> Result<Pooling, LocalError> {
        let path = self.0.join("1_Pooling").join("config.json");
        if !path.exists() {
            return Ok(Pooling::Mean);
        }
        let PoolingConfig(config) = parse(&path)?;
        if config.get("include_prompt").is_some_and(|include| *include == false) && *prompts != Prompts::none() {
            return Err(self.unsupported(
                "1_Pooling/config.json leaves the tokens of prompts out (include_prompt: false), which is not built \
                 here"
                    .to_owned(),
            ));
        }
        let modes: Vec<_> = config
            .iter()
            .filter(|(key, on)| key.starts_with("pooling_mode") && **on == true)
            .map(|(key, _)| key.as_str())
            .collect();
        match modes[..] {
            ["pooling_mode_mean_tokens"] => Ok(Pooling::Mean),
            ["pooling_mode_cls_token"] => Ok(Pooling::Cls),
            _ => Err(self.unsupported(format!(
                "1_Pooling/config.json has {modes:?}; only pooling_mode_mean_tokens or pooling_mode_cls_token runs here"
            ))),
        }
    }

    /// The network, with the weights in `model.safetensors`.
    pub(super) fn encoder(&self, config: &Config) -> Result<Encoder, LocalError> {
        self.load(|weights| Encoder::load(weights, config))
    }

    /// The network with a head that judges pairs.
    pub(crate) fn cross_encoder(&self, config: &Config) -> Result<CrossEncoder, LocalError> {
        self.load(|weights| CrossEncoder::load(weights, config))
    }

    /// Whether a cross-encoder's score goes through the logistic function: sentence-transformers' default for one
    /// score.
    pub(crate) fn is_logistic(&self) -> Result<bool, LocalError> {
        let path = self.0.join("config.json");
        let config: CrossEncoderConfig = parse(&path)?;
        let named = config.sentence_transformers.unwrap_or_default().activation_fn;
        match named.or(config.sbert_ce_default_activation_function) {
            Some(name) if name.ends_with("Identity") => Ok(false),
            Some(name) if !name.ends_with("Sigmoid") => Err(self.unsupported(format!(
                "its activation function is {name}; only Identity and Sigmoid run here"
            ))),
            _ => Ok(true),
        }
    }

    fn load<T>(&self, load: impl Fn(&[u8]) -> Result<T, LoadError>) -> Result<T, LocalError> {
        let path = self.0.join("model.safetensors");
        load(&read(&path)?).map_err(|error| LocalError::Parse {
            path,
            source: Box::new(error),
        })
    }

    fn unsupported(&self, reason: String) -> LocalError {
        LocalError::Unsupported {
            path: self.0.to_owned(),
            reason,
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LocalError> {
    fs::read(path).map_err(|source| LocalError::Read {
        path: path.to_owned(),
        source,
    })
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, LocalError> {
    serde_json::from_slice(&read(path)?).map_err(|source| LocalError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

fn parse_if_there<T: DeserializeOwned + Default>(path: &Path) -> Result<T, LocalError> {
    if path.exists() { parse(path) } else { Ok(T::default()) }
}
