//! Files of this machine.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use tokio::fs;
use tokio::io::AsyncReadExt as _;

use super::Loaded;
use super::allowed::Allowed;
use crate::document::DocumentError;

/// Loads a file below an allowed folder. Links are followed first: what counts is where the file is.
pub(super) async fn load(path: &Path, allowed: &Allowed, most: u64) -> Result<Loaded, DocumentError> {
    let shown = path.display().to_string();
    let Some(file) = find(path, allowed).await? else {
        return Err(DocumentError::Missing { address: shown });
    };
    let load = async {
        // a pipe or a device would never end, and to open it may do something
        let metadata = fs::metadata(&file).await?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut bytes = Vec::new();
        fs::File::open(&file)
            .await?
            .take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .await?;
        Ok((bytes, version_of(&metadata)))
    };
    let (bytes, version) = load.await.map_err(|error| DocumentError::load(&shown, error))?;
    if bytes.len() as u64 > most {
        return Err(DocumentError::TooLarge { most });
    }
    let name = shown;
    Ok(Loaded { bytes, name, version })
}

/// The version that a file is now.
#[cfg(feature = "worker")]
pub(super) async fn version(path: &Path, allowed: &Allowed) -> Result<Option<String>, DocumentError> {
    let address = path.display().to_string();
    let Some(file) = find(path, allowed).await? else {
        return Err(DocumentError::Missing { address });
    };
    let metadata = fs::metadata(&file).await;
    metadata
        .map(|metadata| version_of(&metadata))
        .map_err(|error| DocumentError::load(&address, error))
}

/// When it was written, and its length. Taken before it is read: a write after that makes another version.
fn version_of(metadata: &Metadata) -> Option<String> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!(
        "{}.{:09} {}",
        since.as_secs(),
        since.subsec_nanos(),
        metadata.len()
    ))
}

/// The file that a path leads to, if it is below an allowed folder. `None` if there is none.
pub(super) async fn find(path: &Path, allowed: &Allowed) -> Result<Option<PathBuf>, DocumentError> {
    let shown = path.display().to_string();
    let mut leads_out = false;
    for folder in &allowed.paths {
        let folder = fs::canonicalize(folder).await.map_err(|error| {
            DocumentError::load(
                &shown,
                format_args!("the allowed folder {} cannot be read: {error}", folder.display()),
            )
        })?;
        // an absolute path replaces the folder
        match fs::canonicalize(folder.join(path)).await {
            Ok(file) if file.starts_with(&folder) => return Ok(Some(file)),
            Ok(_) => leads_out = true,
            // whether a file exists elsewhere is nobody's business
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                leads_out |= !is_below(&folder.join(path), &folder);
            }
            Err(error) => return Err(DocumentError::load(&shown, error)),
        }
    }
    if leads_out || allowed.paths.is_empty() {
        let folder = path
            .parent()
            .filter(|folder| folder.is_absolute())
            .unwrap_or(Path::new("/folder"));
        return Err(DocumentError::NotAllowed {
            address: shown,
            reason: format!(
                "it is in none of the folders that this worker was told to allow. Allow one with \
                 `Documents::allow_path(\"{0}\")` or `pgai-sea worker --allow-path {0}`",
                folder.display()
            ),
        });
    }
    Ok(None)
}

/// By its words alone.
fn is_below(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder) && !path.components().any(|part| part == std::path::Component::ParentDir)
}
