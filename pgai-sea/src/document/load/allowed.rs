//! Which addresses may be loaded. Whoever may write a row writes addresses, so nothing is allowed unless the operator
//! says so.

use std::path::PathBuf;

use reqwest::Url;

use super::address::{Place, Service, shown};
use crate::document::DocumentError;

/// What the operator allows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    pub(super) paths: Vec<PathBuf>,
    prefixes: Vec<String>,
    pub(super) private_hosts: bool,
}

impl Allowed {
    pub(crate) fn allow_path(&mut self, path: PathBuf) {
        self.paths.push(path);
    }

    pub(crate) fn allow_prefix(&mut self, prefix: String) {
        self.prefixes.push(prefix);
    }

    pub(crate) fn allow_private_hosts(&mut self) {
        self.private_hosts = true;
    }

    /// Whether no address at all is allowed.
    #[cfg(feature = "worker")]
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.prefixes.is_empty()
    }

    pub(super) fn check_url(&self, url: &Url) -> Result<(), DocumentError> {
        if let Some(prefix) = self.prefixes.iter().find(|prefix| is_url_below(url, prefix)) {
            if prefix.trim().ends_with("://") || !hides_a_slash(url.path()) {
                return Ok(());
            }
            return Err(DocumentError::NotAllowed {
                address: shown(url),
                reason: "its path has an encoded slash, which may lead out of what is allowed".to_owned(),
            });
        }
        Err(refused(
            &shown(url),
            &format!("{}/", url.origin().ascii_serialization()),
        ))
    }

    pub(super) fn check_object(&self, place: &Place) -> Result<(), DocumentError> {
        if self.prefixes.iter().any(|prefix| is_object_below(place, prefix)) {
            return Ok(());
        }
        let bucket = format!("{}://{}/", place.service.scheme(), place.bucket);
        Err(refused(&place.to_string(), &bucket))
    }
}

fn refused(address: &str, prefix: &str) -> DocumentError {
    DocumentError::NotAllowed {
        address: address.to_owned(),
        reason: format!(
            "this worker was not told to allow it. Allow it with `Documents::allow_prefix(\"{prefix}\")` or `pgai-sea \
             worker --allow-prefix {prefix}`"
        ),
    }
}

/// `https://` means every host, `https://host/folder` what is below that.
fn is_url_below(url: &Url, prefix: &str) -> bool {
    let prefix = prefix.trim();
    if let Some(scheme) = prefix.strip_suffix("://") {
        return scheme.eq_ignore_ascii_case(url.scheme());
    }
    let Ok(prefix) = Url::parse(prefix) else { return false };
    prefix.has_host() && prefix.origin() == url.origin() && is_path_below(url.path(), prefix.path())
}

/// Whether a server that decodes the path may find other folders in it.
fn hides_a_slash(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ["%2f", "%5c", "%252f", "%255c"]
        .iter()
        .any(|hidden| path.contains(hidden))
}

/// `s3://` means every bucket, `s3://bucket/folder` what is below that.
fn is_object_below(place: &Place, prefix: &str) -> bool {
    let Some((scheme, rest)) = prefix.trim().split_once("://") else {
        return false;
    };
    if Service::of(&scheme.to_ascii_lowercase()) != Some(place.service) {
        return false;
    }
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    rest.is_empty() || (bucket == place.bucket && is_path_below(&place.key, key))
}

/// `/a` has `/a` and `/a/b` below it, and not `/ab`.
fn is_path_below(path: &str, folder: &str) -> bool {
    let Some(rest) = path.strip_prefix(folder) else {
        return false;
    };
    folder.is_empty() || folder.ends_with('/') || rest.is_empty() || rest.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::super::address::Address;
    use super::*;

    fn is_allowed(prefix: &str, address: &str) -> bool {
        let mut allowed = Allowed::default();
        allowed.allow_prefix(prefix.to_owned());
        match Address::parse(address).unwrap() {
            Address::Http(url) => allowed.check_url(&url).is_ok(),
            Address::Object(place) => allowed.check_object(&place).is_ok(),
            Address::File(_) => panic!("{address}"),
        }
    }

    #[test]
    fn a_prefix_ends_where_a_name_ends() {
        for (prefix, address) in [
            ("https://", "https://anywhere:8443/x"),
            ("https://h", "https://h/x"),
            ("https://h/a", "https://h/a?x=1"),
            ("https://h/a", "https://me@h:443/a/b"),
            ("https://h/a/", "https://h/a/b"),
            ("s3://", "s3://any/x"),
            ("s3://b", "s3://b/x/y"),
            ("s3://b/x", "s3://b/x/y"),
            ("gs://b/x/", "gs://b/x/y"),
        ] {
            assert!(is_allowed(prefix, address), "{prefix} {address}");
        }
        for (prefix, address) in [
            ("https://", "http://h/x"),
            ("https://h", "https://h.evil.example/x"),
            ("https://h", "https://h@evil.example/x"),
            ("https://h", "https://h:8443/x"),
            ("https://h/a", "https://h/ab"),
            ("https://h/a", "https://h/a/../b"),
            ("https://h/a", "https://h/a/%2e%2e/b"),
            ("h", "https://h/a"),
            ("", "https://h/a"),
            ("s3://b", "s3://bc/x"),
            ("s3://b/x", "s3://b/xy"),
            ("s3://b", "gs://b/x"),
            ("https://b", "s3://b/x"),
        ] {
            assert!(!is_allowed(prefix, address), "{prefix} {address}");
        }
    }
}
