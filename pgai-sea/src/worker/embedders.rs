//! Which [`Embedder`] serves a vectorizer: one given in code for its provider and model, else the one that its configuration
//! asks for.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::Embedding;
use crate::embedder::{EmbedError, Embedder, environment, from_config};

/// Embedders given in code, by provider and model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Embedders {
    given: HashMap<(String, String), Arc<dyn Embedder>>,
}

impl Embedders {
    pub(crate) fn insert(&mut self, provider: String, model: String, embedder: Arc<dyn Embedder>) {
        self.given.insert((provider, model), embedder);
    }

    pub(crate) fn choose(&self, config: &Embedding) -> Result<Arc<dyn Embedder>, EmbedError> {
        let given = self
            .given
            .get(&(config.provider().to_owned(), config.model().to_owned()));
        given.map_or_else(|| from_config(config, environment), |embedder| Ok(Arc::clone(embedder)))
    }
}
