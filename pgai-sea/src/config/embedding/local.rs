//! A model in the worker's process: `ai.embedding_local`.

use serde::{Deserialize, Serialize};

use super::{Embedding, Tag, check_model};
use crate::config::{ConfigError, Other};
use crate::sql::Call;

impl Embedding {
    /// A model that runs in the process that embeds: the worker's, and for searches the application's.
    ///
    /// ```
    /// use pgai_sea::config::Embedding;
    ///
    /// assert_eq!(
    ///     Embedding::local("BAAI/bge-small-en-v1.5", 384).to_sql(),
    ///     "ai.embedding_local(model => 'BAAI/bge-small-en-v1.5', dimensions => 384)"
    /// );
    /// ```
    ///
    /// The configuration has the model's name only. Give the model to each process under this name:
    /// `Worker::embedder("local", name, model)`, [`Embedders::embedder`](crate::Embedders::embedder), or
    /// `--local-model NAME=DIR`. Nobody loads or fetches a model because the catalog names it.
    ///
    /// pgai's own catalog has no such function, and its worker could not embed: there `create_vectorizer` refuses it.
    #[must_use]
    pub fn local(model: impl Into<String>, dimensions: i32) -> EmbeddingLocal {
        EmbeddingLocal {
            config_type: Tag::Tag,
            model: model.into(),
            dimensions,
            other: Other::new(),
        }
    }
}

/// A model in the worker's process. See [`Embedding::local`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EmbeddingLocal {
    #[serde(default)]
    config_type: Tag,
    /// The model's name, as the processes are given it.
    pub model: String,
    /// The length of the vectors.
    pub dimensions: i32,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl EmbeddingLocal {
    pub(crate) fn call(&self) -> Call {
        Call::new("embedding_local")
            .arg("model", Some(&self.model))
            .arg("dimensions", Some(self.dimensions))
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_model(&self.model, self.dimensions)
    }
}
