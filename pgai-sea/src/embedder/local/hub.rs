//! Models by name, from the Hugging Face hub.

use std::path::PathBuf;

use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

use super::LocalError;

/// A model of the Hugging Face hub, by name.
///
/// ```no_run
/// use pgai_sea::embedder::{Hub, Local};
///
/// # fn main() -> Result<(), pgai_sea::embedder::LocalError> {
/// let model = Local::from_hub("BAAI/bge-small-en-v1.5")?;
/// let pinned = Local::from_hub(Hub::new("BAAI/bge-small-en-v1.5").revision("5c38ec7"))?;
/// # Ok(())
/// # }
/// ```
///
/// Files are kept where Python's `huggingface_hub` keeps them (`HF_HOME`, by default `~/.cache/huggingface`), and what
/// is there is not fetched again. If the hub cannot be reached, a model that was fetched before is loaded all the same.
/// `HF_ENDPOINT` names another server. The token of `huggingface-cli login` opens models that need one.
///
/// A name is not a version: whoever owns the model may change it, and stored vectors would no longer fit those of new
/// questions. Pin a [`revision`](Self::revision) where vectors are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    name: String,
    revision: Option<String>,
    endpoint: Option<String>,
    cache: Option<PathBuf>,
}

impl Hub {
    /// The model of this name: `owner/model`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            revision: None,
            endpoint: None,
            cache: None,
        }
    }

    /// A commit, tag or branch. By default `main`.
    #[must_use]
    pub fn revision(mut self, revision: impl Into<String>) -> Self {
        self.revision = Some(revision.into());
        self
    }

    /// The server. By default `HF_ENDPOINT`, or else the public hub.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Where files are kept, instead of where `HF_HOME` says.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache = Some(dir.into());
        self
    }

    /// Fetches what is missing, and returns the model's directory.
    pub(crate) fn fetch(&self) -> Result<PathBuf, LocalError> {
        let cache = self.cache.clone().map_or_else(Cache::from_env, Cache::new);
        let failed = |source: ApiError| LocalError::Hub {
            name: self.name.clone(),
            source: Box::new(source),
        };
        match self.fetch_into(&cache) {
            Ok(Some(dir)) => Ok(dir),
            Ok(None) => Err(LocalError::Unsupported {
                path: PathBuf::from(&self.name),
                reason: "the hub has no weights of it in the safetensors format".to_owned(),
            }),
            Err(error) => match cache.repo(self.repo()).get("config.json") {
                Some(config) => Ok(config.parent().unwrap_or(&config).to_owned()),
                None => Err(failed(error)),
            },
        }
    }

    /// All files of one commit, whatever `main` becomes meanwhile. Without weights that can be read it is nothing.
    fn fetch_into(&self, cache: &Cache) -> Result<Option<PathBuf>, ApiError> {
        let mut api = ApiBuilder::from_env().with_progress(false).with_retries(3);
        api = api.with_cache_dir(cache.path().clone()).with_token(cache.token());
        if let Some(endpoint) = &self.endpoint {
            api = api.with_endpoint(endpoint.trim_end_matches('/').to_owned());
        }
        let api = api.build()?;
        let info = api.repo(self.repo()).info()?;
        let files: Vec<&str> = info.siblings.iter().map(|file| &*file.rfilename).collect();
        let is_whole = files.contains(&"model.safetensors");
        let wanted: Vec<&str> = files.into_iter().filter(|file| is_wanted(file, is_whole)).collect();
        if !wanted.iter().any(|file| file.ends_with(".safetensors")) {
            return Ok(None);
        }
        let named = cache.repo(self.repo());
        let dir = named.pointer_path(&info.sha);
        let commit = api.repo(Repo::with_revision(
            self.name.clone(),
            RepoType::Model,
            info.sha.clone(),
        ));
        for file in wanted {
            if !dir.join(file).exists() {
                commit.download(file)?;
            }
        }
        // from here on the name means a complete model, also where the hub is not reached
        named.create_ref(&info.sha).map_err(ApiError::IoError)?;
        Ok(Some(dir))
    }

    fn repo(&self) -> Repo {
        match &self.revision {
            Some(revision) => Repo::with_revision(self.name.clone(), RepoType::Model, revision.clone()),
            None => Repo::model(self.name.clone()),
        }
    }
}

impl From<&str> for Hub {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Hub {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

/// Configurations and weights, of the model and of its modules (`1_Pooling`, `2_Dense`, ..). Beside them many models
/// have their weights in other formats.
#[expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "transformers reads no other names"
)]
fn is_wanted(file: &str, is_whole: bool) -> bool {
    let (module, name) = file.split_once('/').map_or(("", file), |(module, name)| (module, name));
    if !(module.is_empty() || module.starts_with(|first: char| first.is_ascii_digit())) || name.contains('/') {
        return false;
    }
    let is_shard = name.starts_with("model-") && name.ends_with(".safetensors");
    match name {
        "model.safetensors" => true,
        "model.safetensors.index.json" => !is_whole,
        _ if is_shard => !is_whole,
        // a vocabulary in a format of its own
        "vocab.json" => false,
        _ => name.ends_with(".json") && !name.ends_with(".index.json"),
    }
}

#[cfg(test)]
mod tests {
    use super::is_wanted;

    #[test]
    fn what_is_not_read_is_not_fetched() {
        for file in [
            "config.json",
            "model.safetensors",
            "1_Pooling/config.json",
            "2_Dense/model.safetensors",
        ] {
            assert!(is_wanted(file, true), "{file}");
        }
        for file in [
            "onnx/model.onnx",
            "onnx/config.json",
            "pytorch_model.bin",
            "README.md",
            "pytorch_model.bin.index.json",
            "1_Pooling/../config.json",
            "consolidated.safetensors",
            "model-00001-of-00002.safetensors",
        ] {
            assert!(!is_wanted(file, true), "{file}");
        }
        assert!(is_wanted("model-00001-of-00002.safetensors", false));
        assert!(is_wanted("model.safetensors.index.json", false));
    }
}
