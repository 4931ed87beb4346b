//! A sentence-embedding model in this process.

mod bert;
mod error;
mod files;

pub use self::error::LocalError;

use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use tokenizers::Tokenizer;

use self::{
    bert::Bert,
    files::{Files, Pooling},
};
use super::{EmbedError, Embedder, Embeddings, InputType, RequestLimits};

const PROVIDER: &str = "the local model";

/// The tokens of texts that are run together, with padding. Enough for the matrix products to be efficient, few enough for a
/// batch's intermediate values to stay in a core's cache.
const BATCH_TOKENS: usize = 512;

/// Embeds in this process with a BERT sentence-embedding model, such as all-MiniLM-L6-v2. No server, no network.
///
/// The vectors are those of sentence-transformers: texts are cut to the model's `max_seq_length`, the tokens' vectors averaged
/// (or the first taken, where the model says so), and the result is of length 1. Embedding runs on threads of its own, one per
/// core, so the async runtime goes on meanwhile.
///
/// Cloning is cheap: the model is shared.
#[derive(Clone)]
pub struct Local(Arc<Model>);

struct Model {
    tokenizer: Tokenizer,
    bert: Bert,
    pooling: Pooling,
    dimensions: usize,
    threads: rayon::ThreadPool,
}

impl Local {
    /// Loads the model in `dir`, which has `config.json`, `tokenizer.json` and `model.safetensors`, and optionally
    /// `sentence_bert_config.json`, `tokenizer_config.json` and `1_Pooling/config.json`, as sentence-transformers lays them out.
    ///
    /// Reads the whole file of weights and takes some tenths of a second: call it once, and not on an async thread that
    /// others wait for.
    ///
    /// # Errors
    ///
    /// [`LocalError`] if a file is missing or broken, or the model is not a BERT model with mean or first-token pooling.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, LocalError> {
        let files = Files(dir.as_ref());
        let config = files.config()?;
        let tokenizer = files.tokenizer(&config)?;
        let pooling = files.pooling()?;
        let (path, weights) = files.weights()?;
        let bert = Bert::load(weights, &config).map_err(|error| LocalError::Parse {
            path,
            source: Box::new(error),
        })?;
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(candle_core::utils::get_num_threads())
            .thread_name(|index| format!("pgai-sea-local-{index}"))
            .build()
            .map_err(|error| LocalError::Threads {
                source: Box::new(error),
            })?;
        Ok(Self(Arc::new(Model {
            tokenizer,
            bert,
            pooling,
            dimensions: config.hidden_size,
            threads,
        })))
    }

    /// The length of the vectors.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.0.dimensions
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("dimensions", &self.0.dimensions)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Embeds `texts`, batches side by side.
    fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.threads.install(|| {
            let tokens = texts
                .par_iter()
                .map(|text| {
                    let encoding = self.tokenizer.encode_fast(text.as_str(), true).map_err(failed)?;
                    Ok(encoding.get_ids().to_vec())
                })
                .collect::<Result<Vec<Vec<u32>>, EmbedError>>()?;
            let batches = batches(&tokens);
            let embedded = batches
                .par_iter()
                .map(|batch| {
                    let texts: Vec<&[u32]> = batch.iter().map(|&text| tokens[text].as_slice()).collect();
                    self.bert
                        .embed(&texts, self.pooling)
                        .map_err(|error| failed(error.into()))
                })
                .collect::<Result<Vec<_>, EmbedError>>()?;
            let mut vectors = vec![Vec::new(); texts.len()];
            for (&text, vector) in batches.iter().flatten().zip(embedded.into_iter().flatten()) {
                vectors[text] = vector;
            }
            Ok(vectors)
        })
    }
}

/// Puts texts of like length together, so that little is padding, up to [`BATCH_TOKENS`] a batch. A longer text is a batch of its
/// own. The numbers are the texts' places.
fn batches(texts: &[Vec<u32>]) -> Vec<Vec<usize>> {
    let mut by_length: Vec<usize> = (0..texts.len()).collect();
    // the longest first: the short batches at the end keep all threads busy
    by_length.sort_by_key(|&text| std::cmp::Reverse(texts[text].len()));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for text in by_length {
        match batches.last_mut() {
            Some(batch) if room > 0 => batch.push(text),
            _ => {
                batches.push(vec![text]);
                room = BATCH_TOKENS / texts[text].len().max(1);
            }
        }
        room = room.saturating_sub(1);
    }
    batches
}

fn failed(source: Box<dyn std::error::Error + Send + Sync>) -> EmbedError {
    EmbedError::Failed {
        provider: PROVIDER,
        source,
    }
}

#[async_trait]
impl Embedder for Local {
    async fn embed(&self, texts: &[&str], _input_type: InputType) -> Result<Embeddings, EmbedError> {
        let model = Arc::clone(&self.0);
        let texts: Vec<String> = texts.iter().copied().map(str::to_owned).collect();
        let vectors = tokio::task::spawn_blocking(move || model.embed(&texts))
            .await
            .map_err(|panic| failed(Box::new(panic)))??;
        Ok(vectors.into())
    }

    /// As many as there are threads: a batch of short texts does not keep all of them busy.
    fn default_concurrency(&self) -> usize {
        self.0.threads.current_num_threads()
    }

    /// Any number works; more than this only makes progress coarser.
    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_of_like_length_and_within_the_limit() {
        let lengths = [200, 100, 600, 100, 1, 250, 100];
        let texts: Vec<Vec<u32>> = lengths.iter().map(|length| vec![0; *length]).collect();
        assert_eq!(batches(&texts), [vec![2], vec![5, 0], vec![1, 3, 6, 4]]);
        assert!(batches(&[]).is_empty());
    }
}
