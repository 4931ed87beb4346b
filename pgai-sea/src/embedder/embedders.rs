//! The embedders that vectorizers' configurations name.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::allowed::{Allowed, Asker};
#[cfg(feature = "embedder")]
use super::allowed::{Author, without_server};
use super::query_cache::QueryCache;
use super::{EmbedError, Embedder};
use crate::config::Embedding;
use crate::vectorizer::VectorizerRef;

/// The embedders that vectorizers' configurations name: an application makes one of these, keeps it, and searches with
/// it.
///
/// ```no_run
/// # use pgai_sea::prelude::*;
/// # async fn f<E>(db: &sea_orm::DatabaseConnection) -> Result<(), SearchError>
/// # where
/// #     E: EmbeddingTrait + SearchTrait<Embeddings = E, Projection = pgai_sea::search::Chunks>,
/// # {
/// # type Embeddings<E> = E;
/// use pgai_sea::Embedders;
///
/// let embedders = Embedders::new(); // once
/// let hits = Embeddings::<E>::search_text(&embedders, "how do I change a model?").all(db).await?;
/// # Ok(())
/// # }
/// ```
///
/// The search embeds its text with the model of the generation that answers, and the same statement looks whether it
/// still does. After a cut-over the search embeds the text anew and asks again. Configurations are remembered, so a
/// search takes one round trip. So are the vectors of the latest questions: a page, a count or several searches for one
/// question take one request.
///
/// API keys come from the environment, under the names that the configurations have, or from [`key`](Self::key).
///
/// Whoever may change a vectorizer may change its `base_url`, which says where the key and the text go. So only the
/// providers' own servers are asked, those of the environment (`OLLAMA_HOST`, `OPENAI_BASE_URL`, ..), Ollama on this
/// machine, and what [`allow_host`](Self::allow_host) allows. The role needs `select` on `ai.vectorizer`:
/// [`grant_search`](crate::catalog::grant_search).
#[derive(Clone)]
pub struct Embedders {
    allowed: Allowed,
    given: HashMap<(String, String), Arc<dyn Embedder>>,
    keys: HashMap<String, String>,
    shared: Arc<Mutex<Shared>>,
    queries: QueryCache,
    /// What embeds, whatever the catalog says, with so many dimensions.
    #[cfg(feature = "testing")]
    pretended: Option<Pretended>,
}

#[cfg(feature = "testing")]
type Pretended = Arc<dyn Fn(usize) -> Arc<dyn Embedder> + Send + Sync>;

/// What all clones share.
#[derive(Default)]
struct Shared {
    /// By the configuration.
    made: HashMap<String, Arc<dyn Embedder>>,
    /// By what was searched.
    answering: HashMap<String, Answering>,
}

/// The generation that answers for a vectorizer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answering {
    pub(crate) id: i32,
    pub(crate) embedding: Embedding,
}

impl Default for Embedders {
    fn default() -> Self {
        Self {
            allowed: Allowed::new(Asker::Search),
            given: HashMap::new(),
            keys: HashMap::new(),
            shared: Arc::default(),
            queries: QueryCache::default(),
            #[cfg(feature = "testing")]
            pretended: None,
        }
    }
}

impl fmt::Debug for Embedders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // keys are no one's business
        f.debug_struct("Embedders")
            .field("given", &self.given.keys().collect::<Vec<_>>())
            .field("keys", &self.keys.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Embedders {
    /// Those of this crate's providers (feature `embedder`), with keys of the environment.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Embeds with `embedder` wherever a configuration names this provider and model.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use pgai_sea::Embedders;
    /// # #[cfg(feature = "testing")]
    /// use pgai_sea::testing::FakeEmbedder;
    ///
    /// # #[cfg(feature = "testing")]
    /// let embedders = Embedders::new().embedder("ollama", "all-minilm", Arc::new(FakeEmbedder::new(384)));
    /// ```
    #[must_use]
    pub fn embedder(
        mut self,
        provider: impl Into<String>,
        model: impl Into<String>,
        embedder: Arc<dyn Embedder>,
    ) -> Self {
        self.given.insert((provider.into(), model.into()), embedder);
        self
    }

    /// The API key of this name, instead of the environment's.
    #[must_use]
    pub fn key(mut self, name: impl Into<String>, key: impl Into<String>) -> Self {
        let name = name.into();
        self.allowed.allow_key(name.clone());
        self.keys.insert(name, key.into());
        self
    }

    /// Lets configurations name this server as `base_url`: `gpu`, `10.0.0.5:8080`, `*` for any.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.allowed.allow_host(host.into());
        self
    }

    /// Lets configurations name this environment variable as `api_key_name`. Names that end in `_API_KEY` always are
    /// allowed.
    #[must_use]
    pub fn allow_key(mut self, name: impl Into<String>) -> Self {
        self.allowed.allow_key(name.into());
        self
    }

    /// How many query vectors are remembered, the latest ones, so that a page, a count or a question that is asked
    /// again needs no request. By default 1,000; 0 remembers none.
    #[must_use]
    pub fn remember_queries(mut self, queries: usize) -> Self {
        self.queries = QueryCache::new(queries);
        self
    }

    /// The vector of a query by the model of a configuration, of which `embedder` is.
    pub(crate) async fn embed_query(
        &self,
        config: &str,
        embedder: &dyn Embedder,
        text: &str,
    ) -> Result<Vec<f32>, EmbedError> {
        self.queries.get(config, text, embedder.embed_query(text)).await
    }

    /// The embedder of a configuration.
    pub(crate) fn of_config(&self, config: &Embedding) -> Result<Arc<dyn Embedder>, EmbedError> {
        #[cfg(feature = "testing")]
        if let Some(pretended) = &self.pretended {
            let dimensions = config
                .dimensions()
                .and_then(|dimensions| usize::try_from(dimensions).ok());
            return Ok(pretended(dimensions.unwrap_or_default()));
        }
        let name = (config.provider().to_owned(), config.model().to_owned());
        if let Some(embedder) = self.given.get(&name) {
            return Ok(Arc::clone(embedder));
        }
        if let Embedding::Local(local) = config {
            return Err(EmbedError::not_given(&local.model));
        }
        let key = config.to_sql();
        if let Some(embedder) = self.shared().made.get(&key) {
            return Ok(Arc::clone(embedder));
        }
        let embedder = self.make(config)?;
        self.shared().made.insert(key, Arc::clone(&embedder));
        Ok(embedder)
    }

    #[cfg(feature = "embedder")]
    fn make(&self, config: &Embedding) -> Result<Arc<dyn Embedder>, EmbedError> {
        let author = Author::default();
        self.allowed.check_key(config, author)?;
        let variable = |name: &str| {
            let own = self.keys.get(name).cloned();
            own.or_else(|| super::environment(name))
        };
        let embedder = super::from_config(config, variable)?;
        if let Some(bare) = without_server(config) {
            let own = || super::from_config(&bare, variable).ok()?.server();
            self.allowed.check_host(embedder.server().as_ref(), own, author)?;
        }
        Ok(embedder)
    }

    #[cfg(not(feature = "embedder"))]
    #[allow(clippy::unused_self, reason = "as with the feature")]
    fn make(&self, config: &Embedding) -> Result<Arc<dyn Embedder>, EmbedError> {
        let (provider, model) = (config.provider(), config.model());
        Err(EmbedError::Configuration {
            provider: "the application",
            message: format!(
                "it was built without the feature `embedder`, so it cannot ask {provider} for `{model}`: turn on that \
                 feature of pgai-sea, or give it an embedder with `Embedders::embedder(\"{provider}\", \"{model}\", \
                 ..)`"
            ),
        })
    }

    /// Those that look into no catalog.
    #[cfg(feature = "testing")]
    pub(crate) fn pretending(embed: impl Fn(usize) -> Arc<dyn Embedder> + Send + Sync + 'static) -> Self {
        Self {
            pretended: Some(Arc::new(embed)),
            ..Self::default()
        }
    }

    /// The model that they pretend to be the catalog's.
    #[cfg(feature = "testing")]
    pub(crate) fn pretended(&self, dimensions: usize) -> Option<Answering> {
        self.pretended.as_ref()?;
        let dimensions = i32::try_from(dimensions).ok()?;
        Some(Answering {
            id: 0,
            embedding: Embedding::ollama("pretended", dimensions).into(),
        })
    }

    /// What answered for this when it was last looked up.
    pub(crate) fn known(&self, vectorizer: &VectorizerRef) -> Option<Answering> {
        self.shared().answering.get(&vectorizer.to_string()).cloned()
    }

    pub(crate) fn remember(&self, vectorizer: &VectorizerRef, answering: Answering) {
        self.shared().answering.insert(vectorizer.to_string(), answering);
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
