//! Query vectors that were made already.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::EmbedError;

/// The default number of vectors: 6 MB of 1,536 numbers each.
const DEFAULT_QUERIES: usize = 1_000;

/// The vectors of the latest queries, by the model's configuration and the text. Clones share them. Who asks for one
/// that is being made waits for it.
#[derive(Clone)]
pub(super) struct QueryCache(Option<Arc<Vectors>>);

type Vectors = Cache<(String, String), Arc<[f32]>>;

impl QueryCache {
    pub(super) fn new(queries: usize) -> Self {
        Self((queries > 0).then(|| Arc::new(Cache::new(queries))))
    }

    /// The vector of `text`. `embed` makes it, if it is not there. A failure is not remembered.
    pub(super) async fn get(
        &self,
        config: &str,
        text: &str,
        embed: impl Future<Output = Result<Vec<f32>, EmbedError>>,
    ) -> Result<Vec<f32>, EmbedError> {
        let Some(cache) = &self.0 else { return embed.await };
        let key = (config.to_owned(), text.to_owned());
        let vector = cache
            .get_or_insert_async(&key, async { Ok(embed.await?.into()) })
            .await?;
        Ok(vector.to_vec())
    }
}

impl Default for QueryCache {
    fn default() -> Self {
        Self::new(DEFAULT_QUERIES)
    }
}

impl fmt::Debug for QueryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // what people look for is no one's business
        let len = self.0.as_ref().map(|cache| cache.len());
        f.debug_tuple("QueryCache").field(&len).finish()
    }
}
