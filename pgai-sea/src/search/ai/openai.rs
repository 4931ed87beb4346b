//! `ai.openai_embed`.

use super::{call, embed};

/// `ai.openai_embed`: embeds `input_text` with an OpenAI model.
///
/// ```
/// use pgai_sea::ai;
/// use pgai_sea::prelude::*;
/// use sea_orm::sea_query::{Expr, PostgresQueryBuilder, Query};
///
/// let query = ai::openai_embed("text-embedding-3-small", "search query").dimensions(768);
/// assert_eq!(
///     Query::select().expr(Expr::col("embedding").cosine_distance(query)).to_string(PostgresQueryBuilder),
///     "SELECT \"embedding\" <=> (ai.openai_embed(model => 'text-embedding-3-small', \
///      input_text => 'search query', dimensions => 768))"
/// );
/// ```
pub fn openai_embed(model: impl Into<String>, input_text: impl Into<String>) -> OpenAiEmbed {
    OpenAiEmbed {
        call: embed("openai_embed", model, input_text),
    }
}

call! {
    /// A call of `ai.openai_embed`. See [`openai_embed`].
    ///
    /// ```
    /// use pgai_sea::ai;
    /// use sea_orm::sea_query::{PostgresQueryBuilder, Query};
    ///
    /// let query = ai::openai_embed("m", "text")
    ///     .api_key("key")
    ///     .api_key_name("OPENAI_API_KEY")
    ///     .dimensions(768)
    ///     .openai_user("ann")
    ///     .extra_headers(serde_json::json!({"x": "1"}))
    ///     .extra_query(serde_json::json!({"y": 2}))
    ///     .extra_body(serde_json::json!({"z": 3}))
    ///     .verbose(true)
    ///     .client_config(serde_json::json!({"base_url": "http://localhost:8080/v1"}));
    /// assert_eq!(
    ///     Query::select().expr(query).to_string(PostgresQueryBuilder),
    ///     r#"SELECT ai.openai_embed(model => 'm', input_text => 'text', api_key => 'key', "#
    ///         .to_owned()
    ///         + r#"api_key_name => 'OPENAI_API_KEY', "#
    ///         + r#"dimensions => 768, openai_user => 'ann', extra_headers => '{"x":"1"}', extra_query => '{"y":2}', "#
    ///         + r#"extra_body => '{"z":3}', verbose => TRUE, "#
    ///         + r#"client_config => '{"base_url":"http://localhost:8080/v1"}')"#
    /// );
    /// ```
    OpenAiEmbed {
        /// The key itself. [`api_key_name`](Self::api_key_name) keeps it out of the statement.
        api_key: String,
        /// The name of the setting or secret that holds the key; by default `OPENAI_API_KEY`.
        api_key_name: String,
        /// The length of the vector: that of the column it is compared with.
        dimensions: i32,
        /// An end user's name for OpenAI's abuse reports.
        openai_user: String,
        /// Headers of the request.
        extra_headers: serde_json::Value,
        /// Parameters of the request's address.
        extra_query: serde_json::Value,
        /// Members of the request's body.
        extra_body: serde_json::Value,
        /// Whether the server's log gets the request.
        verbose: bool,
        /// Arguments of OpenAI's Python client: `{"base_url": "https://.."}` for another server, `{"timeout": 5}`.
        client_config: serde_json::Value,
    }
}
