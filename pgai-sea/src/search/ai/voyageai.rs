//! `ai.voyageai_embed`.

use super::{call, embed};

/// `ai.voyageai_embed`: embeds `input_text` with a model of Voyage AI. Say
/// [`input_type("query")`](VoyageAiEmbed::input_type) where the stored text was embedded as `document`.
///
/// ```
/// use pgai_sea::ai;
/// use pgai_sea::prelude::*;
/// use sea_orm::sea_query::{Expr, PostgresQueryBuilder, Query};
///
/// let query = ai::voyageai_embed("voyage-3.5", "search query").input_type("query");
/// assert_eq!(
///     Query::select().expr(Expr::col("embedding").cosine_distance(query)).to_string(PostgresQueryBuilder),
///     "SELECT \"embedding\" <=> (ai.voyageai_embed(model => 'voyage-3.5', \
///      input_text => 'search query', input_type => 'query'))"
/// );
/// ```
pub fn voyageai_embed(model: impl Into<String>, input_text: impl Into<String>) -> VoyageAiEmbed {
    VoyageAiEmbed {
        call: embed("voyageai_embed", model, input_text),
    }
}

call! {
    /// A call of `ai.voyageai_embed`. See [`voyageai_embed`].
    ///
    /// ```
    /// use pgai_sea::ai;
    /// use sea_orm::sea_query::{PostgresQueryBuilder, Query};
    ///
    /// let query =
    ///     ai::voyageai_embed("m", "text").input_type("query").api_key("key")
    ///         .api_key_name("VOYAGE_API_KEY").verbose(true);
    /// assert_eq!(
    ///     Query::select().expr(query).to_string(PostgresQueryBuilder),
    ///     "SELECT ai.voyageai_embed(model => 'm', input_text => 'text', input_type => 'query', api_key => 'key', \
    ///      api_key_name => 'VOYAGE_API_KEY', verbose => TRUE)"
    /// );
    /// ```
    VoyageAiEmbed {
        /// `query` or `document`.
        input_type: String,
        /// The key itself. [`api_key_name`](Self::api_key_name) keeps it out of the statement.
        api_key: String,
        /// The name of the setting or secret that holds the key; by default `VOYAGE_API_KEY`.
        api_key_name: String,
        /// Whether the server's log gets the request.
        verbose: bool,
    }
}
