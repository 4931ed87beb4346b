//! The models that commands embed questions with.

use clap::Args;

use super::CliError;
use super::local_model::LocalModel;
use crate::embedder::Embedders;

/// What a vectorizer's configuration may name, and models of this process.
#[derive(Debug, Args)]
pub(super) struct EmbedderArgs {
    /// Let the configuration name this server (base_url), as gpu or 10.0.0.5:8080, * for any; may be given several
    /// times
    #[arg(long = "allow-host", value_name = "HOST", value_delimiter = ',')]
    hosts: Vec<String>,
    /// Let the configuration name this environment variable as api_key_name; may be given several times. Names that end
    /// in _API_KEY are always allowed
    #[arg(long = "allow-key", value_name = "NAME", value_delimiter = ',')]
    keys: Vec<String>,
    /// Embed in this process: bge-small=/models/bge-small, or instead of a server
    /// ollama/all-minilm=/models/all-MiniLM-L6-v2. Without a directory the model is fetched from the Hugging Face hub
    /// by its name. May be given several times
    #[arg(long = "local-model", value_name = "[PROVIDER/]MODEL[=DIR]")]
    local_models: Vec<LocalModel>,
}

impl EmbedderArgs {
    /// The embedders of configurations: the local models, and what the environment has keys for.
    pub(super) fn embedders(&self) -> Result<Embedders, CliError> {
        let embedders = self.hosts.iter().fold(Embedders::new(), Embedders::allow_host);
        let embedders = self.keys.iter().fold(embedders, Embedders::allow_key);
        self.local_models.iter().try_fold(embedders, |embedders, model| {
            Ok(embedders.embedder(&*model.provider, &*model.model, model.load()?))
        })
    }
}
