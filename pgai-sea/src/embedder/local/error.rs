//! Why a model directory cannot be used.

use std::path::PathBuf;

/// Why [`Local::from_dir`](super::Local::from_dir) loaded no model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// A file is missing or cannot be read.
    #[error(
        "cannot read {}: a model directory holds config.json, tokenizer.json and model.safetensors",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is not what its name promises.
    #[error("cannot make sense of {}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The files are fine, but this model is of a kind that is not built in.
    #[error("{} holds a model that cannot run here: {reason}", path.display())]
    Unsupported {
        /// The directory.
        path: PathBuf,
        /// What is not built in, and what is.
        reason: String,
    },
    /// The operating system gave no threads.
    #[error("cannot start the threads that the model runs on")]
    Threads {
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
