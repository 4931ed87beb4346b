//! `aws_role_arn`: the role is assumed with the credentials of the environment, as pgai's worker does it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::aws::{AmazonS3, AwsAuthorizer, AwsCredential, AwsCredentialProvider};
use object_store::client::{ClientOptions, HttpClient, HttpConnector as _, HttpRequest};
use object_store::{CredentialProvider, Error};
use reqwest::Url;
use tokio::sync::Mutex;

use super::object::Connector;

/// The name of a session, as pgai's worker has it: policies and logs may know it.
const SESSION: &str = "timescale-vectorizer";
/// A role's credentials last an hour, unless its policy says less; the least is a quarter of an hour.
const LASTS: Duration = Duration::from_mins(14);

/// The credentials of a role.
#[derive(Debug)]
pub(super) struct AssumedRole {
    role: String,
    own: AwsCredentialProvider,
    client: HttpClient,
    known: Mutex<Option<(Instant, Arc<AwsCredential>)>>,
}

impl AssumedRole {
    /// `own` is the bucket with the credentials of the environment.
    pub(super) fn new(role: &str, own: &AmazonS3) -> object_store::Result<Self> {
        Ok(Self {
            role: role.to_owned(),
            own: Arc::clone(own.credentials()),
            client: Connector.connect(&ClientOptions::new())?,
            known: Mutex::default(),
        })
    }

    async fn assume(&self) -> object_store::Result<AwsCredential> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint =
            variable("AWS_ENDPOINT_URL_STS").unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com"));
        let mut url = Url::parse(&endpoint).map_err(|error| self.failed(&format!("AWS_ENDPOINT_URL_STS: {error}")))?;
        url.query_pairs_mut()
            .append_pair("Action", "AssumeRole")
            .append_pair("RoleArn", &self.role)
            .append_pair("RoleSessionName", SESSION)
            .append_pair("Version", "2011-06-15");
        if let Some(id) = variable("AWS_ASSUME_ROLE_EXTERNAL_ID") {
            url.query_pairs_mut().append_pair("ExternalId", &id);
        }
        let own = self.own.get_credential().await?;
        let mut request = HttpRequest::new(Vec::new().into());
        *request.uri_mut() = url.as_str().parse().map_err(|error| self.failed(&format!("{error}")))?;
        AwsAuthorizer::new(&own, "sts", &region).try_authorize(&mut request, None)?;
        let response = self.client.execute(request).await;
        let response = response.map_err(|error| self.failed(&super::http::causes(&error)))?;
        let status = response.status();
        let body = response.into_body().bytes().await;
        let body = body.map_err(|error| self.failed(&super::http::causes(&error)))?;
        let body = String::from_utf8_lossy(&body);
        if !status.is_success() {
            let said = element(&body, "Message").unwrap_or_default();
            return Err(self.failed(&format!("AWS answers {status}: {said}")));
        }
        let part = |name: &str| {
            element(&body, name)
                .map(str::to_owned)
                .ok_or_else(|| self.failed(&format!("the answer of AWS has no {name}")))
        };
        Ok(AwsCredential {
            key_id: part("AccessKeyId")?,
            secret_key: part("SecretAccessKey")?,
            token: Some(part("SessionToken")?),
        })
    }

    fn failed(&self, said: &str) -> Error {
        Error::Generic {
            store: "S3",
            source: format!("the role {} cannot be assumed: {said}", self.role).into(),
        }
    }
}

#[async_trait]
impl CredentialProvider for AssumedRole {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut known = self.known.lock().await;
        if let Some((at, credential)) = &*known
            && at.elapsed() < LASTS
        {
            return Ok(Arc::clone(credential));
        }
        let credential = Arc::new(self.assume().await?);
        *known = Some((Instant::now(), Arc::clone(&credential)));
        Ok(credential)
    }
}

/// What is in the first element of a name. Keys and tokens need no escapes.
fn element<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}
