//! The encoder of [pgai-sea](https://docs.rs/pgai-sea)'s in-process embedding model: BERT and its relatives on the
//! processor, for sentence embeddings.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pgai_sea_bert::{Config, Encoder, Pooling};
//!
//! let config: Config = serde_json::from_slice(&std::fs::read("model/config.json")?)?;
//! let encoder = Encoder::load(&[std::fs::read("model/model.safetensors")?], &config)?;
//! let tokens: &[u32] = &[101, 7592, 2088, 102]; // [CLS] hello world [SEP]
//! let vectors = encoder.embed(&[tokens], Pooling::Mean)?;
//! # Ok(())
//! # }
//! ```
//!
//! | `model_type` | such as | positions |
//! |---|---|---|
//! | `bert` | MiniLM, BGE, E5, GTE | a vector each |
//! | `roberta`, `xlm-roberta`, `camembert` | multilingual E5, BGE-M3's dense part | a vector each |
//! | `distilbert` | multi-qa-distilbert | a vector each |
//! | `mpnet` | all-mpnet-base-v2 | a vector each, and a bias for each distance |
//! | `nomic_bert` | nomic-embed-text-v1.5 | rotations |
//! | `modernbert` | gte-modernbert-base | rotations; most layers see 64 tokens to either side |
//!
//! [`StaticModel`] has no network: it looks a vector up for each token.
//!
//! One call uses one core: call it from as many threads as there are cores. The texts of a call are laid end to end.
//! Nothing is padded, so texts of different lengths cost no more than texts of the same length.
//!
//! In a debug build, let Cargo optimise this crate:
//!
//! ```toml
//! [profile.dev.package.pgai-sea-bert]
//! opt-level = 3
//! ```

// pulp compiles for a processor's instructions what is inlined into its closures, and nothing else
#![allow(clippy::inline_always)]
// the constants are those of the literature, and `row.iter_mut().for_each(..)` is what stays one line in a closure
#![allow(clippy::excessive_precision, clippy::needless_for_each)]

mod attention;
mod config;
mod cross_encoder;
mod dense;
mod encoder;
mod error;
mod family;
mod layer;
mod math;
mod matrix;
mod pooling;
mod static_model;
mod weights;

pub use self::config::Config;
pub use self::cross_encoder::{CrossEncoder, Pair};
pub use self::dense::Dense;
pub use self::encoder::Encoder;
pub use self::error::{EncodeError, LoadError};
pub use self::math::to_unit;
pub use self::pooling::Pooling;
pub use self::static_model::StaticModel;
