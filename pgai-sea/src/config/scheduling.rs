//! Who runs the worker: `ai.scheduling_none` and its siblings.

use std::time::Duration;

use sea_orm::prelude::DateTimeUtc;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Other, area, bare, check_text};
use crate::sql::{Arg, Call};

area! {
    /// Who runs the worker.
    Scheduling, Tag = "scheduling" {
        /// The database's setting decides. Without one, none.
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
    ///     "ai.scheduling_timescaledb(schedule_interval => '00:10:00', timezone => 'Europe/Vienna')"
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
///
/// What is read back equals what was asked: a first run is the same in any time zone, and the `job_id` that pgai adds
/// to [`other`](Self::other) makes no difference.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl SchedulingTimescaledb {
    /// The time between runs, to the microsecond; by default 5 minutes.
    #[must_use]
    pub fn schedule_interval(mut self, schedule_interval: Duration) -> Self {
        let (seconds, micros) = (schedule_interval.as_secs(), schedule_interval.subsec_micros());
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        // as the catalog writes it back
        let mut interval = format!("{hours:02}:{minutes:02}:{seconds:02}.{micros:06}");
        let kept = interval
            .trim_end_matches('0')
            .trim_end_matches('.')
            .len()
            .max("00:00:00".len());
        interval.truncate(kept);
        self.schedule_interval = Some(interval);
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
        if self.schedule_interval.as_deref() == Some("00:00:00") {
            return Err(ConfigError::new("schedule_interval", "is zero"));
        }
        self.timezone
            .as_ref()
            .map_or(Ok(()), |timezone| check_text("timezone", timezone))
    }
}

impl PartialEq for SchedulingTimescaledb {
    fn eq(&self, other: &Self) -> bool {
        let rest = |other: &Other| {
            let mut rest = other.clone();
            rest.remove("job_id");
            rest
        };
        self.schedule_interval == other.schedule_interval
            && self.initial_start.as_deref().map(instant) == other.initial_start.as_deref().map(instant)
            && self.fixed_schedule == other.fixed_schedule
            && self.timezone == other.timezone
            && rest(&self.other) == rest(&other.other)
    }
}

/// The instant that a text means; the text, where it is none that this knows.
fn instant(text: &str) -> Result<DateTimeUtc, &str> {
    text.parse().map_err(|_| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_written_as_postgresql_writes_it() {
        for (interval, text) in [
            (Duration::from_mins(5), "00:05:00"),
            (Duration::from_secs(100 * 3600 + 61), "100:01:01"),
            (Duration::from_millis(1_500), "00:00:01.5"),
            (Duration::from_micros(10), "00:00:00.00001"),
            (Duration::from_mins(10), "00:10:00"),
        ] {
            let scheduling = Scheduling::timescaledb().schedule_interval(interval);
            assert_eq!(scheduling.schedule_interval.as_deref(), Some(text));
        }
    }

    #[test]
    fn the_same_run_in_another_time_zone_is_the_same() {
        let asked = Scheduling::timescaledb().initial_start(DateTimeUtc::UNIX_EPOCH);
        let read = |start: &str| -> SchedulingTimescaledb {
            serde_json::from_value(serde_json::json!({"initial_start": start, "job_id": 1001})).unwrap()
        };
        assert_eq!(read("1970-01-01T01:00:00+01:00"), asked);
        assert_ne!(read("1970-01-01T01:00:00+00:00"), asked);
        assert_eq!(read("infinity"), read("infinity"));
        assert_ne!(read("infinity"), asked);
    }
}
