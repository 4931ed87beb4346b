//! One HTTP client for all providers: secrets that stay secret, addresses, and what an answer's status means.

use std::{
    fmt,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use reqwest::{Client, Response, StatusCode, Url, header};
use rustls_platform_verifier::BuilderVerifierExt;
use serde::{Serialize, de::DeserializeOwned};

use super::{EmbedError, call::report_server, rejection};

/// How long a provider may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A credential. It goes into the header that the provider reads it from and nowhere else.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret in a header, after `scheme`; `None` if it has characters that no header can carry.
    fn header(&self, scheme: &str) -> Option<header::HeaderValue> {
        let mut value = header::HeaderValue::from_str(&format!("{scheme}{}", self.0.trim())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Takes the secret out of what a server said: some repeat the key that they refuse.
    pub(super) fn scrub(&self, text: &str) -> String {
        match self.0.trim() {
            "" => text.to_owned(),
            secret => text.replace(secret, "[api key]"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The address that a provider's paths are relative to. User and password in it, and its query, are not shown.
#[derive(Clone)]
pub(super) struct BaseUrl(String);

impl BaseUrl {
    pub(super) fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The base that `change` makes of this one.
    pub(super) fn map(&self, change: impl FnOnce(&str) -> String) -> Self {
        Self(change(&self.0))
    }

    /// The base with a query's value, unless it has one of that name.
    pub(super) fn with_query(&self, name: &str, value: &str) -> Self {
        match Url::parse(self.0.trim()) {
            Ok(mut url) if url.query_pairs().all(|(known, _)| known != name) => {
                url.query_pairs_mut().append_pair(name, value);
                Self(url.into())
            }
            // there already, or no address, which shows when it is asked
            _ => self.clone(),
        }
    }

    /// The address of `path` below the base. A query of the base stays (Azure's `api-version`).
    fn join(&self, path: &str) -> Option<Url> {
        let mut url = Url::parse(self.0.trim()).ok().filter(Url::has_host)?;
        if !path.is_empty() {
            url.path_segments_mut().ok()?.pop_if_empty().extend(path.split('/'));
        }
        matches!(url.scheme(), "http" | "https").then_some(url)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Url::parse(self.0.trim()) {
            Ok(url) if url.has_host() => f.write_str(shown(url).as_str().trim_end_matches('/')),
            // no address that anyone could tell the password from
            _ if self.0.contains('@') => f.write_str("[not a URL]"),
            _ => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// `url` without what may be secret in it.
fn shown(mut url: Url) -> Url {
    // both fail only for addresses that cannot have them
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// Where a provider reads the key from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Auth {
    /// `Authorization: Bearer ..`, as nearly everybody.
    Bearer,
    /// `api-key: ..`, as Azure.
    ApiKey,
}

/// A provider's HTTP interface.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// The provider's name in configurations.
    pub(super) provider: &'static str,
    pub(super) base_url: BaseUrl,
    pub(super) auth: Auth,
    pub(super) api_key: Option<Secret>,
    /// The variable that was looked at for a key and held none.
    pub(super) key_name: Option<String>,
    /// How long one request may take, its answer included.
    pub(super) timeout: Duration,
}

impl Endpoint {
    /// The interface at `base_url`, so far without a key.
    pub(super) fn new(provider: &'static str, base_url: impl Into<String>, timeout: Duration) -> Self {
        Self {
            provider,
            base_url: BaseUrl::new(base_url),
            auth: Auth::Bearer,
            api_key: None,
            key_name: None,
            timeout,
        }
    }

    /// Posts `body` to `path` and reads the whole answer, whatever its status.
    pub(super) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Answer, EmbedError> {
        let response = self.send(path, body, Some(self.timeout)).await?;
        self.read(response).await
    }

    /// Posts `body` to `path`; the answer's body is still to be read. Without a `timeout` it may take for ever, as
    /// long as it comes.
    pub(super) async fn send(
        &self,
        path: &str,
        body: &impl Serialize,
        timeout: Option<Duration>,
    ) -> Result<Response, EmbedError> {
        let url = self.base_url.join(path).ok_or_else(|| {
            self.configuration(format!(
                "the base URL `{}` is not an http or https address",
                self.base_url
            ))
        })?;
        report_server(&url);
        let mut request = client(self.provider)?.post(url.clone()).json(body);
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
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        request.send().await.map_err(|error| self.unreachable(url, error))
    }

    /// Reads what is left of an answer.
    pub(super) async fn read(&self, response: Response) -> Result<Answer, EmbedError> {
        let status = response.status();
        let retry_after = retry_after(response.headers(), SystemTime::now());
        let url = response.url().clone();
        let location = response.headers().get(header::LOCATION);
        // relative to what was asked, mostly
        let location = location.and_then(|location| url.join(location.to_str().ok()?).ok());
        let body = response.bytes().await.map_err(|error| self.unreachable(url, error))?;
        tracing::debug!(
            provider = self.provider,
            status = status.as_u16(),
            bytes = body.len(),
            "answered"
        );
        Ok(Answer {
            status,
            retry_after,
            location: location.map(|location| shown(location).into()),
            body: body.into(),
        })
    }

    /// Parses a successful answer.
    pub(super) fn parse<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, EmbedError> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            self.answer(format!(
                "not the JSON that was expected ({}): {}",
                self.scrub(&error.to_string()),
                self.readable(&answer.body)
            ))
        })
    }

    /// What a server said, in one short line without the API key.
    pub(super) fn readable(&self, body: &[u8]) -> String {
        rejection::short(&self.scrub(&rejection::line(body)))
    }

    /// `text` without the API key.
    pub(super) fn scrub(&self, text: &str) -> String {
        match &self.api_key {
            Some(key) => key.scrub(text),
            None => text.to_owned(),
        }
    }

    pub(super) fn unreachable(&self, url: Url, error: reqwest::Error) -> EmbedError {
        EmbedError::Unreachable {
            provider: self.provider,
            url: shown(url).into(),
            // the address in it may carry a password
            source: Box::new(error.without_url()),
        }
    }

    pub(super) fn configuration(&self, message: impl Into<String>) -> EmbedError {
        EmbedError::Configuration {
            provider: self.provider,
            message: message.into(),
        }
    }

    pub(super) fn answer(&self, message: impl Into<String>) -> EmbedError {
        EmbedError::Answer {
            provider: self.provider,
            message: message.into(),
        }
    }

    /// Checks that `vectors` are one per text, of the length that the vectorizer stores, and made of numbers.
    pub(super) fn check(
        &self,
        model: &str,
        dimensions: usize,
        texts: usize,
        vectors: Vec<Vec<f32>>,
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        if vectors.len() != texts {
            return Err(self.answer(format!("{} vectors for {texts} texts", vectors.len())));
        }
        if let Some(vector) = vectors.iter().find(|vector| vector.len() != dimensions) {
            // whether it is the text or the configuration shows if others are answered as they should
            return Err(self.answer(format!(
                "the model `{model}` answers with {} dimensions, configured are {dimensions}: make the vectorizer's \
                 dimensions and the model agree",
                vector.len()
            )));
        }
        if vectors.iter().flatten().any(|number| !number.is_finite()) {
            return Err(self.answer("a vector with a number that is not finite"));
        }
        Ok(vectors)
    }
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    /// Where a redirection leads, without what may be secret in it.
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// The client that all providers share: one pool of connections, TLS through ring, trust from the operating system.
fn client(provider: &'static str) -> Result<&'static Client, EmbedError> {
    static CLIENT: OnceLock<Result<Client, String>> = OnceLock::new();
    CLIENT
        .get_or_init(|| build().map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|error| EmbedError::Configuration {
            provider,
            message: format!("the HTTP client cannot be set up: {error}"),
        })
}

fn build() -> Result<Client, Box<dyn std::error::Error>> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    // reqwest offers no protocols of its own with a configuration that is ready made
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        // of the headers that lead elsewhere too only `Authorization` is taken out
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("pgai-sea/", env!("CARGO_PKG_VERSION")))
        .build()?)
}

/// The wait that an answer asks for: `Retry-After` in seconds or as a date, or OpenAI's finer `retry-after-ms`.
fn retry_after(headers: &header::HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|ms| ms.parse().ok()) {
        return Some(Duration::from_millis(milliseconds));
    }
    let value = text("retry-after")?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> header::HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    header::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn retry_after_takes_seconds_milliseconds_and_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let wait = |pairs: &[_]| retry_after(&headers(pairs), now);

        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[("retry-after", "-1")]), None);
        assert_eq!(wait(&[("retry-after", "20")]), Some(Duration::from_secs(20)));
        assert_eq!(
            wait(&[("retry-after", "1"), ("retry-after-ms", "250")]),
            Some(Duration::from_millis(250))
        );
        let date = "Sun, 06 Nov 1994 08:50:07 GMT";
        assert_eq!(wait(&[("retry-after", date)]), Some(Duration::from_secs(30)));
        let past = "Sun, 06 Nov 1994 08:00:00 GMT";
        assert_eq!(wait(&[("retry-after", past)]), Some(Duration::ZERO));
    }

    #[test]
    fn paths_go_below_the_base() {
        let join = |base: &str| BaseUrl::new(base).join("api/embed").map(String::from);

        let expected = Some("http://localhost:11434/api/embed".to_owned());
        assert_eq!(join("http://localhost:11434"), expected);
        assert_eq!(join(" http://localhost:11434/ "), expected);
        assert_eq!(
            join("https://host/v1?api-version=2024"),
            Some("https://host/v1/api/embed?api-version=2024".to_owned())
        );
        let itself = |base: &str| BaseUrl::new(base).join("").map(String::from);
        assert_eq!(itself("https://host/model"), Some("https://host/model".to_owned()));
        assert_eq!(join("localhost:11434"), None);
        assert_eq!(join("ftp://host"), None);
        assert_eq!(join(""), None);
    }

    #[test]
    fn a_query_is_added_once() {
        let azure = BaseUrl::new("https://host/").with_query("api-version", "1 2");
        let url = |base: &BaseUrl| base.join("a").map(String::from);
        assert_eq!(url(&azure), Some("https://host/a?api-version=1+2".to_owned()));
        assert_eq!(url(&azure.with_query("api-version", "3")), url(&azure));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let base = BaseUrl::new("https://me:hunter2@host/v1?key=hunter2");
        assert_eq!(format!("{base:?}"), "\"https://host/v1\"");
        assert_eq!(BaseUrl::new("me:hunter2@host").to_string(), "[not a URL]");
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
        assert_eq!(Secret::new("hunter2").scrub("bad key hunter2!"), "bad key [api key]!");
    }
}
