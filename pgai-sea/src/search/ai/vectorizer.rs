//! `ai.vectorizer_embed`.

use super::call;
use crate::sql::Call;
use crate::vectorizer::VectorizerRef;

/// `ai.vectorizer_embed`: embeds `input_text` as a vectorizer does. Give its name, its id, or the entity that declares
/// it.
///
/// ```
/// use pgai_sea::ai;
/// use pgai_sea::prelude::*;
/// use sea_orm::sea_query::{Expr, PostgresQueryBuilder, Query};
///
/// let query = ai::vectorizer_embed("public_blog_posts_embedding_store", "search query");
/// assert_eq!(
///     Query::select().expr(Expr::col("embedding").cosine_distance(query)).to_string(PostgresQueryBuilder),
///     "SELECT \"embedding\" <=> (ai.vectorizer_embed(name => 'public_blog_posts_embedding_store', \
///      input_text => 'search query'))"
/// );
/// ```
///
/// The function calls those of the extension `ai`: a database without it refuses the query and says that it is missing.
pub fn vectorizer_embed(vectorizer: impl Into<VectorizerRef>, input_text: impl Into<String>) -> VectorizerEmbed {
    let (name, vectorizer) = vectorizer.into().arg();
    let call = Call::new("vectorizer_embed").arg(name, Some(vectorizer));
    VectorizerEmbed {
        call: call.arg("input_text", Some(input_text.into())),
    }
}

call! {
    /// A call of `ai.vectorizer_embed`. See [`vectorizer_embed`].
    ///
    /// ```
    /// use pgai_sea::ai;
    /// use sea_orm::sea_query::{PostgresQueryBuilder, Query};
    ///
    /// let query = ai::vectorizer_embed(7, "text").input_type("query");
    /// assert_eq!(
    ///     Query::select().expr(query).to_string(PostgresQueryBuilder),
    ///     "SELECT ai.vectorizer_embed(vectorizer_id => 7, input_text => 'text', input_type => 'query')"
    /// );
    /// ```
    VectorizerEmbed {
        /// `query` or `document`, for Voyage AI; by default `query`.
        input_type: String,
    }
}
