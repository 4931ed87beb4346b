//! The address that a provider's paths are relative to.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// The address that a provider's paths are relative to. It is shown without user, password and query.
#[derive(Clone)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// Without the first of these ends that the address has.
    pub(crate) fn without_end(&self, ends: &[&str]) -> Self {
        Self(without_end(&self.0, ends))
    }

    /// With a value in the query, unless the query has one of that name.
    pub(crate) fn with_query(&self, name: &str, value: &str) -> Self {
        match Url::parse(self.0.trim()) {
            Ok(mut url) if url.query_pairs().all(|(known, _)| known != name) => {
                url.query_pairs_mut().append_pair(name, value);
                Self(url.into())
            }
            // there already; or not a URL, which the first request reports
            _ => self.clone(),
        }
    }

    /// The URL of `path` below the base. The query of the base stays (Azure's `api-version`).
    pub(super) fn join(&self, path: &str) -> Option<Url> {
        let mut url = self.url()?;
        if !path.is_empty() {
            url.path_segments_mut().ok()?.pop_if_empty().extend(path.split('/'));
        }
        matches!(url.scheme(), "http" | "https").then_some(url)
    }

    /// Removes user and password from a server's message: as they stand in the URL, decoded, and as the header
    /// `Authorization` has them. Of the query it removes what is called a key.
    pub(super) fn scrub(&self, text: String) -> String {
        let Some(url) = self.url() else { return text };
        if url.username().is_empty() && url.password().is_none() && url.query().is_none() {
            return text;
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let password = url.password().unwrap_or_default();
        let basic = STANDARD.encode(format!("{}:{}", decoded(url.username()), decoded(password)));
        let mut secrets = vec![
            (basic, "[password]"),
            (password.to_owned(), "[password]"),
            (decoded(password), "[password]"),
        ];
        // a token in front of the host is a user without a password
        if password.is_empty() {
            secrets.extend([url.username().to_owned(), decoded(url.username())].map(|user| (user, "[user]")));
        }
        let of_query = url.query_pairs().filter(|(name, _)| is_secret(name));
        secrets.extend(of_query.map(|(_, value)| (value.into_owned(), "[api key]")));
        secrets
            .into_iter()
            .filter(|(secret, _)| !secret.is_empty())
            .fold(text, |text, (secret, shown)| text.replace(&secret, shown))
    }

    pub(super) fn url(&self) -> Option<Url> {
        Url::parse(self.0.trim()).ok().filter(Url::has_host)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.url() {
            Some(url) => f.write_str(shown(url).as_str().trim_end_matches('/')),
            // nobody can tell where the password is
            None if self.0.contains('@') => f.write_str("[not a URL]"),
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Whether a parameter of this name carries a credential.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["key", "token", "secret", "sig", "password"]
        .iter()
        .any(|word| name.contains(word))
}

/// `url` without the parts that may be secret.
pub(super) fn shown(mut url: Url) -> Url {
    remove_user(&mut url);
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// Removes user and password.
pub(super) fn remove_user(url: &mut Url) {
    // both fail only for URLs that cannot have them
    let _ = url.set_password(None);
    let _ = url.set_username("");
}

/// `url` without the first of `ends` that it has.
pub(crate) fn without_end(url: &str, ends: &[&str]) -> String {
    let url = url.trim().trim_end_matches('/');
    let cut = ends.iter().find_map(|end| url.strip_suffix(end));
    cut.unwrap_or(url).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let base = BaseUrl::new("https://me:p%40ss@host");
        assert_eq!(base.scrub("p@ss, p%40ss".to_owned()), "[password], [password]");
        // `me:p@ss`, as the server was sent it
        assert_eq!(base.scrub("bad Basic bWU6cEBzcw==".to_owned()), "bad Basic [password]");
        let base = BaseUrl::new("https://tok3n@host?api-version=1&api_key=k3y");
        assert_eq!(base.scrub("tok3n 1 k3y".to_owned()), "[user] 1 [api key]");
        assert_eq!(BaseUrl::new("https://host").scrub("Og==".to_owned()), "Og==");
    }
}
