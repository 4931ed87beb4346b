//! What every example lets its user choose.

use std::path::PathBuf;

use clap::{Args, value_parser};
use pgai_sea::embedder::Local;

use crate::{Database, Error};

/// Options of an example's command line.
#[derive(Debug, Args)]
pub struct Options {
    /// A server to use instead of one that is fetched and started; its role may create databases
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// A directory with all-MiniLM-L6-v2 to use instead of fetching it: config.json, tokenizer.json, model.safetensors
    #[arg(long, value_name = "DIR", env = "PGAI_SEA_MODEL_DIR", value_parser = value_parser!(PathBuf))]
    pub model_dir: Option<PathBuf>,

    /// Keep the database, so that the next run with this option embeds only what is new
    #[arg(long)]
    pub keep: bool,
}

impl Options {
    /// Opens the database of the example with this name, and creates it where it is missing.
    ///
    /// # Errors
    ///
    /// There is no server, or it refuses.
    pub async fn database(&self, example: &'static str) -> Result<Database, Error> {
        Database::open(example, self.database_url.clone(), self.keep).await
    }

    /// Loads the model, from its directory or from where it is fetched to.
    ///
    /// # Errors
    ///
    /// It cannot be fetched, or is damaged.
    pub async fn model(&self) -> Result<Local, Error> {
        let dir = self.model_dir.clone();
        let load = move || -> Result<Local, Error> {
            let dir = dir.map_or_else(real_parts::minilm_dir, Ok)?;
            Ok(Local::from_dir(dir)?)
        };
        tokio::task::spawn_blocking(load).await?
    }
}
