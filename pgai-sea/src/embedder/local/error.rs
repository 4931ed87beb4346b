//! Why a model directory cannot be used.

use std::path::PathBuf;

/// Why [`Local::from_dir`](super::Local::from_dir) did not load the model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// A file is missing or cannot be read.
    #[error(
        "cannot read {}: {source}; a model directory holds config.json, tokenizer.json and model.safetensors",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is damaged, or does not belong to this model.
    #[error("{} is damaged, or belongs to another model: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The files are fine, but this kind of model cannot run here.
    #[error("the model in {} cannot run in this process: {reason}", path.display())]
    Unsupported {
        /// The directory.
        path: PathBuf,
        /// What it needs, and what there is.
        reason: String,
    },
    /// The model could not be fetched.
    #[cfg(feature = "hub")]
    #[error(
        "the model {name} could not be fetched: {source}; look whether the hub has a model of this name, and whether \
         HF_ENDPOINT is reached from here. Or load it from a directory"
    )]
    Hub {
        /// The model's name.
        name: String,
        /// What the hub's client said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The threads that the model runs on cannot be started.
    #[error("cannot start the threads that the model runs on: {source}")]
    Threads {
        /// What the operating system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
