//! The HTTP client that all providers share.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::Client;
use rustls_platform_verifier::BuilderVerifierExt;

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The client: one pool of connections, TLS through ring, trust from the operating system. If it cannot be set up, why.
pub(super) fn client() -> Result<&'static Client, &'static str> {
    static CLIENT: OnceLock<Result<Client, String>> = OnceLock::new();
    CLIENT
        .get_or_init(|| build().map_err(|error| error.to_string()))
        .as_ref()
        .map_err(String::as_str)
}

fn build() -> Result<Client, Box<dyn Error>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    // reqwest sets no protocols in a configuration that it is given
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        // a redirect to another host would keep every header but `Authorization`, and Azure's key is in another
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("pgai-sea/", env!("CARGO_PKG_VERSION")))
        .build()?)
}
