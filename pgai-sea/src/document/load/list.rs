//! The documents below a folder or in a bucket.

use std::path::{Path, PathBuf};

use futures::TryStreamExt as _;
use walkdir::{DirEntry, WalkDir};

use super::address::{Place, Service};
use super::allowed::Allowed;
use super::object::Objects;
use super::{Loader, advised, file};
use crate::document::DocumentError;

impl Loader {
    /// The addresses of the documents below `prefix`, which begin with it. Files whose names begin with a dot are left
    /// out, and so are links.
    pub(crate) async fn list(&self, prefix: &str, allowed: &Allowed) -> Result<Vec<String>, DocumentError> {
        match prefix.split_once("://") {
            Some((scheme, rest)) => match Service::of(&scheme.to_ascii_lowercase()) {
                Some(service) => objects(&self.objects, service, rest, prefix, allowed)
                    .await
                    .map_err(|error| advised(error, Some(service))),
                None => Err(DocumentError::Address {
                    address: prefix.split(['?', '#', '@']).next().unwrap_or_default().to_owned(),
                    reason: "only folders and buckets can be listed: write /folder/ or s3://bucket/folder/".to_owned(),
                }),
            },
            None => files(prefix, allowed).await,
        }
    }
}

async fn files(prefix: &str, allowed: &Allowed) -> Result<Vec<String>, DocumentError> {
    let address = prefix.to_owned();
    let Some(folder) = file::find(Path::new(prefix), allowed).await? else {
        return Err(DocumentError::Missing { address });
    };
    let listed = tokio::task::spawn_blocking({
        let prefix = address.clone();
        move || walk(&folder, &prefix)
    });
    let listed = listed.await.map_err(|error| DocumentError::load(&address, error))?;
    listed.map_err(|error| DocumentError::load(&address, error))
}

fn walk(folder: &PathBuf, prefix: &str) -> Result<Vec<String>, walkdir::Error> {
    let is_shown = |entry: &DirEntry| entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".");
    let mut found = Vec::new();
    for entry in WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(is_shown)
    {
        let entry = match entry {
            Ok(entry) => entry,
            // it went away while the folder was read
            Err(error) if error.depth() > 0 && is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        if !entry.file_type().is_file() {
            continue;
        }
        let below = entry.path().strip_prefix(folder).ok().and_then(Path::to_str);
        if let Some(below) = below {
            found.push(format!("{prefix}{below}"));
        } else {
            tracing::warn!(file = %entry.path().display(), "a file's name is not UTF-8, so it has no address");
        }
    }
    Ok(found)
}

fn is_gone(error: &walkdir::Error) -> bool {
    error
        .io_error()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

async fn objects(
    objects: &Objects,
    service: Service,
    rest: &str,
    prefix: &str,
    allowed: &Allowed,
) -> Result<Vec<String>, DocumentError> {
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let place = Place {
        service,
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    };
    allowed.check_object(&place)?;
    let failed = |error| DocumentError::load(prefix, error);
    let path = object_store::path::Path::parse(key.trim_end_matches('/'))
        .map_err(|error| DocumentError::load(prefix, error))?;
    let store = objects.store(&place, None).map_err(failed)?;
    let listed: Vec<_> = store.list(Some(&path)).try_collect().await.map_err(failed)?;
    let address = |key: &object_store::path::Path| format!("{}://{bucket}/{key}", service.scheme());
    let mut found: Vec<String> = listed.iter().map(|object| address(&object.location)).collect();
    // a console writes an empty object for a folder that it shows
    found.retain(|address| address.starts_with(prefix) && !address.ends_with('/'));
    found.sort();
    Ok(found)
}
