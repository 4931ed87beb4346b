//! `--local-model`: models in this process.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use super::CliError;
use crate::embedder::Embedder;
use crate::worker::Worker;

/// What configurations may have before a slash. Other slashes are part of a model's name.
const PROVIDERS: [&str; 5] = ["openai", "ollama", "voyageai", "litellm", "local"];

/// `ollama/all-minilm=/models/all-MiniLM-L6-v2`, `bge-small=/models/bge-small`, `BAAI/bge-small-en-v1.5`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LocalModel {
    pub(super) provider: String,
    pub(super) model: String,
    source: String,
}

impl FromStr for LocalModel {
    type Err = &'static str;

    fn from_str(argument: &str) -> Result<Self, Self::Err> {
        // without a directory the name is the hub's
        let (name, source) = argument.split_once('=').unwrap_or((argument, argument));
        let (provider, model) = match name.split_once('/') {
            // a model's own name may have slashes too
            Some((provider, model)) if PROVIDERS.contains(&provider) => (provider, model),
            _ => ("local", name),
        };
        let source = if source == name { model } else { source };
        if model.is_empty() || source.is_empty() || model.starts_with('/') || PROVIDERS.contains(&name) {
            return Err(
                "expected [PROVIDER/]MODEL=DIR, such as ollama/all-minilm=/models/all-MiniLM-L6-v2, or a model's name \
                 on the Hugging Face hub",
            );
        }
        Ok(Self {
            provider: provider.to_owned(),
            model: model.to_owned(),
            source: source.to_owned(),
        })
    }
}

/// Loads the models and hands them to the worker.
pub(super) fn with_local_models(worker: Worker, models: &[LocalModel]) -> Result<Worker, CliError> {
    models.iter().try_fold(worker, |worker, model| {
        Ok(worker.embedder(&model.provider, &model.model, model.load()?))
    })
}

impl LocalModel {
    /// From a directory, or else from the hub.
    #[cfg(feature = "local")]
    pub(super) fn load(&self) -> Result<Arc<dyn Embedder>, CliError> {
        let loaded = match self.hub_name() {
            #[cfg(feature = "hub")]
            Some(name) => crate::embedder::Local::from_hub(name),
            #[cfg(not(feature = "hub"))]
            Some(_) => {
                return Err(self.refused(
                    "there is no such directory, and this program was built without the hub: install it with \
                     --features cli,hub"
                        .to_owned(),
                ));
            }
            None => crate::embedder::Local::from_dir(&self.source),
        };
        match loaded {
            Ok(local) => Ok(Arc::new(local)),
            Err(error) => Err(self.refused(error.to_string())),
        }
    }

    /// Without the feature `local` there is nothing to load it with.
    #[cfg(not(feature = "local"))]
    pub(super) fn load(&self) -> Result<Arc<dyn Embedder>, CliError> {
        Err(self
            .refused("this program was built without local models: install it with --features cli,local".to_owned()))
    }

    /// `owner/model`, where that is no directory.
    #[cfg_attr(
        not(feature = "local"),
        allow(dead_code, reason = "there is nothing to load it with")
    )]
    fn hub_name(&self) -> Option<&str> {
        let is_name = self.source.split('/').count() == 2 && !self.source.starts_with(['/', '.', '~']);
        (is_name && !Path::new(&self.source).exists()).then_some(&self.source)
    }

    fn refused(&self, problem: String) -> CliError {
        let Self {
            provider,
            model,
            source,
        } = self;
        CliError::LocalModel {
            argument: format!("{provider}/{model}={source}"),
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_a_name_and_a_directory_or_a_name_of_the_hub() {
        for (argument, provider, model, source) in [
            (
                "ollama/library/all-minilm=/models/a=b",
                "ollama",
                "library/all-minilm",
                "/models/a=b",
            ),
            ("bge-small=/models/bge", "local", "bge-small", "/models/bge"),
            ("local/bge-small=bge", "local", "bge-small", "bge"),
            (
                "BAAI/bge-small-en-v1.5",
                "local",
                "BAAI/bge-small-en-v1.5",
                "BAAI/bge-small-en-v1.5",
            ),
            ("local/BAAI/bge", "local", "BAAI/bge", "BAAI/bge"),
            ("ollama/bge=BAAI/bge", "ollama", "bge", "BAAI/bge"),
        ] {
            let found: LocalModel = argument.parse().unwrap();
            assert_eq!(
                (&*found.provider, &*found.model, &*found.source),
                (provider, model, source),
                "{argument}"
            );
        }
        for wrong in ["", "ollama", "ollama=/d", "/m=/d", "ollama/=/d", "ollama/m="] {
            assert!(wrong.parse::<LocalModel>().is_err(), "{wrong}");
        }
        let hub_name = |argument: &str| argument.parse::<LocalModel>().unwrap().hub_name().map(str::to_owned);
        assert_eq!(hub_name("BAAI/bge").as_deref(), Some("BAAI/bge"));
        assert_eq!(hub_name("a=./models"), None);
        assert_eq!(hub_name("a=src/cli"), None, "this is a directory here");
    }
}
