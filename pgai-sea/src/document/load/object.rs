//! Objects in buckets, with the credentials of the environment: the operator's, for what the operator allowed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, RetryConfig};

use super::Loaded;
use super::address::{Place, Service};
use super::allowed::Allowed;
use super::http::client_with;
use super::role::AssumedRole;
use crate::document::DocumentError;

/// How long a request is repeated: a row is tried again, too, and what is wrong should be said before its time is over.
const RETRY: Duration = Duration::from_secs(20);

/// Buckets whose connections are kept.
const MOST_BUCKETS: usize = 256;

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
        let (mut bytes, mut stream) = (Vec::new(), object.into_stream());
        while let Some(part) = stream.try_next().await.map_err(|error| self::failed(&address, error))? {
            if (bytes.len() + part.len()) as u64 > most {
                return Err(DocumentError::TooLarge { most });
            }
            bytes.extend_from_slice(&part);
        }
        let name = address;
        Ok(Loaded { bytes, name, version })
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
        // an address may name any bucket
        if stores.len() >= MOST_BUCKETS {
            stores.clear();
        }
        let name = place.bucket.as_str();
        let store: Arc<dyn ObjectStore> = match place.service {
            Service::S3 => {
                let s3 = || {
                    AmazonS3Builder::from_env()
                        .with_bucket_name(name)
                        .with_http_connector(Connector)
                        .with_retry(retries())
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
                    .with_retry(retries())
                    .build()?,
            ),
            Service::Az => Arc::new(
                MicrosoftAzureBuilder::from_env()
                    .with_container_name(name)
                    .with_http_connector(Connector)
                    .with_retry(retries())
                    .build()?,
            ),
        };
        stores.insert(bucket, Arc::clone(&store));
        Ok(store)
    }
}

fn retries() -> RetryConfig {
    RetryConfig {
        retry_timeout: RETRY,
        ..RetryConfig::default()
    }
}

/// What to set, where the environment has nothing of a service's credentials.
pub(super) fn missing(service: Service) -> Option<&'static str> {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let has = |names: &[&str]| names.iter().any(is_set);
    match service {
        Service::S3 => (!has(&[
            "AWS_ACCESS_KEY_ID",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_SKIP_SIGNATURE",
        ]))
        .then_some(
            "no credentials are in the environment: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (files of profiles \
             are not read), give the machine a role, or set AWS_SKIP_SIGNATURE=true for a public bucket",
        ),
        Service::Gs => (!has(&[
            "GOOGLE_SERVICE_ACCOUNT",
            "GOOGLE_SERVICE_ACCOUNT_PATH",
            "GOOGLE_SERVICE_ACCOUNT_KEY",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_BEARER_TOKEN",
            "GOOGLE_SKIP_SIGNATURE",
        ]))
        .then_some(
            "no credentials are in the environment: set GOOGLE_APPLICATION_CREDENTIALS to the path of a key, give the \
             machine a service account, or set GOOGLE_SKIP_SIGNATURE=true for a public bucket",
        ),
        Service::Az if !has(&["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_USE_EMULATOR"]) => {
            Some("no account is in the environment: set AZURE_STORAGE_ACCOUNT_NAME")
        }
        Service::Az => (!has(&[
            "AZURE_STORAGE_ACCOUNT_KEY",
            "AZURE_STORAGE_ACCESS_KEY",
            "AZURE_STORAGE_SAS_KEY",
            "AZURE_STORAGE_SAS_TOKEN",
            "AZURE_STORAGE_TOKEN",
            "AZURE_STORAGE_USE_EMULATOR",
            "AZURE_CLIENT_SECRET",
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_USE_AZURE_CLI",
            "AZURE_SKIP_SIGNATURE",
        ]))
        .then_some(
            "no credentials are in the environment: set AZURE_STORAGE_ACCOUNT_KEY, or AZURE_TENANT_ID, AZURE_CLIENT_ID \
             and AZURE_CLIENT_SECRET, give the machine an identity, or set AZURE_SKIP_SIGNATURE=true for a public \
             container",
        ),
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
