//! Providers that are not reached because of a certificate or a proxy: what to set is said, by the worker and by
//! `status`.

use std::net::Ipv4Addr;
use std::sync::Arc;

use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate and its key, as PEM. It signs itself.
fn certificate(common_name: &str, host: &str, is_ca: IsCa) -> Result<[String; 2], rcgen::Error> {
    let mut params = CertificateParams::new([host.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = is_ca;
    let key = KeyPair::generate()?;
    Ok([params.self_signed(&key)?.pem(), key.serialize_pem()])
}

/// A server with this certificate, which answers 503 to whoever trusts it.
async fn serve([certificate, key]: &[String; 2]) -> Result<u16, Box<dyn std::error::Error + Send + Sync>> {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let busy = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(busy).await.ok();
            stream.shutdown().await.ok();
        }
    });
    Ok(port)
}

/// A proxy that lets nothing through.
async fn proxy() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(refusal).await.ok();
        }
    });
    Ok(port)
}

/// A server's certificate, the worker's environment, and what is to be said.
type Case<'c> = (&'c [String; 2], &'c [(&'c str, &'c str)], &'c str);

async fn pgai_sea(test: &TestDatabase, arguments: &[&str], variables: &[(&str, &str)]) -> std::io::Result<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(arguments)
        .args(["-d", &test.url])
        .envs(variables.iter().copied())
        .kill_on_drop(true)
        .output()
        .await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_or_a_proxy_is_said() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let folder = tempfile::tempdir()?;
        let server = certificate("a server", "localhost", IsCa::ExplicitNoCa)?;
        // what `openssl req -x509` makes by itself
        let authority = certificate("an authority", "localhost", IsCa::Ca(BasicConstraints::Unconstrained))?;
        let other = certificate("another server", "other.example", IsCa::ExplicitNoCa)?;
        let trusted = |name: &str, [certificate, _]: &[String; 2]| -> std::io::Result<String> {
            let path = folder.path().join(name);
            std::fs::write(&path, certificate)?;
            Ok(path.display().to_string())
        };
        let [own_file, authority_file, other_file] = [
            trusted("server.pem", &server)?,
            trusted("authority.pem", &authority)?,
            trusted("other.pem", &other)?,
        ];
        let proxy = format!("http://127.0.0.1:{}", proxy().await?);
        test.execute(
            "create table posts (id int primary key, body text);
             insert into posts values (1, 'text');
             select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
                embedding => ai.embedding_openai('m', 2))",
        )
        .await?;
        let cases: [Case<'_>; 5] = [
            (
                &server,
                &[("SSL_CERT_FILE", &other_file)],
                "nobody who is trusted has signed its certificate",
            ),
            (
                &authority,
                &[("SSL_CERT_FILE", &authority_file)],
                "is one of an authority",
            ),
            (&other, &[("SSL_CERT_FILE", &other_file)], "is for another name"),
            (
                &server,
                &[("SSL_CERT_FILE", &own_file), ("HTTPS_PROXY", &proxy), ("NO_PROXY", "")],
                "the proxy does not let it through",
            ),
            // trusted, and only busy: this one passes with time
            (&server, &[("SSL_CERT_FILE", &own_file)], "503"),
        ];
        for (certificate, variables, words) in cases {
            let url = format!("https://localhost:{}/v1", serve(certificate).await?);
            let mut all = vec![("OPENAI_BASE_URL", url.as_str()), ("OPENAI_API_KEY", "sk-test")];
            all.extend(variables);
            let said = pgai_sea(&test, &["worker", "--once"], &all).await?;
            assert!(said.contains(words), "{words}: {said}");
            let status = pgai_sea(&test, &["status"], &[]).await?;
            assert!(status.contains(words), "{words}: {status}");
            let state = if words == "503" { "waiting" } else { "failing" };
            assert!(status.contains(&format!("posts is {state}")), "{words}: {status}");
        }
        Ok(())
    })
    .await;
}
