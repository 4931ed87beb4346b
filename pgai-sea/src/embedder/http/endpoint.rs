//! A provider's HTTP interface: requests to it, and its responses.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::{Serialize, de::DeserializeOwned};

use super::advice::advice;
use super::base_url::{BaseUrl, remove_user, shown};
use super::client::client;
use super::message::{line, short};
use super::retry_after::{retry_after, server_time};
use super::secret::Secret;
use crate::embedder::{EmbedError, ServerAddress};
use crate::pgvector::check_vector;

/// Where a provider reads the key from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    /// `Authorization: Bearer ..`, as almost every provider.
    Bearer,
    /// `api-key: ..`, as Azure.
    ApiKey,
}

/// A provider's HTTP interface.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// The provider's name in configurations.
    pub(crate) provider: &'static str,
    pub(crate) base_url: BaseUrl,
    pub(crate) auth: Auth,
    pub(crate) api_key: Option<Secret>,
    /// The variable that should have held a key and did not.
    pub(crate) key_name: Option<String>,
    /// How long one request may take, including its response.
    pub(crate) timeout: Duration,
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    /// Where a redirect leads, without the parts that may be secret.
    pub(crate) location: Option<String>,
    /// If the status is not a success, perhaps only its start.
    pub(crate) body: Vec<u8>,
}

impl Endpoint {
    /// The interface at `base_url`, without a key.
    pub(crate) fn new(provider: &'static str, base_url: impl Into<String>, timeout: Duration) -> Self {
        Self {
            provider,
            base_url: BaseUrl::new(base_url),
            auth: Auth::Bearer,
            api_key: None,
            key_name: None,
            timeout,
        }
    }

    /// The server behind the base URL.
    pub(crate) fn server(&self) -> Option<ServerAddress> {
        let url = self.base_url.url()?;
        let host = url.host_str()?.trim_matches(['[', ']']);
        Some(ServerAddress::new(host, url.port_or_known_default()))
    }

    /// Posts `body` to `path` and reads the response, whatever its status, up to `most_bytes`.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &impl Serialize,
        most_bytes: usize,
    ) -> Result<ApiResponse, EmbedError> {
        let response = self.send(path, body, Some(self.timeout)).await?;
        self.read(response, most_bytes).await
    }

    /// Posts `body` to `path` and does not read the response's body yet. Without a `timeout` the response may take any
    /// time.
    pub(crate) async fn send(
        &self,
        path: &str,
        body: &impl Serialize,
        timeout: Option<Duration>,
    ) -> Result<Response, EmbedError> {
        let (request, url) = self.request(Method::POST, path, &[])?;
        let mut request = request.json(body);
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        request.send().await.map_err(|error| self.unreachable(url, error))
    }

    /// A request to `path`, with the key, and the URL for errors.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(RequestBuilder, Url), EmbedError> {
        let mut url = self.base_url.join(path).ok_or_else(|| {
            self.configuration(format!(
                "the base URL `{}` is not an http or https address",
                self.base_url
            ))
        })?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        if self.api_key.is_some() && self.auth == Auth::Bearer {
            // the client would send them as a second `Authorization`
            remove_user(&mut url);
        }
        let client = client().map_err(|error| self.configuration(format!("HTTP cannot be set up: {error}")))?;
        let mut request = client.request(method, url.clone());
        if let Some(key) = &self.api_key {
            let (name, scheme) = match self.auth {
                Auth::Bearer => (header::AUTHORIZATION, "Bearer "),
                Auth::ApiKey => (header::HeaderName::from_static("api-key"), ""),
            };
            let value = key
                .header(scheme)
                .ok_or_else(|| self.configuration("the API key has characters that no HTTP header can carry"))?;
            request = request.header(name, value);
        }
        Ok((request, url))
    }

    /// Reads the body of a response. A success of more than `most_bytes` is an error. Of any other response the rest is
    /// left.
    pub(crate) async fn read(&self, mut response: Response, most_bytes: usize) -> Result<ApiResponse, EmbedError> {
        let status = response.status();
        let retry_after = retry_after(response.headers(), server_time(response.headers()));
        let url = response.url().clone();
        let location = response.headers().get(header::LOCATION);
        // usually relative to the URL that was asked
        let location = location.and_then(|location| url.join(location.to_str().ok()?).ok());
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| self.unreachable(url.clone(), error))? else {
                break;
            };
            body.extend_from_slice(&chunk);
            if body.len() > most_bytes {
                if status.is_success() {
                    return Err(self.answer(format!(
                        "the response has more than {most_bytes} bytes, which the vectors cannot need"
                    )));
                }
                break;
            }
        }
        tracing::debug!(
            provider = self.provider,
            status = status.as_u16(),
            bytes = body.len(),
            "response"
        );
        Ok(ApiResponse {
            status,
            retry_after,
            location: location.map(|location| shown(location).into()),
            body,
        })
    }

    /// Parses the body of a success.
    pub(crate) fn parse<T: DeserializeOwned>(&self, response: &ApiResponse) -> Result<T, EmbedError> {
        // some servers begin with a byte order mark
        let body = response.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&response.body);
        serde_json::from_slice(body).map_err(|error| {
            self.answer(format!(
                "not the JSON that was expected ({}): {}",
                self.scrub(&error.to_string()),
                self.readable(&response.body)
            ))
        })
    }

    /// The message in a body: one short line without secrets.
    pub(crate) fn readable(&self, body: &[u8]) -> String {
        self.shortened(&line(body))
    }

    /// The start of a line without secrets.
    pub(crate) fn shortened(&self, line: &str) -> String {
        short(&self.scrub(line))
    }

    /// `text` without the API key and the password of the base URL.
    pub(crate) fn scrub(&self, text: &str) -> String {
        self.base_url.scrub(match &self.api_key {
            Some(key) => key.scrub(text),
            None => text.to_owned(),
        })
    }

    /// The server at `path` has been silent for too long. Says what it was doing.
    pub(crate) fn silent(&self, path: &str, said: String) -> EmbedError {
        EmbedError::Unreachable {
            provider: self.provider,
            url: self
                .base_url
                .join(path)
                .map(|url| shown(url).into())
                .unwrap_or_default(),
            source: said.into(),
        }
    }

    /// The server gave no response. Trouble that only another setting mends is the configuration's.
    pub(crate) fn unreachable(&self, url: Url, error: reqwest::Error) -> EmbedError {
        if let Some(advice) = advice(&error) {
            let url = shown(url);
            return self.configuration(format!("{url} cannot be asked: {advice}"));
        }
        EmbedError::Unreachable {
            provider: self.provider,
            url: shown(url).into(),
            // the URL in it may hold a password
            source: Box::new(error.without_url()),
        }
    }

    pub(crate) fn configuration(&self, message: impl Into<String>) -> EmbedError {
        EmbedError::Configuration {
            provider: self.provider,
            message: message.into(),
        }
    }

    pub(crate) fn answer(&self, message: impl Into<String>) -> EmbedError {
        EmbedError::Answer {
            provider: self.provider,
            message: message.into(),
        }
    }

    /// Checks that there is one vector for each text, and that each has the configured length and finite numbers.
    pub(crate) fn check(
        &self,
        model: &str,
        dimensions: usize,
        texts: usize,
        vectors: Vec<Vec<f32>>,
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        if vectors.len() != texts {
            return Err(self.answer(format!("{} vectors for {texts} texts", vectors.len())));
        }
        match vectors.iter().find_map(|vector| check_vector(vector, dimensions).err()) {
            // other texts show whether it is this text or the configuration
            Some(error) => Err(self.answer(format!("the model `{model}` gave {error}"))),
            None => Ok(vectors),
        }
    }
}

/// The most bytes of a response with a vector for each of `texts`. A number takes 4 bytes in base64 and up to 25 as
/// JSON, and servers indent. Some repeat the texts.
pub(crate) fn room_for(texts: &[impl AsRef<str>], dimensions: usize) -> usize {
    const CONSTANT: usize = 1 << 20;
    let bytes: usize = texts.iter().map(|text| text.as_ref().len()).sum();
    let vectors = texts
        .len()
        .saturating_mul(dimensions.saturating_mul(64).saturating_add(1024));
    // an escaped character takes up to six times its bytes
    vectors.saturating_add(bytes.saturating_mul(6)).saturating_add(CONSTANT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_host_and_port_and_nothing_secret() {
        let server = |url: &str| Endpoint::new("openai", url, Duration::ZERO).server();
        let expected = Some(ServerAddress::new("::1", 443));
        assert_eq!(server("https://me:secret@[::1]/v1?key=x"), expected);
        assert_eq!(server("http://host:8080"), Some(ServerAddress::new("host", 8080)));
        assert_eq!(server("localhost:11434"), None);
    }
}
