//! The ways in which a provider fails, to be scripted.

use std::time::Duration;

use crate::embedder::{EmbedError, Embeddings};

/// The name that errors of a [`FakeEmbedder`](super::FakeEmbedder) have.
pub(super) const PROVIDER: &str = "the fake provider";

/// How a provider fails once: what [`FakeEmbedder::fail_next`](super::FakeEmbedder::fail_next) takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// It limits the rate (429), and says how long to wait if the duration is given. The worker waits and asks again.
    RateLimited(Option<Duration>),
    /// It is down (503). The worker waits and asks again.
    Down,
    /// It does not answer in time. The worker waits and asks again.
    Timeout,
    /// The key is missing or wrong (401). The worker says so and waits for someone to mend it.
    Unauthorized,
    /// It refuses the texts of this request (400). The worker charges the rows for it.
    Refused,
    /// It returns vectors with one dimension less.
    WrongLength,
    /// It returns one vector less than there are texts.
    MissingVector,
}

impl Failure {
    /// What the provider returns in place of `vectors`.
    pub(super) fn of(self, mut vectors: Vec<Vec<f32>>) -> Result<Embeddings, EmbedError> {
        let provider = PROVIDER;
        match self {
            Self::RateLimited(retry_after) => Err(EmbedError::Unavailable {
                provider,
                status: 429,
                message: "too many requests".to_owned(),
                retry_after,
            }),
            Self::Down => Err(EmbedError::Unavailable {
                provider,
                status: 503,
                message: "down for a test".to_owned(),
                retry_after: None,
            }),
            Self::Timeout => Err(EmbedError::Unreachable {
                provider,
                url: "http://provider.test".to_owned(),
                source: "the request timed out".into(),
            }),
            Self::Unauthorized => Err(EmbedError::Configuration {
                provider,
                message: "the key is wrong (401)".to_owned(),
            }),
            Self::Refused => Err(refused("refused for a test".to_owned())),
            Self::WrongLength => {
                for vector in &mut vectors {
                    vector.pop();
                }
                Ok(vectors.into())
            }
            Self::MissingVector => {
                vectors.pop();
                Ok(vectors.into())
            }
        }
    }
}

/// The provider does not take a text.
pub(super) fn refused(message: String) -> EmbedError {
    EmbedError::Refused {
        provider: PROVIDER,
        status: 400,
        message,
    }
}
