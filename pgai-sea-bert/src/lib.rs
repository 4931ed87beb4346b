//! The encoder of [pgai-sea](https://docs.rs/pgai-sea)'s in-process embedding model: BERT on the processor, for
//! sentence embeddings.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pgai_sea_bert::{Config, Encoder, Pooling};
//!
//! let config: Config = serde_json::from_slice(&std::fs::read("model/config.json")?)?;
//! let encoder = Encoder::load(&std::fs::read("model/model.safetensors")?, &config)?;
//! let tokens: &[u32] = &[101, 7592, 2088, 102]; // [CLS] hello world [SEP]
//! let vectors = encoder.embed(&[tokens], Pooling::Mean)?;
//! # Ok(())
//! # }
//! ```
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

mod config;
mod cross_encoder;
mod encoder;
mod error;
mod math;
mod matrix;
mod weights;

pub use self::config::{Activation, Config, Pooling, PositionEmbedding};
pub use self::cross_encoder::{CrossEncoder, Pair};
pub use self::encoder::Encoder;
pub use self::error::{EncodeError, LoadError};
