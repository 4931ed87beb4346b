//! Trouble of a connection that does not pass with time, and the setting that mends it.

use std::error::Error;
use std::io;

use rustls::{CertificateError, Error as TlsError};

/// How the certificates that this process trusts are named.
const TRUSTED: &str = "the certificates that the system trusts, or those in `SSL_CERT_FILE` (a file of PEM)";

/// What to set, if it is a certificate, a proxy or another protocol that is in the way. `None` if the server may be
/// back later.
pub(super) fn advice(error: &reqwest::Error) -> Option<String> {
    let causes = causes(error);
    if let Some(error) = causes.iter().find_map(|cause| tls(*cause)) {
        return Some(of_tls(error));
    }
    let text = causes.iter().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let lower = text.to_lowercase();
    if lower.contains("tunnel") || lower.contains("proxy") || lower.contains("socks") {
        let reason = causes.last().map(ToString::to_string).unwrap_or_default();
        return Some(format!(
            "the proxy does not let it through ({reason}): correct `HTTPS_PROXY` or `HTTP_PROXY`, or name the server \
            in \
             `NO_PROXY`"
        ));
    }
    if lower.contains("invalid http") || lower.contains("http2 error") || lower.contains("invalid status code") {
        let reason = causes.last().map(ToString::to_string).unwrap_or_default();
        return Some(format!(
            "what answers there speaks no HTTP, or another version of it ({reason}): correct scheme (`http://`, \
             `https://`) and port of the base URL"
        ));
    }
    None
}

/// An error and its causes, the outermost first.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> Vec<&'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error)).collect()
}

fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    // an I/O error passes over what it was made of
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn tls<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e TlsError> {
    error.downcast_ref()
}

fn of_tls(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
            "nobody who is trusted has signed its certificate (UnknownIssuer): add the certificate of whoever signed \
            it \
             to {TRUSTED}"
        ),
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            format!("its certificate is for another name ({error}): use that name in the base URL")
        }
        TlsError::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => format!("its certificate is not valid now ({error}): renew it, or set this machine's clock"),
        TlsError::InvalidCertificate(reason) if format!("{reason:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is one of an authority (`CA:TRUE`), as `openssl req -x509` makes them, and no server's: \
            make \
             it with `-addext basicConstraints=critical,CA:FALSE`, or sign one with it for the server and keep this \
             one \
             in `SSL_CERT_FILE`"
                .to_owned()
        }
        TlsError::InvalidCertificate(_) => format!(
            "its certificate is not accepted ({error}): replace it, or add who \
        signed it to {TRUSTED}"
        ),
        TlsError::InvalidMessage(_) => {
            format!("it speaks no TLS ({error}): write `http://` in the base URL, or correct its port")
        }
        TlsError::AlertReceived(_) => format!(
            "it refuses this client's TLS ({error}): it may want a client's \
        certificate, or another name"
        ),
        TlsError::General(reason) if reason.contains("No CA") => {
            format!(
                "no certificate is trusted on this machine: install the package ca-certificates, or set \
            `SSL_CERT_FILE` ({reason})"
            )
        }
        error => format!("TLS does not come about ({error}): correct the server's TLS, or the base URL"),
    }
}
