//! Documents of the web. The rules hold for every address on the way: a redirect's target is looked at like the first
//! one, and a name leads nowhere but to addresses that may be asked.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderName;
use reqwest::{Client, Response, StatusCode, Url, header};
use rustls_platform_verifier::BuilderVerifierExt as _;

use super::Loaded;
use super::address::shown;
use super::allowed::Allowed;
use super::public::may_be_asked;
use crate::document::DocumentError;

/// The most redirects.
const MOST_REDIRECTS: usize = 5;
/// What a version is: an entity tag, or a date.
const TAG: &str = "etag";
const WRITTEN: &str = "modified";
/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The clients: one that reaches no private network, one that may.
#[derive(Debug, Default)]
pub(super) struct Http {
    public: OnceLock<Result<Client, String>>,
    private: OnceLock<Result<Client, String>>,
}

impl Http {
    pub(super) async fn load(&self, url: Url, allowed: &Allowed, most: u64) -> Result<Loaded, DocumentError> {
        let (mut response, address) = self.ask(url, allowed, None).await?;
        let failed = |error: reqwest::Error| DocumentError::load(&address, causes(&error.without_url()));
        if response.content_length().is_some_and(|length| length > most) {
            return Err(DocumentError::TooLarge { most });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if (bytes.len() + chunk.len()) as u64 > most {
                return Err(DocumentError::TooLarge { most });
            }
            bytes.extend_from_slice(&chunk);
        }
        let version = version_of(&response);
        // nothing else is known by its media type
        let is_csv = header(&response, &header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/csv"));
        let name = if is_csv { "text/csv".to_owned() } else { address };
        Ok(Loaded { bytes, name, version })
    }

    /// The version that the document is now: `known` if the server says that it did not change. The document itself is
    /// not read. Every server answers this, and some answer no HEAD.
    #[cfg(feature = "worker")]
    pub(super) async fn version(
        &self,
        url: Url,
        allowed: &Allowed,
        known: Option<&str>,
    ) -> Result<Option<String>, DocumentError> {
        let (response, _) = self.ask(url, allowed, known).await?;
        Ok(match response.status() {
            StatusCode::NOT_MODIFIED => known.map(str::to_owned),
            _ => version_of(&response),
        })
    }

    /// Asks for a document, and follows redirects. Returns the answer and where it came from. If the document is still
    /// the version `unless`, the answer may be 304.
    async fn ask(
        &self,
        mut url: Url,
        allowed: &Allowed,
        unless: Option<&str>,
    ) -> Result<(Response, String), DocumentError> {
        let private = allowed.private_hosts;
        let client = if private { &self.private } else { &self.public };
        let client = client.get_or_init(|| client_with(Some(Arc::new(Resolver { private }))));
        for _ in 0..=MOST_REDIRECTS {
            allowed.check_url(&url)?;
            check_literal(&url, private)?;
            let address = shown(&url);
            let failed = |error: reqwest::Error| DocumentError::load(&address, causes(&error.without_url()));
            let client = client.as_ref().map_err(|error| DocumentError::load(&address, error))?;
            let mut request = client.get(url.clone());
            if let Some((kind, version)) = unless.and_then(|unless| unless.split_once(' ')) {
                let condition = match kind {
                    TAG => header::IF_NONE_MATCH,
                    _ => header::IF_MODIFIED_SINCE,
                };
                request = request.header(condition, version);
            }
            let response = request.send().await.map_err(failed)?;
            let status = response.status();
            if status.is_redirection()
                && let Some(location) = response.headers().get(header::LOCATION)
            {
                let target = location.to_str().ok().and_then(|location| url.join(location).ok());
                url = target
                    .filter(|target| matches!(target.scheme(), "http" | "https"))
                    .ok_or_else(|| DocumentError::load(&address, "it redirects to what is no http address"))?;
                continue;
            }
            if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
                return Err(DocumentError::Missing { address });
            }
            if status != StatusCode::OK && !(status == StatusCode::NOT_MODIFIED && unless.is_some()) {
                return Err(DocumentError::load(
                    &address,
                    format_args!("the server answers {status}"),
                ));
            }
            return Ok((response, address));
        }
        Err(DocumentError::load(
            &shown(&url),
            format_args!("there are more than {MOST_REDIRECTS} redirects"),
        ))
    }
}

fn header<'r>(response: &'r Response, name: &HeaderName) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}

/// The tag of the answer, or when the document was written.
fn version_of(response: &Response) -> Option<String> {
    let tag = header(response, &header::ETAG).map(|tag| format!("{TAG} {tag}"));
    tag.or_else(|| Some(format!("{WRITTEN} {}", header(response, &header::LAST_MODIFIED)?)))
}

/// No name is resolved for an address that stands in the URL.
fn check_literal(url: &Url, private: bool) -> Result<(), DocumentError> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(address) if !may_be_asked(address, private) => Err(DocumentError::NotAllowed {
            address: shown(url),
            reason: NotPublic { host: host.to_owned() }.to_string(),
        }),
        _ => Ok(()),
    }
}

/// A host that is not everybody's.
#[derive(Debug, thiserror::Error)]
#[error(
    "the host `{host}` is in a private network. If that is meant: `Documents::allow_private_hosts()` or `pgai-sea \
     worker --allow-private-hosts`, which never allow link-local addresses"
)]
struct NotPublic {
    host: String,
}

/// Resolves names, and refuses those that lead to an address that may not be asked. The client connects to what this
/// returns, so no second answer can differ.
#[derive(Debug)]
struct Resolver {
    private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let addresses: Vec<_> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            if addresses.iter().any(|address| !may_be_asked(address.ip(), private)) {
                return Err(NotPublic { host }.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// A client: TLS through ring, trust from the operating system, no redirects of its own, and no proxy, which would
/// resolve names behind our back.
pub(super) fn client_with(resolver: Option<Arc<dyn Resolve>>) -> Result<Client, String> {
    let build = || -> Result<Client, Box<dyn Error>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        // reqwest sets no protocols in a configuration that it is given
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("pgai-sea/", env!("CARGO_PKG_VERSION")));
        if let Some(resolver) = resolver {
            builder = builder.no_proxy().dns_resolver(resolver);
        }
        Ok(builder.build()?)
    };
    build().map_err(|error| io::Error::other(format!("HTTP cannot be set up: {error}")).to_string())
}

/// An error with what is behind it: reqwest's own says only that something failed.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
