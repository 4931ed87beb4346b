//! `ai.cohere_embed`.

use super::{call, embed};

/// `ai.cohere_embed`: embeds `input_text` with a model of Cohere, whose third version and later want an
/// [`input_type`](CohereEmbed::input_type).
///
/// ```
/// use pgai_sea::ai;
/// use pgai_sea::prelude::*;
/// use sea_orm::sea_query::{Expr, PostgresQueryBuilder, Query};
///
/// let query = ai::cohere_embed("embed-english-v3.0", "search query").input_type("search_query");
/// assert_eq!(
///     Query::select().expr(Expr::col("embedding").cosine_distance(query)).to_string(PostgresQueryBuilder),
///     "SELECT \"embedding\" <=> (ai.cohere_embed(model => 'embed-english-v3.0', \
///      input_text => 'search query', input_type => 'search_query'))"
/// );
/// ```
pub fn cohere_embed(model: impl Into<String>, input_text: impl Into<String>) -> CohereEmbed {
    CohereEmbed {
        call: embed("cohere_embed", model, input_text),
    }
}

call! {
    /// A call of `ai.cohere_embed`. See [`cohere_embed`].
    ///
    /// ```
    /// use pgai_sea::ai;
    /// use sea_orm::sea_query::{PostgresQueryBuilder, Query};
    ///
    /// let query = ai::cohere_embed("m", "text")
    ///     .api_key("key")
    ///     .api_key_name("COHERE_API_KEY")
    ///     .input_type("search_query")
    ///     .truncate_long_inputs("end")
    ///     .verbose(true);
    /// assert_eq!(
    ///     Query::select().expr(query).to_string(PostgresQueryBuilder),
    ///     "SELECT ai.cohere_embed(model => 'm', input_text => 'text', api_key => 'key', \
    ///      api_key_name => 'COHERE_API_KEY', \
    ///      input_type => 'search_query', truncate_long_inputs => 'end', verbose => TRUE)"
    /// );
    /// ```
    CohereEmbed {
        /// The key itself. [`api_key_name`](Self::api_key_name) keeps it out of the statement.
        api_key: String,
        /// The name of the setting or secret that holds the key; by default `COHERE_API_KEY`.
        api_key_name: String,
        /// `search_query`, `search_document`, `classification` or `clustering`.
        input_type: String,
        /// Where a text that is too long is cut: `none`, which is an error, `start` or `end`.
        truncate_long_inputs: String,
        /// Whether the server's log gets the request.
        verbose: bool,
    }
}
