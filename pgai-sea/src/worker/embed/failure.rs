//! What a request without vectors means.

use std::fmt::Write as _;
use std::time::Duration;

use crate::embedder::EmbedError;
use crate::worker::batch::stop_reason::StopReason;

/// The longest wait that a provider can ask for. After it, the provider is asked again.
pub(super) const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// A wait that is long enough for people to wonder.
const WORTH_SAYING: Duration = Duration::from_secs(10);

/// Why a request returned no vectors.
#[derive(Debug)]
pub(super) enum RequestFailure {
    /// The provider refuses one of the texts.
    Refused(String),
    /// The response is malformed. If other texts get a usable one, it is this text's fault.
    Unusable(String),
    /// The provider seems to be down. It looks the same if a text crashes the model's runner.
    Unavailable {
        message: String,
        retry_after: Option<Duration>,
        /// Whether there were too many requests or tokens.
        is_rate: bool,
        /// Whether it was an answer, as of a server that is there.
        has_answered: bool,
    },
    /// No text is at fault.
    Stop(StopReason),
    /// The request was not made: the worker stops.
    Stopping,
}

impl From<EmbedError> for RequestFailure {
    fn from(error: EmbedError) -> Self {
        let mut message = error.to_string();
        if let Some(asked) = error.retry_after().filter(|asked| *asked >= WORTH_SAYING) {
            let waits = asked.min(LONGEST_WAIT).as_secs();
            let _ = write!(
                message,
                " (it asks to wait for {} s; the worker waits for {waits} s)",
                asked.as_secs()
            );
        }
        match error {
            EmbedError::Refused { .. } => Self::Refused(message),
            EmbedError::Answer { .. } | EmbedError::Failed { .. } => Self::Unusable(message),
            _ if error.is_transient() => Self::Unavailable {
                message,
                retry_after: error.retry_after().map(|wait| wait.min(LONGEST_WAIT)),
                is_rate: matches!(error, EmbedError::Unavailable { status: 429, .. }),
                has_answered: matches!(error, EmbedError::Unavailable { status: 500, .. }),
            },
            _ => Self::Stop(StopReason::Configuration(message)),
        }
    }
}
