//! What the examples run on: a database and a model, one's own or fetched, and texts: the crates on this machine.

mod crates;
mod database;
mod error;
mod options;
mod stop;

pub use self::crates::{Crate, Crates};
pub use self::database::Database;
pub use self::error::{Error, exit_code};
pub use self::options::Options;
pub use self::stop::stop_signal;

/// Ollama's name for all-MiniLM-L6-v2. A vectorizer that says Ollama can be served by any worker; the examples' bring
/// the model along.
pub const MODEL: &str = "all-minilm";
/// The dimensions of its vectors.
pub const DIMENSIONS: i32 = 384;
