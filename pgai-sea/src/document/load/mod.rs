//! Loading what is at an address.

mod address;
mod allowed;
mod file;
mod http;
mod object;
mod public;
mod role;

use std::sync::Arc;
use std::time::Duration;

use self::address::Address;
pub(super) use self::allowed::Allowed;
use self::http::Http;
use self::object::Objects;
use super::error::DocumentError;

/// A document as it was loaded.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) bytes: Vec<u8>,
    /// The media type that came with it, or its address.
    pub(super) name: String,
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
        let shown = parsed.to_string();
        let load = async {
            match parsed {
                Address::File(path) => file::load(&path, allowed, most).await,
                Address::Http(url) => self.http.load(url, allowed, most).await,
                Address::Object(place) => self.objects.load(&place, role, allowed, most).await,
            }
        };
        tokio::time::timeout(timeout, load).await.unwrap_or_else(|_| {
            Err(DocumentError::load(
                &shown,
                format_args!("nothing came within {timeout:?}"),
            ))
        })
    }
}
