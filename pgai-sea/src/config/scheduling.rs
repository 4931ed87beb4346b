//! Who runs the worker: `ai.scheduling_none` and its siblings.

use std::time::Duration;

use sea_orm::prelude::DateTimeUtc;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Other, area, bare, check_text};
use crate::sql::{Arg, Call};

area! {
    /// Who runs the worker.
    Scheduling, Tag = "scheduling" {
        /// What the database's settings say, else none.
        Default(SchedulingDefault) = "default",
        /// A worker outside of the database, such as pgai-sea's.
        None(SchedulingNone) = "none",
        /// A TimescaleDB job, which calls the `ai` extension.
        Timescaledb(SchedulingTimescaledb) = "timescaledb",
    }
}

impl Scheduling {
    /// What the database's setting `ai.scheduling_default` says, else none.
    ///
    /// ```
    /// assert_eq!(pgai_sea::config::Scheduling::from_database_settings().to_sql(), "ai.scheduling_default()");
    /// ```
    #[must_use]
    pub fn from_database_settings() -> SchedulingDefault {
        SchedulingDefault::default()
    }

    /// A worker outside of the database, such as pgai-sea's.
    ///
    /// ```
    /// assert_eq!(pgai_sea::config::Scheduling::none().to_sql(), "ai.scheduling_none()");
    /// ```
    #[must_use]
    pub fn none() -> SchedulingNone {
        SchedulingNone::default()
    }

    /// A TimescaleDB job, which calls the `ai` extension.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use pgai_sea::config::Scheduling;
    ///
    /// assert_eq!(
    ///     Scheduling::timescaledb().schedule_interval(Duration::from_secs(600)).timezone("Europe/Vienna").to_sql(),
    ///     "ai.scheduling_timescaledb(schedule_interval => '600 seconds', timezone => 'Europe/Vienna')"
    /// );
    /// ```
    #[must_use]
    pub fn timescaledb() -> SchedulingTimescaledb {
        SchedulingTimescaledb::default()
    }
}

bare! {
    /// What the database's settings say. See [`Scheduling::from_database_settings`].
    SchedulingDefault, Tag, "scheduling_default"
}
bare! {
    /// A worker outside of the database. See [`Scheduling::none`].
    SchedulingNone, Tag, "scheduling_none"
}

/// A TimescaleDB job. See [`Scheduling::timescaledb`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SchedulingTimescaledb {
    #[serde(default)]
    config_type: Tag,
    /// The time between runs, as PostgreSQL writes an interval; by default 5 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_interval: Option<String>,
    /// The first run, as PostgreSQL writes a timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_start: Option<String>,
    /// Whether runs keep to the clock however long they take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_schedule: Option<bool>,
    /// The time zone of a fixed schedule: `Europe/Vienna`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// What else is stored.
    #[serde(flatten)]
    pub other: Other,
}

impl SchedulingTimescaledb {
    /// The time between runs, to the microsecond; by default 5 minutes.
    #[must_use]
    pub fn schedule_interval(mut self, schedule_interval: Duration) -> Self {
        let (seconds, micros) = (schedule_interval.as_secs(), schedule_interval.subsec_micros());
        self.schedule_interval = Some(match micros {
            0 => format!("{seconds} seconds"),
            micros => format!("{seconds}.{micros:06} seconds"),
        });
        self
    }

    /// The first run.
    #[must_use]
    pub fn initial_start(mut self, initial_start: DateTimeUtc) -> Self {
        self.initial_start = Some(initial_start.to_rfc3339());
        self
    }

    /// Whether runs keep to the clock however long they take.
    #[must_use]
    pub fn fixed_schedule(mut self, fixed_schedule: bool) -> Self {
        self.fixed_schedule = Some(fixed_schedule);
        self
    }

    /// The time zone of a fixed schedule: `Europe/Vienna`.
    #[must_use]
    pub fn timezone(mut self, timezone: impl Into<String>) -> Self {
        self.timezone = Some(timezone.into());
        self
    }

    pub(crate) fn call(&self) -> Call {
        let typed = |text: &Option<String>, cast| text.clone().map(|text| Arg::Typed(text, cast));
        Call::new("scheduling_timescaledb")
            .arg("schedule_interval", typed(&self.schedule_interval, "::interval"))
            .arg("initial_start", typed(&self.initial_start, "::timestamptz"))
            .arg("fixed_schedule", self.fixed_schedule)
            .arg("timezone", self.timezone.as_ref())
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.schedule_interval.as_deref() == Some("0 seconds") {
            return Err(ConfigError::new("schedule_interval", "is zero"));
        }
        self.timezone
            .as_ref()
            .map_or(Ok(()), |timezone| check_text("timezone", timezone))
    }
}
