//! A credential that is never shown.

use std::fmt;

use reqwest::header::HeaderValue;

/// A credential. It goes into the header that the provider reads, and nowhere else.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The header's value: the secret after `scheme`. `None` if a header cannot carry its characters.
    pub(super) fn header(&self, scheme: &str) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("{scheme}{}", self.0.trim())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Removes the secret from a server's message. Some servers repeat the key that they refuse.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
        assert_eq!(Secret::new("hunter2").scrub("bad key hunter2!"), "bad key [api key]!");
    }
}
