//! `--local-model`: models in this process.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use super::CliError;
use crate::embedder::Embedder;
use crate::worker::Worker;

/// `ollama/all-minilm=/models/all-MiniLM-L6-v2`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LocalModel {
    pub(super) provider: String,
    pub(super) model: String,
    dir: PathBuf,
}

impl FromStr for LocalModel {
    type Err = &'static str;

    fn from_str(argument: &str) -> Result<Self, Self::Err> {
        let parts = argument
            .split_once('=')
            .and_then(|(name, dir)| Some((name.split_once('/')?, dir)));
        match parts {
            // a model's own name may have slashes too
            Some(((provider, model), dir)) if ![provider, model, dir].contains(&"") => Ok(Self {
                provider: provider.to_owned(),
                model: model.to_owned(),
                dir: dir.into(),
            }),
            _ => Err("expected PROVIDER/MODEL=DIR, such as ollama/all-minilm=/models/all-MiniLM-L6-v2"),
        }
    }
}

/// Loads the models and hands them to the worker.
pub(super) fn with_local_models(worker: Worker, models: &[LocalModel]) -> Result<Worker, CliError> {
    models.iter().try_fold(worker, |worker, model| {
        Ok(worker.embedder(&model.provider, &model.model, model.load()?))
    })
}

impl LocalModel {
    #[cfg(feature = "local")]
    pub(super) fn load(&self) -> Result<Arc<dyn Embedder>, CliError> {
        match crate::embedder::Local::from_dir(&self.dir) {
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

    fn refused(&self, problem: String) -> CliError {
        let Self { provider, model, dir } = self;
        CliError::LocalModel {
            argument: format!("{provider}/{model}={}", dir.display()),
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_provider_name_and_directory() {
        let model: LocalModel = "ollama/library/all-minilm=/models/a=b".parse().unwrap();
        assert_eq!(
            (model.provider.as_str(), model.model.as_str()),
            ("ollama", "library/all-minilm")
        );
        assert_eq!(model.dir, PathBuf::from("/models/a=b"));
        for wrong in ["", "ollama", "ollama=/d", "/m=/d", "ollama/=/d", "ollama/m="] {
            assert!(wrong.parse::<LocalModel>().is_err(), "{wrong}");
        }
    }
}
