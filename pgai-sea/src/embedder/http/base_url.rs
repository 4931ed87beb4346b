//! The address that a provider's paths are relative to.

use std::fmt;

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

    /// Removes the password from a server's message, as it stands in the URL and decoded.
    pub(super) fn scrub(&self, text: String) -> String {
        let url = self.url();
        match url.as_ref().and_then(Url::password) {
            Some(password) => {
                let decoded = percent_decode_str(password).decode_utf8_lossy();
                text.replace(password, "[password]").replace(&*decoded, "[password]")
            }
            None => text,
        }
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
    }
}
