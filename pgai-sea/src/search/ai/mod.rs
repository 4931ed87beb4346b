//! Embeds query text inside the database, with the functions of pgai's extension `ai`.
//!
//! Each call is an SQL expression. A [`Search`](super::Search) evaluates it once, in a statement of its own, and goes
//! on with the vector. In other queries it stands where you write it. Arguments are bound, never formatted. Arguments
//! that are not set are not sent.
//!
//! The database needs the extension `ai`. A database that has only pgai's schema or ours has no such functions: embed
//! through an [`Embedder`](crate::embedder::Embedder) with [`search_text`](super::SearchTrait::search_text) instead.
//!
//! [`vectorizer_embed`] needs no provider and model: it embeds as a vectorizer does.
//!
//! Every function that calls a provider takes `api_key_name`, the name of a setting or secret that holds the key. All
//! but Ollama's also take `api_key`, the key itself. It is a bound value, which the server may write to its log.

mod cohere;
mod litellm;
mod ollama;
mod openai;
mod vectorizer;
mod voyageai;

pub use self::cohere::{CohereEmbed, cohere_embed};
pub use self::litellm::{LiteLlmEmbed, litellm_embed};
pub use self::ollama::{OllamaEmbed, ollama_embed};
pub use self::openai::{OpenAiEmbed, openai_embed};
pub use self::vectorizer::{VectorizerEmbed, vectorizer_embed};
pub use self::voyageai::{VoyageAiEmbed, voyageai_embed};

use crate::sql::Call;

fn embed(function: &'static str, model: impl Into<String>, input_text: impl Into<String>) -> Call {
    Call::new(function)
        .arg("model", Some(model.into()))
        .arg("input_text", Some(input_text.into()))
}

/// Writes the struct of a call, the setters of its arguments, and what makes it an expression.
macro_rules! call {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$argument_doc:meta])* $argument:ident: $type:ty,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[must_use]
        pub struct $name {
            call: $crate::sql::Call,
        }

        impl $name {
            $(
                $(#[$argument_doc])*
                pub fn $argument(self, $argument: impl Into<$type>) -> Self {
                    let $argument: $type = $argument.into();
                    Self {
                        call: self.call.arg(stringify!($argument), Some($argument)),
                    }
                }
            )*
        }

        impl From<$name> for ::sea_orm::sea_query::Expr {
            fn from(function: $name) -> Self {
                let (sql, values) = function.call.bind();
                Self::cust_with_values(sql, values)
            }
        }

        impl ::sea_orm::IntoSimpleExpr for $name {
            fn into_simple_expr(self) -> ::sea_orm::sea_query::Expr {
                self.into()
            }
        }

        impl $crate::pgvector::IntoVector<$crate::pgvector::kind::Expression> for $name {
            fn into_vector(self) -> $crate::pgvector::VectorExpr {
                $crate::pgvector::VectorExpr::Call(self.into())
            }
        }
    };
}
use call;
