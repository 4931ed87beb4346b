//! `ai.ollama_embed`.

use super::{call, embed};

/// `ai.ollama_embed`: embeds `input_text` with a model that Ollama serves.
///
/// ```
/// use pgai_sea::ai;
/// use pgai_sea::prelude::*;
/// use sea_orm::sea_query::{Expr, PostgresQueryBuilder, Query};
///
/// let query = ai::ollama_embed("all-minilm", "search query").host("http://ollama:11434");
/// assert_eq!(
///     Query::select().expr(Expr::col("embedding").cosine_distance(query)).to_string(PostgresQueryBuilder),
///     "SELECT \"embedding\" <=> (ai.ollama_embed(model => 'all-minilm', \
///      input_text => 'search query', host => 'http://ollama:11434'))"
/// );
/// ```
pub fn ollama_embed(model: impl Into<String>, input_text: impl Into<String>) -> OllamaEmbed {
    OllamaEmbed {
        call: embed("ollama_embed", model, input_text),
    }
}

call! {
    /// A call of `ai.ollama_embed`. See [`ollama_embed`].
    ///
    /// ```
    /// use pgai_sea::ai;
    /// use sea_orm::sea_query::{PostgresQueryBuilder, Query};
    ///
    /// let query = ai::ollama_embed("m", "text")
    ///     .host("http://ollama:11434")
    ///     .keep_alive("5m")
    ///     .embedding_options(serde_json::json!({"num_ctx": 2048}))
    ///     .verbose(true);
    /// assert_eq!(
    ///     Query::select().expr(query).to_string(PostgresQueryBuilder),
    ///     "SELECT ai.ollama_embed(model => 'm', input_text => 'text', host => 'http://ollama:11434', \
    ///      keep_alive => '5m', \
    ///      embedding_options => '{\"num_ctx\":2048}', verbose => TRUE)"
    /// );
    /// ```
    OllamaEmbed {
        /// Where Ollama listens, as the database server reaches it.
        host: String,
        /// How long Ollama keeps the model loaded: `5m`.
        keep_alive: String,
        /// The model's own parameters: `{"num_ctx": 2048}`.
        embedding_options: serde_json::Value,
        /// Whether the server's log gets the request.
        verbose: bool,
    }
}
