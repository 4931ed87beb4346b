//! Embedding query text inside the database, with the functions of pgai's `ai` extension.
//!
//! Each call is an SQL expression, evaluated once per query. Arguments are bound, never formatted. The database needs the extension
//! `ai`; where only pgai's schema or ours is installed, embed through an [`Embedder`](crate::embedder::Embedder) with
//! [`search_text`](super::SearchTrait::search_text) instead.

use sea_orm::IntoSimpleExpr;
use sea_orm::sea_query::Expr;

use super::expr::{IntoVector, VectorExpr, kind};
use crate::sql::Call;

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

fn embed(function: &'static str, model: impl Into<String>, input_text: impl Into<String>) -> Call {
    Call::new(function)
        .arg("model", Some(model.into()))
        .arg("input_text", Some(input_text.into()))
}

/// A call of `ai.openai_embed`. See [`openai_embed`].
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct OpenAiEmbed {
    call: Call,
}

impl OpenAiEmbed {
    /// The length of the vector: that of the column it is compared with.
    pub fn dimensions(self, dimensions: i32) -> Self {
        Self {
            call: self.call.arg("dimensions", Some(dimensions)),
        }
    }

    /// The name of the setting or secret that holds the key; by default `OPENAI_API_KEY`.
    pub fn api_key_name(self, api_key_name: impl Into<String>) -> Self {
        Self {
            call: self.call.arg("api_key_name", Some(api_key_name.into())),
        }
    }

    /// An end user's name for OpenAI's abuse reports.
    pub fn openai_user(self, openai_user: impl Into<String>) -> Self {
        Self {
            call: self.call.arg("openai_user", Some(openai_user.into())),
        }
    }
}

/// A call of `ai.ollama_embed`. See [`ollama_embed`].
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct OllamaEmbed {
    call: Call,
}

impl OllamaEmbed {
    /// Where Ollama listens, as the database server reaches it.
    pub fn host(self, host: impl Into<String>) -> Self {
        Self {
            call: self.call.arg("host", Some(host.into())),
        }
    }

    /// How long Ollama keeps the model loaded: `5m`.
    pub fn keep_alive(self, keep_alive: impl Into<String>) -> Self {
        Self {
            call: self.call.arg("keep_alive", Some(keep_alive.into())),
        }
    }

    /// The model's own parameters: `{"num_ctx": 2048}`.
    pub fn embedding_options(self, embedding_options: serde_json::Value) -> Self {
        Self {
            call: self.call.arg("embedding_options", Some(embedding_options)),
        }
    }
}

macro_rules! expressions {
    ($($function:ty),*) => {
        $(impl From<$function> for Expr {
            fn from(function: $function) -> Self {
                let (sql, values) = function.call.bind();
                Expr::cust_with_values(sql, values)
            }
        }

        impl IntoSimpleExpr for $function {
            fn into_simple_expr(self) -> Expr {
                self.into()
            }
        }

        impl IntoVector<kind::Expression> for $function {
            fn into_vector(self) -> VectorExpr {
                VectorExpr::Expr(self.into())
            }
        })*
    };
}
expressions!(OpenAiEmbed, OllamaEmbed);
