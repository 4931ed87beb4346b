//! The address of a document, taken apart.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;

use crate::document::DocumentError;

/// The most bytes of an address. Those of files have 4,096 at most, and signatures make long ones.
const LONGEST: usize = 16 << 10;

/// The address of a document. It is shown without user, password, query and fragment, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A path, absolute or below an allowed folder.
    File(PathBuf),
    /// `http` or `https`.
    Http(Url),
    /// An object in a bucket.
    Object(Place),
}

/// An object in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) service: Service,
    pub(super) bucket: String,
    pub(super) key: String,
}

/// A service with buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Service {
    S3,
    Gs,
    Az,
}

impl Service {
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
        }
    }

    pub(super) fn of(scheme: &str) -> Option<Self> {
        [Self::S3, Self::Gs, Self::Az]
            .into_iter()
            .find(|service| service.scheme() == scheme)
    }
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, DocumentError> {
        let text = text.trim();
        let wrong = |reason: &str| {
            // nobody can tell where the password is
            let begin = text.split(['?', '#']).next().filter(|begin| !begin.contains('@'));
            let address = match begin {
                Some(begin) if begin.len() <= 200 => begin.to_owned(),
                Some(begin) => format!("{}..", &begin[..begin.floor_char_boundary(40)]),
                None => "..".to_owned(),
            };
            Err(DocumentError::Address {
                address,
                reason: reason.to_owned(),
            })
        };
        if text.len() > LONGEST {
            return wrong(&format!("it has {} bytes, more than {LONGEST}", text.len()));
        }
        if text.is_empty() || text.contains(['\0', '\n', '\r']) {
            return wrong("write a path, or an address that begins with https://, s3://, gs:// or az://");
        }
        let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        let scheme = scheme.to_ascii_lowercase();
        if let Some(service) = Service::of(&scheme) {
            return match rest.strip_prefix("//").and_then(|rest| rest.split_once('/')) {
                Some((bucket, key)) if is_bucket(bucket) && is_key(key) => Ok(Self::Object(Place {
                    service,
                    bucket: bucket.to_owned(),
                    key: key.to_owned(),
                })),
                _ => wrong("write s3://bucket/key, with no part of the key that is empty, `.` or `..`"),
            };
        }
        match scheme.as_str() {
            "http" | "https" => match Url::parse(text) {
                Ok(url) if url.has_host() => Ok(Self::Http(url)),
                _ => wrong("it is not a URL"),
            },
            "file" => match Url::parse(text).map(|url| url.to_file_path()) {
                Ok(Ok(path)) => Ok(Self::File(path)),
                _ => wrong("write file:///folder/file"),
            },
            _ => wrong("documents are loaded from paths, file:, http:, https:, s3:, gs: and az:"),
        }
    }
}

impl Address {
    /// The service with the bucket that it is in.
    pub(super) fn service(&self) -> Option<Service> {
        match self {
            Self::Object(place) => Some(place.service),
            Self::File(_) | Self::Http(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Http(url) => f.write_str(&shown(url)),
            Self::Object(place) => place.fmt(f),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.service.scheme(), self.bucket, self.key)
    }
}

/// A URL without what may be secret in it.
pub(super) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// One letter is a drive of Windows and not a scheme.
fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_bucket(bucket: &str) -> bool {
    !bucket.is_empty()
        && bucket
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._$".contains(&byte))
}

fn is_key(key: &str) -> bool {
    key.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_is_secret() {
        let shown = |text: &str| Address::parse(text).unwrap().to_string();
        assert_eq!(
            shown("https://me:pw@host:8443/a%20b?sig=x#y"),
            "https://host:8443/a%20b"
        );
        assert_eq!(shown("s3://bucket/a b/c#1.pdf"), "s3://bucket/a b/c#1.pdf");
        assert_eq!(shown("file:///srv/a%20b.pdf"), "/srv/a b.pdf");
        assert_eq!(shown(" notes/a.md "), "notes/a.md");
        let error = Address::parse("ftp://me:pw@host/x?sig=y").unwrap_err().to_string();
        assert!(!error.contains("pw") && !error.contains("sig"), "{error}");
    }

    #[test]
    fn what_is_no_address_says_why() {
        for text in [
            "",
            "ftp://h/x",
            "s3://bucket",
            "s3://bucket/",
            "s3://bucket/a/../b",
            "gs:///a",
            "az://b/a//c",
            "s3://a@b/c",
            "http://",
            "file://host/x",
            "data:text/plain,x",
            &"x".repeat(20_000),
        ] {
            let error = Address::parse(text);
            assert!(matches!(error, Err(DocumentError::Address { .. })), "{text}: {error:?}");
        }
    }
}
