//! A sentence-embedding model in this process.
//!
//! ```no_run
//! use pgai_sea::embedder::Local;
//!
//! # fn main() -> Result<(), pgai_sea::embedder::LocalError> {
//! let model = Local::from_dir("models/all-MiniLM-L6-v2")?;
//! # Ok(())
//! # }
//! ```
//!
//! The network itself is the crate `pgai-sea-bert`. Here are the model's directory, the tokenizer, and the threads.

mod error;
mod files;

pub use self::error::LocalError;

use std::{borrow::Cow, fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use pgai_sea_bert::{Encoder, Pooling};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use tokenizers::Tokenizer;

pub(crate) use self::files::Files;
use super::{EmbedError, Embedder, Embeddings, InputType, Prompts, RequestLimits};

const PROVIDER: &str = "the local model";

/// The tokens of one batch. That many make the matrix products efficient, and what is between the layers still fits
/// into a core's cache.
const BATCH_TOKENS: usize = 256;

/// Embeds in this process with a BERT sentence-embedding model, such as all-MiniLM-L6-v2. It needs no server and no
/// network.
///
/// The vectors equal those of sentence-transformers. A text is cut to the model's `max_seq_length`. Its vector is the
/// mean of its tokens' vectors, or the first token's where the model says so, and has the length 1.
///
/// Embedding runs on threads of its own, one per core, so it does not block the async runtime. `RAYON_NUM_THREADS` sets
/// another number of threads. Clones share the model.
///
/// In a debug build, let Cargo optimise what computes, or a text takes seconds:
///
/// ```toml
/// [profile.dev.package]
/// pgai-sea-bert = { opt-level = 3 }
/// tokenizers = { opt-level = 3 }
/// ```
#[derive(Clone)]
pub struct Local {
    model: Arc<Model>,
    prompts: Prompts,
}

struct Model {
    tokenizer: Tokenizer,
    encoder: Encoder,
    pooling: Pooling,
    dimensions: usize,
    threads: rayon::ThreadPool,
}

impl Local {
    /// Loads the model in the directory `dir`, laid out as sentence-transformers does. It holds `config.json`,
    /// `tokenizer.json` and `model.safetensors`. `sentence_bert_config.json`, `tokenizer_config.json`,
    /// `1_Pooling/config.json` and `config_sentence_transformers.json` are read if present. The last one has the
    /// model's [`Prompts`].
    ///
    /// This reads all weights and takes some tenths of a second. Call it once, and not on a thread that async tasks
    /// wait for.
    ///
    /// # Errors
    ///
    /// [`LocalError`] if a file is missing or damaged, or the model is not a BERT model with mean or first-token
    /// pooling.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, LocalError> {
        let files = Files(dir.as_ref());
        let config = files.config()?;
        let tokenizer = files.tokenizer(&config)?;
        let prompts = files.prompts()?;
        let pooling = files.pooling(&prompts)?;
        let encoder = files.encoder(&config)?;
        let threads = threads("local")?;
        let model = Model {
            tokenizer,
            encoder,
            pooling,
            dimensions: config.hidden_size,
            threads,
        };
        Ok(Self {
            model: Arc::new(model),
            prompts,
        })
    }

    /// Puts these prompts before texts, instead of those of the model's files.
    ///
    /// Where the model stands for one that pgai's own worker asks Ollama for, say [`Prompts::none`]: that worker adds
    /// none, and a store has vectors of one kind.
    #[must_use]
    pub fn prompts(mut self, prompts: Prompts) -> Self {
        self.prompts = prompts;
        self
    }

    /// The length of the vectors.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.model.dimensions
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("dimensions", &self.model.dimensions)
            .field("prompts", &self.prompts)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Embeds `texts`, with a batch on each thread.
    fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.threads.install(|| {
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
        })
    }
}

/// Threads for a model: one per core.
pub(crate) fn threads(name: &'static str) -> Result<rayon::ThreadPool, LocalError> {
    rayon::ThreadPoolBuilder::new()
        .thread_name(move |index| format!("pgai-sea-{name}-{index}"))
        .build()
        .map_err(|error| LocalError::Threads {
            source: Box::new(error),
        })
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

fn failed(source: Box<dyn std::error::Error + Send + Sync>) -> EmbedError {
    EmbedError::Failed {
        provider: PROVIDER,
        source,
    }
}

#[async_trait]
impl Embedder for Local {
    async fn embed(&self, texts: &[&str], input_type: InputType) -> Result<Embeddings, EmbedError> {
        let model = Arc::clone(&self.model);
        let texts = self.prompts.with(texts, input_type);
        let texts: Vec<String> = texts.into_iter().map(Cow::into_owned).collect();
        let vectors = tokio::task::spawn_blocking(move || model.embed(&texts))
            .await
            .map_err(|panic| failed(Box::new(panic)))??;
        Ok(vectors.into())
    }

    /// The number of threads: a request of a few short texts does not keep all of them busy.
    fn default_concurrency(&self) -> usize {
        self.model.threads.current_num_threads()
    }

    /// Any number works. More than this would only make progress coarser.
    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(256)
    }
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
            batches(&[100, 100, 100, 600, 1, 255, 256, 7]),
            [vec![100, 100], vec![100], vec![600], vec![1, 255], vec![256], vec![7]]
        );
        assert_eq!(batches(&[]), Vec::<Vec<usize>>::new());
    }
}
