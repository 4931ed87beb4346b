//! The files of a model directory, as sentence-transformers lays them out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use candle_transformers::models::bert::Config;
use serde::{Deserialize, de::DeserializeOwned};
use tokenizers::{Tokenizer, TruncationParams};

use super::LocalError;

/// How a text's vector is made of its tokens' vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    Mean,
    /// The first token's.
    Cls,
}

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
    /// Models without a limit have an astronomic number here, too large for an integer.
    model_max_length: Option<f64>,
}

/// One `pooling_mode_..: bool` per way of pooling; those that are on are concatenated.
#[derive(Deserialize)]
struct PoolingConfig(serde_json::Map<String, serde_json::Value>);

/// A model directory.
#[derive(Debug)]
pub(super) struct Files<'a>(pub(super) &'a Path);

impl Files<'_> {
    /// `config.json`, of a BERT model.
    pub(super) fn config(&self) -> Result<Config, LocalError> {
        let path = self.0.join("config.json");
        // asked first: the configuration of another kind of model would not parse, which says less
        let ModelType { model_type } = parse(&path)?;
        if let Some(model_type) = model_type.filter(|model_type| model_type != "bert") {
            return Err(self.unsupported(format!("it is a `{model_type}` model, built in are `bert` models")));
        }
        let config: Config = parse(&path)?;
        if config.num_attention_heads == 0 || !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return Err(self.unsupported(format!(
                "{} attention heads do not share a hidden_size of {}",
                config.num_attention_heads, config.hidden_size
            )));
        }
        Ok(config)
    }

    /// `tokenizer.json`, with the truncation that sentence-transformers would set instead of the one that is stored, and
    /// without padding.
    pub(super) fn tokenizer(&self, config: &Config) -> Result<Tokenizer, LocalError> {
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

    /// The most tokens of a text: `max_seq_length` of `sentence_bert_config.json`, else the tokenizer's `model_max_length`, and
    /// never more than the model has positions for.
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
            return Err(self.unsupported(format!("it reads {max_length} tokens, which leaves none for text")));
        }
        Ok(max_length)
    }

    /// `1_Pooling/config.json`; the mean where there is none.
    pub(super) fn pooling(&self) -> Result<Pooling, LocalError> {
        let path = self.0.join("1_Pooling").join("config.json");
        if !path.exists() {
            return Ok(Pooling::Mean);
        }
        let PoolingConfig(config) = parse(&path)?;
        let modes: Vec<_> = config
            .iter()
            .filter(|(key, on)| key.starts_with("pooling_mode") && **on == true)
            .map(|(key, _)| key.as_str())
            .collect();
        match modes[..] {
            ["pooling_mode_mean_tokens"] => Ok(Pooling::Mean),
            ["pooling_mode_cls_token"] => Ok(Pooling::Cls),
            _ => Err(self.unsupported(format!(
                "built in are pooling_mode_mean_tokens and pooling_mode_cls_token, 1_Pooling/config.json has {modes:?}"
            ))),
        }
    }

    /// `model.safetensors`, in memory.
    pub(super) fn weights(&self) -> Result<(PathBuf, Vec<u8>), LocalError> {
        let path = self.0.join("model.safetensors");
        let bytes = read(&path)?;
        Ok((path, bytes))
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
