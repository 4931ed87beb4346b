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
#[cfg(feature = "hub")]
mod hub;
mod modules;
mod network;

pub use self::error::LocalError;
#[cfg(feature = "hub")]
pub use self::hub::Hub;

use std::{borrow::Cow, fmt, path::Path, sync::Arc};

use async_trait::async_trait;

pub(crate) use self::files::Files;
use self::modules::Modules;
use super::{EmbedError, Embedder, Embeddings, InputType, Prompts, RequestLimits};

const PROVIDER: &str = "the local model";

/// Embeds in this process with a sentence-embedding model, such as all-MiniLM-L6-v2. It needs no server and no network.
///
/// | family (`model_type`) | such as |
/// |---|---|
/// | `bert` | all-MiniLM, BGE, E5, GTE, mxbai-embed, snowflake-arctic-embed |
/// | `roberta`, `xlm-roberta`, `camembert` | multilingual E5, BGE-M3 (its dense vectors), paraphrase-multilingual |
/// | `mpnet` | all-mpnet-base-v2, multi-qa-mpnet |
/// | `distilbert` | multi-qa-distilbert, msmarco-distilbert |
/// | `nomic_bert` | nomic-embed-text-v1 and v1.5 |
/// | `modernbert` | gte-modernbert-base, modernbert-embed-base |
/// | model2vec, `StaticEmbedding` | potion-base-8M, static-retrieval-mrl-en-v1 |
///
/// The vectors equal those of sentence-transformers, or of model2vec. A text is cut to the model's `max_seq_length`.
/// Models without a network (the last line) look a vector up for each token: they embed many times faster, and find
/// less.
///
/// Embedding runs on threads of its own, one per core, so it does not block the async runtime. `RAYON_NUM_THREADS` sets
/// another number of threads. Clones share the model. It computes on the processor: there is no code for CUDA, Metal or
/// Apple's Accelerate. For a GPU run a server, such as Ollama or text-embeddings-inference, beside it.
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
    modules: Modules,
    dimensions: usize,
    threads: rayon::ThreadPool,
}

impl Local {
    /// Loads the model in the directory `dir`, laid out as sentence-transformers or model2vec do.
    ///
    /// | file | what it says |
    /// |---|---|
    /// | `config.json`, `tokenizer.json` | the network, and its tokens |
    /// | `model.safetensors`, or `model.safetensors.index.json` and the files that it names | weights |
    /// | `modules.json` | what follows the network: `Pooling`, `Dense`, `Normalize` |
    /// | `1_Pooling/config.json` | `mean`, `cls`, `max`, `lasttoken`, `weightedmean` or `mean_sqrt_len_tokens` |
    /// | `sentence_bert_config.json`, `tokenizer_config.json` | the most tokens of a text |
    /// | `config_sentence_transformers.json` | the model's [`Prompts`] |
    ///
    /// Only the first two lines have to be there. Without `modules.json` vectors have the length 1, without
    /// `1_Pooling/config.json` they are means. Weights may have 16 or 32 bits.
    ///
    /// This reads all weights and takes some tenths of a second, for a large model seconds. Call it once, and not on a
    /// thread that async tasks wait for.
    ///
    /// # Errors
    ///
    /// [`LocalError`] if a file is missing or damaged, or the model does something that is not built here.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, LocalError> {
        let dir = dir.as_ref();
        let prompts = Files(dir).prompts()?;
        let modules = Modules::load(dir, &prompts)?;
        let model = Model {
            dimensions: modules.dimensions(),
            modules,
            threads: threads("local")?,
        };
        Ok(Self {
            model: Arc::new(model),
            prompts,
        })
    }

    /// Loads a model of the Hugging Face hub by its name, or from where it was fetched to before. See [`Hub`].
    ///
    /// It blocks for as long as a download takes. The cache ends up with the files that [`from_dir`](Self::from_dir)
    /// reads, and nothing else of the model.
    ///
    /// # Errors
    ///
    /// As [`from_dir`](Self::from_dir), and [`LocalError::Hub`] if the hub does not have the model or is not reached.
    #[cfg(feature = "hub")]
    #[cfg_attr(docsrs, doc(cfg(feature = "hub")))]
    pub fn from_hub(model: impl Into<Hub>) -> Result<Self, LocalError> {
        Self::from_dir(model.into().fetch()?)
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
    fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let vectors = self.threads.install(|| self.modules.network.embed(texts))?;
        Ok(vectors.into_iter().map(|vector| self.modules.finish(vector)).collect())
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
