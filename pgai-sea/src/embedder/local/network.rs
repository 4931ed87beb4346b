//! What turns texts into vectors: a tokenizer with an encoder, or with a table of vectors.

use std::path::Path;

use pgai_sea_bert::{Encoder, Pooling, StaticModel};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde::Deserialize;
use serde_json::Value;
use tokenizers::Tokenizer;

use super::files::{Files, parse, parse_if_there, read, refused};
use super::{LocalError, failed};
use crate::embedder::EmbedError;

/// The tokens of one batch. That many make the matrix products efficient. Twice as many are no faster, and with more
/// what is between the layers no longer fits into a core's cache.
const BATCH_TOKENS: usize = 384;

/// The most tokens of a text that model2vec reads where the model does not say.
const MODEL2VEC_TOKENS: usize = 512;

#[derive(Debug)]
pub(super) enum Network {
    Transformer(Transformer),
    Static(Static),
}

/// An encoder.
#[derive(Debug)]
pub(super) struct Transformer {
    tokenizer: Tokenizer,
    encoder: Encoder,
    pooling: Pooling,
    hidden_size: usize,
}

/// A table of vectors.
#[derive(Debug)]
pub(super) struct Static {
    tokenizer: Tokenizer,
    model: StaticModel,
    /// What model2vec leaves out: the token that stands for what is not in the vocabulary.
    unknown: Option<u32>,
    /// Texts are cut before they are tokenized.
    max_characters: Option<usize>,
}

/// What model2vec writes.
#[derive(Default, Deserialize)]
struct StaticConfig {
    model_type: Option<String>,
    #[serde(default)]
    normalize: bool,
    #[serde(default = "model2vec_tokens")]
    max_length: Option<usize>,
}

#[expect(clippy::unnecessary_wraps, reason = "the file may have null")]
fn model2vec_tokens() -> Option<usize> {
    Some(MODEL2VEC_TOKENS)
}

impl Network {
    pub(super) fn dimensions(&self) -> usize {
        match self {
            Self::Transformer(transformer) => transformer.hidden_size,
            Self::Static(model) => model.model.dimensions(),
        }
    }

    /// Embeds `texts` on the threads of the pool that this is called in.
    pub(super) fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        match self {
            Self::Transformer(transformer) => transformer.embed(texts),
            Self::Static(model) => texts.par_iter().map(|text| model.embed(text)).collect(),
        }
    }
}

impl Transformer {
    pub(super) fn load(dir: &Path, pooling: Pooling) -> Result<Self, LocalError> {
        let files = Files(dir);
        let config = files.config()?;
        Ok(Self {
            tokenizer: files.tokenizer(&config)?,
            encoder: files.encoder(&config)?,
            pooling,
            hidden_size: config.hidden_size(),
        })
    }

    /// Embeds a batch on each thread.
    fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let tokens = texts
            .par_iter()
            .map(|text| {
                let encoding = self.tokenizer.encode_fast(text.as_str(), true).map_err(failed)?;
                Ok(encoding.get_ids().to_vec())
            })
            .collect::<Result<Vec<Vec<u32>>, EmbedError>>()?;
        let vectors = batches(&tokens)
            .par_iter()
            .map(|batch| self.encoder.embed(batch, self.pooling))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| failed(Box::new(error)))?;
        Ok(vectors.into_iter().flatten().collect())
    }
}

impl Static {
    /// Whether `config.json` says that the directory holds a model of model2vec.
    pub(super) fn is_in(dir: &Path) -> Result<bool, LocalError> {
        let config: StaticConfig = parse_if_there(&dir.join("config.json"))?;
        Ok(config.model_type.as_deref() == Some("model2vec"))
    }

    pub(super) fn load(dir: &Path) -> Result<Self, LocalError> {
        Ok(Self::load_with_config(dir)?.0)
    }

    /// The model, and whether model2vec gives its vectors the length 1.
    pub(super) fn load_with_config(dir: &Path) -> Result<(Self, bool), LocalError> {
        let path = dir.join("model.safetensors");
        let model = StaticModel::load(&read(&path)?).map_err(|error| refused(path, error))?;
        if !model.is_model2vec() {
            return Ok((
                Self {
                    tokenizer: Files(dir).tokenizer_up_to(None)?,
                    model,
                    unknown: None,
                    max_characters: None,
                },
                false,
            ));
        }
        let config: StaticConfig = parse(&dir.join("config.json"))?;
        let tokenizer = Files(dir).tokenizer_up_to(config.max_length)?;
        let described: Value = parse(&dir.join("tokenizer.json"))?;
        let unknown = match &described["model"]["unk_token"] {
            Value::String(token) => tokenizer.token_to_id(token),
            _ => described["model"]["unk_id"]
                .as_u64()
                .and_then(|id| u32::try_from(id).ok()),
        };
        let model = Self {
            max_characters: config.max_length.map(|tokens| tokens * median_length(&tokenizer)),
            tokenizer,
            model,
            unknown,
        };
        Ok((model, config.normalize))
    }

    fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let end = self.max_characters.and_then(|most| text.char_indices().nth(most));
        let text = end.map_or(text, |(end, _)| &text[..end]);
        let encoding = self.tokenizer.encode_fast(text, false).map_err(failed)?;
        let known = encoding
            .get_ids()
            .iter()
            .copied()
            .filter(|id| Some(*id) != self.unknown);
        let tokens: Vec<u32> = known.collect();
        self.model.embed(&tokens).map_err(|error| failed(Box::new(error)))
    }
}

/// The median of the tokens' lengths in characters.
fn median_length(tokenizer: &Tokenizer) -> usize {
    let vocabulary = tokenizer.get_vocab(true);
    let mut lengths: Vec<usize> = vocabulary.keys().map(|token| token.chars().count()).collect();
    lengths.sort_unstable();
    let half = lengths.len() / 2;
    match lengths.len() {
        0 => 0,
        count if count.is_multiple_of(2) => usize::midpoint(lengths[half - 1], lengths[half]),
        _ => lengths[half],
    }
}

/// Cuts `texts` into batches of at most [`BATCH_TOKENS`] tokens. A longer text is a batch by itself.
fn batches(texts: &[Vec<u32>]) -> Vec<&[Vec<u32>]> {
    let mut batches = Vec::new();
    let mut rest = texts;
    while !rest.is_empty() {
        let mut room = BATCH_TOKENS;
        let fits = |text: &&Vec<u32>| match room.checked_sub(text.len()) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        };
        let (batch, after) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        batches.push(batch);
        rest = after;
    }
    batches
}

#[cfg(test)]
mod tests {
    #[test]
    fn batches_keep_the_order_and_the_limit() {
        let batches = |lengths: &[usize]| -> Vec<Vec<usize>> {
            let texts: Vec<Vec<u32>> = lengths.iter().map(|length| vec![0; *length]).collect();
            let lengths = |batch: &[Vec<u32>]| batch.iter().map(Vec::len).collect();
            super::batches(&texts).into_iter().map(lengths).collect()
        };
        assert_eq!(
            batches(&[200, 100, 100, 600, 1, 383, 384, 7]),
            [vec![200, 100], vec![100], vec![600], vec![1, 383], vec![384], vec![7]]
        );
        assert_eq!(batches(&[]), Vec::<Vec<usize>>::new());
    }
}
