//! A cross-encoder in this process.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use pgai_sea_bert::{CrossEncoder, Pair};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use tokenizers::{EncodeInput, Tokenizer};

use super::{RerankError, Reranker};
use crate::embedder::LocalError;
use crate::embedder::local::{Files, threads};

/// How many pairs a thread reads at a time.
const BATCH: usize = 4;

/// Reranks in this process with a BERT or RoBERTa cross-encoder of one score, such as ms-marco-MiniLM-L6-v2 or
/// bge-reranker-base. It needs no server and no network.
///
/// ```no_run
/// use pgai_sea::rerank::LocalReranker;
///
/// # fn main() -> Result<(), pgai_sea::embedder::LocalError> {
/// let reranker = LocalReranker::from_dir("models/ms-marco-MiniLM-L6-v2")?;
/// # Ok(())
/// # }
/// ```
///
/// The scores are those of sentence-transformers' `CrossEncoder`. A pair is cut to what the model reads, the longer
/// text first. A passage of 256 tokens takes some milliseconds of a core, so a small [window] suits it; it runs on
/// threads of its own. Clones share the model. Let Cargo optimise it in debug builds, as
/// [`Local`](crate::embedder::Local) says.
///
/// [window]: crate::search::Ranking::window
#[derive(Clone)]
pub struct LocalReranker(Arc<Model>);

struct Model {
    tokenizer: Tokenizer,
    network: CrossEncoder,
    is_logistic: bool,
    threads: rayon::ThreadPool,
}

impl LocalReranker {
    /// Loads the model in the directory `dir`, with `config.json`, `tokenizer.json` and `model.safetensors`, as
    /// sentence-transformers saves a `CrossEncoder`.
    ///
    /// This reads all weights and takes some tenths of a second. Call it once, and not on a thread that async tasks
    /// wait for.
    ///
    /// # Errors
    ///
    /// [`LocalError`] if a file is missing or damaged, or the model is another than a BERT or RoBERTa model with one
    /// score.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, LocalError> {
        let files = Files(dir.as_ref());
        let config = files.config()?;
        Ok(Self(Arc::new(Model {
            tokenizer: files.tokenizer(&config)?,
            network: files.cross_encoder(&config)?,
            is_logistic: files.is_logistic()?,
            threads: threads("rerank")?,
        })))
    }
}

#[cfg(feature = "hub")]
#[cfg_attr(docsrs, doc(cfg(feature = "hub")))]
impl LocalReranker {
    /// Loads a model of the Hugging Face hub by its name. See [`Hub`](crate::embedder::Hub).
    ///
    /// # Errors
    ///
    /// As [`from_dir`](Self::from_dir), and [`LocalError::Hub`] if the hub does not have the model or is not reached.
    pub fn from_hub(model: impl Into<crate::embedder::Hub>) -> Result<Self, LocalError> {
        Self::from_dir(model.into().fetch()?)
    }
}

impl fmt::Debug for LocalReranker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalReranker")
            .field("network", &self.0.network)
            .finish_non_exhaustive()
    }
}

impl Model {
    fn score(&self, query: &str, passages: &[String]) -> Result<Vec<f32>, RerankError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            RerankError::new("the local reranker failed").because(error)
        };
        self.threads.install(|| {
            let pairs = passages
                .par_iter()
                .map(|passage| {
                    let input = EncodeInput::from((query, passage.as_str()));
                    let encoding = self.tokenizer.encode_fast(input, true).map_err(failed)?;
                    let types = encoding.get_type_ids();
                    let second = types.iter().position(|of| *of == 1).unwrap_or(types.len());
                    Ok((encoding.get_ids().to_vec(), second))
                })
                .collect::<Result<Vec<_>, RerankError>>()?;
            let batches: Vec<_> = pairs.chunks(BATCH).collect();
            let scores = batches
                .par_iter()
                .map(|batch| {
                    let pairs = batch.iter().map(|(tokens, second)| Pair {
                        tokens,
                        second: *second,
                    });
                    self.network
                        .score(&pairs.collect::<Vec<_>>())
                        .map_err(|error| failed(Box::new(error)))
                })
                .collect::<Result<Vec<_>, RerankError>>()?;
            let score = |score: f32| {
                if self.is_logistic {
                    1.0 / (1.0 + (-score).exp())
                } else {
                    score
                }
            };
            Ok(scores.into_iter().flatten().map(score).collect())
        })
    }
}

#[async_trait]
impl Reranker for LocalReranker {
    async fn rerank(&self, query: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        let model = Arc::clone(&self.0);
        let query = query.to_owned();
        let passages: Vec<String> = passages.iter().copied().map(str::to_owned).collect();
        tokio::task::spawn_blocking(move || model.score(&query, &passages))
            .await
            .map_err(|panic| RerankError::new("the local reranker failed").because(panic))?
    }
}
