//! `OLLAMA_HOST`, as Ollama reads it.

const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 11434;

/// The base URL that `host` means. Scheme, host, port and path may each be missing. With a scheme and without a port it
/// is the scheme's own port. `0.0.0.0`, which servers listen on, becomes `localhost`.
pub(super) fn url(host: &str) -> String {
    let host = host.trim().trim_matches(['"', '\'']).trim();
    let (scheme, rest) = host
        .split_once("://")
        .map_or((None, host), |(scheme, rest)| (Some(scheme), rest));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, address) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    let (name, port) = split_port(address);
    let name = match name {
        "" | "0.0.0.0" => DEFAULT_HOST,
        "[::]" | "::" => "[::1]",
        name => name,
    };
    let name = if name.contains(':') && !name.starts_with('[') {
        format!("[{name}]") // an IPv6 address
    } else {
        name.to_owned()
    };
    let port = match (port, scheme) {
        (Some(port), _) => format!(":{port}"),
        (None, Some(_)) => String::new(),
        (None, None) => format!(":{DEFAULT_PORT}"),
    };
    let path = path.trim_end_matches('/');
    format!("{}://{user}{name}{port}{path}", scheme.unwrap_or("http"))
}

/// Name and port of `name:port`, `name`, `:port`, `[v6]:port`, `[v6]` or `v6`.
fn split_port(address: &str) -> (&str, Option<&str>) {
    match address.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            (name, Some(port).filter(|port| !port.is_empty()))
        }
        _ => (address, None),
    }
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn what_is_missing_is_filled_in() {
        for (host, expected) in [
            ("", "http://localhost:11434"),
            ("  ", "http://localhost:11434"),
            ("gpu", "http://gpu:11434"),
            ("gpu:1234", "http://gpu:1234"),
            (":1234", "http://localhost:1234"),
            ("\"gpu:1234\"", "http://gpu:1234"),
            ("http://gpu", "http://gpu"),
            ("https://gpu/", "https://gpu"),
            ("https://gpu:8443/ollama/", "https://gpu:8443/ollama"),
            ("gpu/ollama", "http://gpu:11434/ollama"),
            ("https://me:secret@gpu:1", "https://me:secret@gpu:1"),
            ("0.0.0.0", "http://localhost:11434"),
            ("0.0.0.0:80", "http://localhost:80"),
            ("10.0.0.1", "http://10.0.0.1:11434"),
            ("[::]:80", "http://[::1]:80"),
            ("::1", "http://[::1]:11434"),
            ("[fe80::1]", "http://[fe80::1]:11434"),
            ("[fe80::1]:80", "http://[fe80::1]:80"),
        ] {
            assert_eq!(url(host), expected, "{host}");
        }
    }
}
