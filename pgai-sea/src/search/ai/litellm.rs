//! `ai.litellm_embed`.

use super::{call, embed};

/// `ai.litellm_embed`: embeds `input_text` with a model of any provider that LiteLLM knows.
///
/// ```
/// use pgai_sea::ai;
/// use pgai_sea::prelude::*;
/// use sea_orm::sea_query::{Expr, PostgresQueryBuilder, Query};
///
/// let query = ai::litellm_embed("mistral/mistral-embed", "search query").api_key_name("MISTRAL_API_KEY");
/// assert_eq!(
///     Query::select().expr(Expr::col("embedding").cosine_distance(query)).to_string(PostgresQueryBuilder),
///     "SELECT \"embedding\" <=> (ai.litellm_embed(model => 'mistral/mistral-embed', \
///      input_text => 'search query', api_key_name => 'MISTRAL_API_KEY'))"
/// );
/// ```
pub fn litellm_embed(model: impl Into<String>, input_text: impl Into<String>) -> LiteLlmEmbed {
    LiteLlmEmbed {
        call: embed("litellm_embed", model, input_text),
    }
}

call! {
    /// A call of `ai.litellm_embed`. See [`litellm_embed`].
    ///
    /// ```
    /// use pgai_sea::ai;
    /// use sea_orm::sea_query::{PostgresQueryBuilder, Query};
    ///
    /// let query = ai::litellm_embed("m", "text")
    ///     .api_key("key")
    ///     .api_key_name("MISTRAL_API_KEY")
    ///     .extra_options(serde_json::json!({"timeout": 5}))
    ///     .verbose(true);
    /// assert_eq!(
    ///     Query::select().expr(query).to_string(PostgresQueryBuilder),
    ///     "SELECT ai.litellm_embed(model => 'm', input_text => 'text', api_key => 'key', \
    ///      api_key_name => 'MISTRAL_API_KEY', \
    ///      extra_options => '{\"timeout\":5}', verbose => TRUE)"
    /// );
    /// ```
    LiteLlmEmbed {
        /// The key itself. [`api_key_name`](Self::api_key_name) keeps it out of the statement.
        api_key: String,
        /// The name of the setting or secret that holds the key. None by default.
        api_key_name: String,
        /// Arguments of LiteLLM's `embedding`: `{"input_type": "search_query"}`.
        extra_options: serde_json::Value,
        /// Whether the server's log gets the request.
        verbose: bool,
    }
}
