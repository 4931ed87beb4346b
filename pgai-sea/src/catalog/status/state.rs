//! What a vectorizer does at the moment, told from what is queued and what workers report.

use std::fmt;
use std::time::Duration;

use sea_orm::prelude::DateTimeWithTimeZone;
use serde::Serialize;

/// An outage that lasts longer is a failure.
const OUTAGE: Duration = Duration::from_mins(5);

/// What a vectorizer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VectorizerState {
    /// Nothing is queued.
    InSync,
    /// Workers embed what is queued.
    Working,
    /// Rows are queued, and time will mend what keeps workers from them: the provider is down or limits the rate, rows
    /// wait for their next attempt, the tokens of a day are spent, or no worker runs.
    Waiting,
    /// Workers cannot embed, and time alone will not mend it: a key is missing or refused, a privilege is missing, the
    /// provider has been down for more than five minutes.
    Failing,
    /// Workers skip it. Changes are still queued.
    Paused,
    /// Its queue, its source or its configuration cannot be read.
    Unreadable,
}

impl VectorizerState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::InSync,
        Self::Working,
        Self::Waiting,
        Self::Failing,
        Self::Paused,
        Self::Unreadable,
    ];

    /// Whether somebody has to do something: the vectorizer is failing or unreadable.
    #[must_use]
    pub fn needs_attention(self) -> bool {
        matches!(self, Self::Failing | Self::Unreadable)
    }
}

impl fmt::Display for VectorizerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InSync => "in sync",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
            Self::Paused => "paused",
            Self::Unreadable => "unreadable",
        })
    }
}

/// What keeps workers from a vectorizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatusError {
    /// What went wrong at the last attempt.
    pub message: String,
    /// When the first attempt failed since the last rows were done. `None` where nothing failed: the tokens of a day
    /// are spent.
    pub since: Option<DateTimeWithTimeZone>,
    /// When a worker tries again. `None` where no worker does by itself, and on pgai's catalog, which has no place for
    /// it.
    pub next_attempt: Option<DateTimeWithTimeZone>,
    #[serde(skip)]
    pub(super) needs_change: bool,
}

impl StatusError {
    pub(super) fn unreadable(message: String) -> Self {
        Self {
            message,
            since: None,
            next_attempt: None,
            needs_change: true,
        }
    }

    /// The state of a vectorizer that this keeps workers from.
    pub(super) fn state(&self, now: DateTimeWithTimeZone) -> VectorizerState {
        let lasts = self.since.and_then(|since| (now - since).to_std().ok());
        if self.needs_change || lasts.is_some_and(|time| time > OUTAGE) {
            VectorizerState::Failing
        } else {
            VectorizerState::Waiting
        }
    }
}
