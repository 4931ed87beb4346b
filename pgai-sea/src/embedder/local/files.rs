//! The files of a model directory, as sentence-transformers lays them out.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use pgai_sea_bert::{Config, CrossEncoder, Encoder, LoadError};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokenizers::{Tokenizer, TruncationParams};

use super::LocalError;
use crate::embedder::Prompts;

#[derive(Default, Deserialize)]
struct SentenceBert {
    max_seq_length: Option<usize>,
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    /// A model without a limit has a number here that no integer type holds.
    model_max_length: Option<f64>,
}

/// Which file has which tensor, where the weights are in several.
#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

/// The file in which a model names its prompts.
#[derive(Default, Deserialize)]
struct SentenceTransformers {
    #[serde(default)]
    prompts: HashMap<String, String>,
    default_prompt_name: Option<String>,
}

/// What sentence-transformers wrote into the `config.json` of a cross-encoder before its version 6.
#[derive(Default, Deserialize)]
struct CrossEncoderConfig {
    sentence_transformers: Option<ActivationConfig>,
    sbert_ce_default_activation_function: Option<String>,
}

#[derive(Default, Deserialize)]
struct ActivationConfig {
    activation_fn: Option<String>,
}

/// A model directory, or that of one of its modules.
#[derive(Debug)]
pub(crate) struct Files<'a>(pub(crate) &'a Path);

impl Files<'_> {
    /// `config.json`, of a model that the encoder knows.
    pub(crate) fn config(&self) -> Result<Config, LocalError> {
        let path = self.0.join("config.json");
        let mut keys: Map<String, Value> = parse(&path)?;
        // this is checked first: that a key is missing says less than that the model is of another kind
        let model_type = keys.entry("model_type").or_insert_with(|| "bert".into());
        if !Config::MODEL_TYPES.iter().any(|known| model_type == known) {
            return Err(self.unsupported(format!(
                "it is a {model_type} model; {} run here",
                Config::MODEL_TYPES.join(", ")
            )));
        }
        Config::deserialize(Value::Object(keys)).map_err(|source| LocalError::Parse {
            path,
            source: Box::new(source),
        })
    }

    /// `tokenizer.json`. Texts are truncated where sentence-transformers truncates them, whatever the file says, and
    /// not padded.
    pub(crate) fn tokenizer(&self, config: &Config) -> Result<Tokenizer, LocalError> {
        self.tokenizer_up_to(Some(self.max_length(config)?))
    }

    /// `tokenizer.json`, with texts truncated to so many tokens.
    pub(super) fn tokenizer_up_to(&self, max_length: Option<usize>) -> Result<Tokenizer, LocalError> {
        let path = self.0.join("tokenizer.json");
        let parse_error = |source| LocalError::Parse {
            path: path.clone(),
            source,
        };
        let mut tokenizer = Tokenizer::from_bytes(read(&path)?).map_err(parse_error)?;
        let truncation = max_length.map(|max_length| TruncationParams {
            max_length,
            ..TruncationParams::default()
        });
        tokenizer
            .with_padding(None)
            .with_truncation(truncation)
            .map_err(parse_error)?;
        Ok(tokenizer)
    }

    /// The most tokens of a text: `max_seq_length` of `sentence_bert_config.json`, or else the tokenizer's
    /// `model_max_length`. It is never more than the model has positions for.
    fn max_length(&self, config: &Config) -> Result<usize, LocalError> {
        let sentence_bert: SentenceBert = parse_if_there(&self.0.join("sentence_bert_config.json"))?;
        let tokenizer: TokenizerConfig = parse_if_there(&self.0.join("tokenizer_config.json"))?;
        let positions = config.max_tokens();
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

    /// The network, with its weights.
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
        let own: ActivationConfig = parse_if_there(&self.0.join("config_sentence_transformers.json"))?;
        let config: CrossEncoderConfig = parse(&self.0.join("config.json"))?;
        let older = config.sentence_transformers.unwrap_or_default().activation_fn;
        match own
            .activation_fn
            .or(older)
            .or(config.sbert_ce_default_activation_function)
        {
            Some(name) if name.ends_with("Identity") => Ok(false),
            Some(name) if !name.ends_with("Sigmoid") => Err(self.unsupported(format!(
                "its activation function is {name}; only Identity and Sigmoid run here"
            ))),
            _ => Ok(true),
        }
    }

    /// Loads from `model.safetensors`, or else from the files that `model.safetensors.index.json` names.
    fn load<T>(&self, load: impl Fn(&[Vec<u8>]) -> Result<T, LoadError>) -> Result<T, LocalError> {
        let one = self.0.join("model.safetensors");
        let index = self.0.join("model.safetensors.index.json");
        let (named, files) = if one.exists() || !index.exists() {
            (one.clone(), vec![one])
        } else {
            let names: BTreeSet<String> = parse::<Index>(&index)?.weight_map.into_values().collect();
            let files = names.into_iter().map(|name| self.0.join(name)).collect();
            (index, files)
        };
        let weights = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
        load(&weights).map_err(|error| refused(named, error))
    }

    pub(super) fn unsupported(&self, reason: String) -> LocalError {
        LocalError::Unsupported {
            path: self.0.to_owned(),
            reason,
        }
    }
}

/// What the encoder does not do is no damage.
pub(super) fn refused(path: PathBuf, error: LoadError) -> LocalError {
    match error {
        LoadError::Unsupported { .. } => LocalError::Unsupported {
            reason: error.to_string(),
            path,
        },
        error => LocalError::Parse {
            path,
            source: Box::new(error),
        },
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, LocalError> {
    fs::read(path).map_err(|source| LocalError::Read {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, LocalError> {
    serde_json::from_slice(&read(path)?).map_err(|source| LocalError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

pub(super) fn parse_if_there<T: DeserializeOwned + Default>(path: &Path) -> Result<T, LocalError> {
    if path.exists() { parse(path) } else { Ok(T::default()) }
}
