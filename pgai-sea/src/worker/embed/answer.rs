//! What a request that gave no vectors means.

use std::time::Duration;

use crate::embedder::EmbedError;
use crate::worker::batch::stop_reason::StopReason as Trouble;

/// A provider that wants to be left alone for longer is asked again after this.
pub(super) const LONGEST_SILENCE: Duration = Duration::from_hours(1);

/// Why a request gave no vectors.
#[derive(Debug)]
pub(super) enum Answer {
    /// Because of a text.
    Refused(String),
    /// The answer is none; whether for a text's sake shows if others are answered.
    Unusable(String),
    /// Because of the provider's state, it seems: a text on which a model's runner crashes looks the same.
    Unavailable {
        message: String,
        retry_after: Option<Duration>,
        /// Whether there were too many requests or tokens.
        is_rate: bool,
    },
    /// Whatever the texts.
    Trouble(Trouble),
    /// It was not made: the worker is stopped.
    Stopped,
}

impl From<EmbedError> for Answer {
    fn from(error: EmbedError) -> Self {
        match error {
            EmbedError::Refused { .. } => Self::Refused(describe(&error)),
            EmbedError::Answer { .. } | EmbedError::Failed { .. } => Self::Unusable(describe(&error)),
            _ if error.is_transient() => Self::Unavailable {
                message: describe(&error),
                retry_after: error.retry_after().map(|wait| wait.min(LONGEST_SILENCE)),
                is_rate: matches!(error, EmbedError::Unavailable { status: 429, .. }),
            },
            _ => Self::Trouble(Trouble::Configuration(describe(&error))),
        }
    }
}

/// An error with its sources.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
