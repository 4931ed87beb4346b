//! Loading what is at an address.

mod address;
mod allowed;
mod file;
mod http;
mod list;
mod object;
mod public;
mod role;

use std::sync::Arc;
use std::time::Duration;

use self::address::{Address, Service};
pub(super) use self::allowed::Allowed;
use self::http::Http;
use self::object::{Objects, missing};
use super::error::DocumentError;

/// A document as it was loaded.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) bytes: Vec<u8>,
    /// The media type that came with it, or its address.
    pub(super) name: String,
    /// What its server or file system calls this version of it, if it says something.
    #[cfg_attr(
        not(feature = "worker"),
        expect(dead_code, reason = "workers look whether it is another one by now")
    )]
    pub(super) version: Option<String>,
}

/// Whether a document is still the version that it was.
#[cfg(feature = "worker")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Now {
    Same,
    /// Another version, or nobody knows.
    Changed,
    Missing,
}

/// Loads documents. Clones share connections and credentials.
#[derive(Clone, Debug, Default)]
pub(super) struct Loader {
    http: Arc<Http>,
    objects: Arc<Objects>,
}

impl Loader {
    /// Loads the document at `address`, if it is allowed, up to `most` bytes. `role` is the AWS role to assume.
    pub(super) async fn load(
        &self,
        address: &str,
        role: Option<&str>,
        allowed: &Allowed,
        (most, timeout): (u64, Duration),
    ) -> Result<Loaded, DocumentError> {
        let parsed = Address::parse(address)?;
        let (shown, service) = (parsed.to_string(), parsed.service());
        let load = async {
            match parsed {
                Address::File(path) => file::load(&path, allowed, most).await,
                Address::Http(url) => self.http.load(url, allowed, most).await,
                Address::Object(place) => self.objects.load(&place, role, allowed, most).await,
            }
        };
        within(timeout, &shown, load)
            .await
            .map_err(|error| advised(error, service))
    }

    /// Whether the document at `address` is still that version. Loads at most its beginning.
    #[cfg(feature = "worker")]
    pub(super) async fn now(
        &self,
        address: &str,
        role: Option<&str>,
        allowed: &Allowed,
        (version, timeout): (Option<&str>, Duration),
    ) -> Result<Now, DocumentError> {
        let parsed = Address::parse(address)?;
        let shown = parsed.to_string();
        let look = async {
            match parsed {
                Address::File(path) => file::version(&path, allowed).await,
                Address::Http(url) => self.http.version(url, allowed, version).await,
                Address::Object(place) => self.objects.version(&place, role, allowed).await,
            }
        };
        match within(timeout, &shown, look).await {
            Ok(now) if now.is_some() && now.as_deref() == version => Ok(Now::Same),
            Ok(_) => Ok(Now::Changed),
            Err(DocumentError::Missing { .. }) => Ok(Now::Missing),
            Err(error) => Err(error),
        }
    }
}

/// A failure of a bucket, and which of its credentials there are none of.
fn advised(mut error: DocumentError, service: Option<Service>) -> DocumentError {
    if let (DocumentError::Load { reason, .. }, Some(missing)) = (&mut error, service.and_then(missing)) {
        *reason = format!("{reason}; {missing}");
    }
    error
}

async fn within<T>(
    timeout: Duration,
    address: &str,
    work: impl Future<Output = Result<T, DocumentError>>,
) -> Result<T, DocumentError> {
    tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| {
        Err(DocumentError::load(
            address,
            format_args!("nothing came within {timeout:?}"),
        ))
    })
}
