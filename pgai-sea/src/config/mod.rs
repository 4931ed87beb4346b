//! The options of a vectorizer: one type per argument of `ai.create_vectorizer`.
//!
//! Each type builds the call of a pgai function (`to_sql` shows it) and reads back the jsonb that the catalog stores in
//! `ai.vectorizer.config`. Options that were not set are left out of the call, so that the database's defaults hold,
//! whichever version answers. Keys and implementations that this version does not know are kept in `other` and `Other`.

mod chunking;
mod destination;
mod embedding;
mod error;
mod formatting;
mod indexing;
mod loading;
mod parsing;
mod processing;
mod scheduling;
mod structure;

pub use self::chunking::{CharacterTextSplitter, Chunking, ChunkingNone, RecursiveCharacterTextSplitter};
pub use self::destination::{Destination, DestinationColumn, DestinationTable};
pub use self::embedding::{
    Embedding, EmbeddingLiteLlm, EmbeddingLocal, EmbeddingOllama, EmbeddingOpenAi, EmbeddingVoyageAi,
};
pub use self::error::ConfigError;
pub use self::formatting::{Formatting, PythonTemplate};
pub use self::indexing::{Diskann, Hnsw, Indexing, IndexingDefault, IndexingNone};
pub use self::loading::{Loading, LoadingColumn, LoadingUri};
pub use self::parsing::{Parsing, ParsingAuto, ParsingDocling, ParsingNone, ParsingPymupdf};
pub use self::processing::{Processing, ProcessingDefault};
pub use self::scheduling::{Scheduling, SchedulingDefault, SchedulingNone, SchedulingTimescaledb};
pub use self::structure::{ChunkingCode, ChunkingMarkdown};

#[cfg(feature = "chunking")]
pub(crate) use self::chunking::{DEFAULT_CHUNK_OVERLAP, DEFAULT_CHUNK_SIZE};
pub(crate) use self::destination::{HALFVEC, check_partitions};
#[cfg(any(feature = "embedder", feature = "worker", test))]
pub(crate) use self::embedding::MAX_DIMENSIONS;
pub(crate) use self::error::{check_identifier, check_range, check_text};

use serde::{Deserialize, Serialize};

/// Keys of a stored object that this version does not know. They survive a round trip.
pub type Other = serde_json::Map<String, serde_json::Value>;

/// A vectorizer's configuration as the catalog stores it, `ai.vectorizer.config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Config {
    /// The version of the schema that made the vectorizer, of pgai's numbering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the embeddings are stored.
    pub destination: Destination,
    /// Where the text comes from. Vectorizers made before pgai 0.9 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loading: Option<Loading>,
    /// How documents become text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parsing: Option<Parsing>,
    /// The provider and model.
    pub embedding: Embedding,
    /// How text is cut.
    pub chunking: Chunking,
    /// The index over the embeddings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexing: Option<Indexing>,
    /// What the worker embeds of a chunk and its row.
    pub formatting: Formatting,
    /// Who runs the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// How much at once.
    pub processing: Processing,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// What every area's enum has in common: the function call, and the tag that the stored jsonb carries.
macro_rules! area {
    (
        $(#[$doc:meta])* $area:ident, $tag_type:ident = $tag:literal {
            $($(#[$variant_doc:meta])* $variant:ident($options:ty) = $implementation:literal),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "implementation")]
        #[non_exhaustive]
        pub enum $area {
            $($(#[$variant_doc])* #[serde(rename = $implementation)] $variant($options),)*
            /// An implementation that this version does not know, as it is stored.
            #[serde(untagged)]
            Other(serde_json::Value),
        }

        impl $area {
            /// The argument as SQL.
            #[must_use]
            pub fn to_sql(&self) -> String {
                self.call().map_or_else(|| String::from("NULL"), |call| call.to_sql())
            }

            /// `None` for what cannot be asked for, only read.
            pub(crate) fn call(&self) -> Option<$crate::sql::Call> {
                match self {
                    $(Self::$variant(options) => Some(options.call()),)*
                    Self::Other(_) => None,
                }
            }

            pub(crate) fn check(&self) -> Result<(), $crate::config::ConfigError> {
                match self {
                    $(Self::$variant(options) => options.check(),)*
                    Self::Other(_) => Err($crate::config::ConfigError::new($tag, "was read from a catalog and is not \
                        known here; name an implementation")),
                }
            }
        }

        $(impl From<$options> for $area {
            fn from(options: $options) -> Self {
                Self::$variant(options)
            }
        }

        impl $options {
            /// The argument as SQL.
            #[must_use]
            pub fn to_sql(&self) -> String {
                self.call().to_sql()
            }
        })*

        /// `config_type` in the stored jsonb.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub(in crate::config) enum $tag_type {
            #[default]
            #[serde(rename = $tag)]
            Tag,
        }
    };
}
use area;

/// An implementation without options.
macro_rules! bare {
    ($(#[$doc:meta])* $name:ident, $tag_type:ty, $function:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        pub struct $name {
            #[serde(default)]
            config_type: $tag_type,
            /// Stored keys that this version does not know.
            #[serde(flatten)]
            pub other: $crate::config::Other,
        }

        impl $name {
            #[allow(clippy::unused_self, reason = "the same shape as those with options")]
            pub(crate) fn call(&self) -> $crate::sql::Call {
                $crate::sql::Call::new($function)
            }

            #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "the same shape as those with options")]
            pub(crate) fn check(&self) -> Result<(), $crate::config::ConfigError> {
                Ok(())
            }
        }
    };
}
use bare;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored() -> serde_json::Value {
        json!({
            "version": "0.12.1",
            "destination": {"implementation": "table", "config_type": "destination", "target_schema": "public",
                "target_table": "blog_embedding_store", "view_schema": "public", "view_name": "blog_embedding"},
            "loading": {"implementation": "column", "config_type": "loading", "column_name": "content", "retries": 6},
            "parsing": {"implementation": "auto", "config_type": "parsing"},
            "embedding": {"implementation": "openai", "config_type": "embedding", "model": "text-embedding-3-small",
                "dimensions": 768, "user": "bob", "api_key_name": "OPENAI_API_KEY"},
            "chunking": {"implementation": "character_text_splitter", "config_type": "chunking", "chunk_size": 800,
                "chunk_overlap": 400, "separator": "\n\n", "is_separator_regex": false},
            "indexing": {"implementation": "none", "config_type": "indexing"},
            "formatting": {"implementation": "python_template", "config_type": "formatting", "template": "$chunk"},
            "scheduling": {"implementation": "none", "config_type": "scheduling"},
            "processing": {"implementation": "default", "config_type": "processing"}
        })
    }

    #[test]
    fn what_the_catalog_stores_reads_and_writes_back() {
        let config: Config = serde_json::from_value(stored()).unwrap();
        let asked = Embedding::openai("text-embedding-3-small", 768)
            .chat_user("bob")
            .api_key_name("OPENAI_API_KEY");
        assert_eq!(config.embedding, asked.into());
        assert_eq!(config.loading, Some(Loading::column("content").retries(6).into()));
        assert_eq!(config.indexing, Some(Indexing::none().into()));
        assert_eq!(serde_json::to_value(&config).unwrap(), stored());
    }

    #[test]
    fn keys_and_implementations_of_the_future_survive() {
        let mut future = stored();
        future["embedding"]["output_dtype"] = json!("int8");
        future["chunking"] = json!({"implementation": "semantic", "config_type": "chunking", "threshold": 0.5});
        future["tenancy"] = json!({"implementation": "by_column"});
        let config: Config = serde_json::from_value(future.clone()).unwrap();
        assert!(matches!(&config.embedding, Embedding::OpenAi(openai) if openai.other["output_dtype"] == "int8"));
        assert!(matches!(config.chunking, Chunking::Other(_)));
        assert_eq!(serde_json::to_value(&config).unwrap(), future);
    }
}
