//! Objects in buckets, with the credentials of the environment: the operator's, for what the operator allowed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt as _};

use super::Loaded;
use super::address::{Place, Service};
use super::allowed::Allowed;
use super::http::client_with;
use super::role::AssumedRole;
use crate::document::DocumentError;

/// A bucket, and the role that it is read with.
type Bucket = (Service, String, Option<String>);

/// The buckets that were read so far, with their connections and credentials.
#[derive(Debug, Default)]
pub(super) struct Objects {
    stores: Mutex<HashMap<Bucket, Arc<dyn ObjectStore>>>,
}

impl Objects {
    pub(super) async fn load(
        &self,
        place: &Place,
        role: Option<&str>,
        allowed: &Allowed,
        most: u64,
    ) -> Result<Loaded, DocumentError> {
        allowed.check_object(place)?;
        let address = place.to_string();
        let failed = |error| failed(&address, error);
        let key = Path::parse(&place.key).map_err(|error| DocumentError::load(&address, error))?;
        let store = self.store(place, role).map_err(failed)?;
        let object = store.get(&key).await.map_err(failed)?;
        if object.meta.size > most {
            return Err(DocumentError::TooLarge { most });
        }
        let version = version_of(&object.meta);
        // a store that sends more than it said is cut off by the client
        let bytes = object.bytes().await.map_err(failed)?;
        Ok(Loaded {
            bytes: bytes.into(),
            name: address,
            version,
        })
    }

    /// The version that an object is now.
    #[cfg(feature = "worker")]
    pub(super) async fn version(
        &self,
        place: &Place,
        role: Option<&str>,
        allowed: &Allowed,
    ) -> Result<Option<String>, DocumentError> {
        allowed.check_object(place)?;
        let address = place.to_string();
        let key = Path::parse(&place.key).map_err(|error| DocumentError::load(&address, error))?;
        let store = self.store(place, role).map_err(|error| failed(&address, error))?;
        let meta = store.head(&key).await.map_err(|error| failed(&address, error))?;
        Ok(version_of(&meta))
    }

    pub(super) fn store(&self, place: &Place, role: Option<&str>) -> Result<Arc<dyn ObjectStore>, Error> {
        let role = role.filter(|_| place.service == Service::S3);
        let bucket = (place.service, place.bucket.clone(), role.map(str::to_owned));
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(&bucket) {
            return Ok(Arc::clone(store));
        }
        let name = place.bucket.as_str();
        let store: Arc<dyn ObjectStore> = match place.service {
            Service::S3 => {
                let s3 = || {
                    AmazonS3Builder::from_env()
                        .with_bucket_name(name)
                        .with_http_connector(Connector)
                };
                match role {
                    Some(role) => Arc::new(
                        s3().with_credentials(Arc::new(AssumedRole::new(role, &s3().build()?)?))
                            .build()?,
                    ),
                    None => Arc::new(s3().build()?),
                }
            }
            Service::Gs => Arc::new(
                GoogleCloudStorageBuilder::from_env()
                    .with_bucket_name(name)
                    .with_http_connector(Connector)
                    .build()?,
            ),
            Service::Az => Arc::new(
                MicrosoftAzureBuilder::from_env()
                    .with_container_name(name)
                    .with_http_connector(Connector)
                    .build()?,
            ),
        };
        stores.insert(bucket, Arc::clone(&store));
        Ok(store)
    }
}

fn failed(address: &str, error: Error) -> DocumentError {
    match error {
        Error::NotFound { .. } => DocumentError::Missing {
            address: address.to_owned(),
        },
        error => DocumentError::load(address, error),
    }
}

/// The version in a bucket with versions, else the tag, else when it was written.
#[expect(clippy::unnecessary_wraps, reason = "other loaders may have none")]
fn version_of(meta: &ObjectMeta) -> Option<String> {
    let written = || meta.last_modified.to_rfc3339();
    let version = meta.version.clone().or_else(|| meta.e_tag.clone());
    Some(version.unwrap_or_else(written))
}

/// Gives a store a client with this crate's TLS. The addresses of stores, and of what gives them credentials, are the
/// operator's.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = client_with(None).map_err(|error| Error::Generic {
            store: "HTTP",
            source: error.into(),
        })?;
        Ok(HttpClient::new(client))
    }
}
