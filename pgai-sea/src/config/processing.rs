//! How much at once: `ai.processing_default`.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Other, area, check_range};
use crate::sql::Call;

area! {
    /// How much the worker does at once.
    Processing, Tag = "processing" {
        /// Batches of rows, several at a time.
        Default(ProcessingDefault) = "default",
    }
}

impl Processing {
    /// Batches of rows, several at a time.
    ///
    /// ```
    /// use pgai_sea::config::Processing;
    ///
    /// assert_eq!(
    ///     Processing::batches().batch_size(200).concurrency(4).to_sql(),
    ///     "ai.processing_default(batch_size => 200, concurrency => 4)"
    /// );
    /// ```
    #[must_use]
    pub fn batches() -> ProcessingDefault {
        ProcessingDefault::default()
    }
}

impl Default for Processing {
    fn default() -> Self {
        Self::batches().into()
    }
}

/// Batches of rows. See [`Processing::batches`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProcessingDefault {
    #[serde(default)]
    config_type: Tag,
    /// Rows of a batch, 1 to 2,048; this worker's default is 128, pgai's 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<i32>,
    /// Batches at a time, 1 to 50 (pgai's worker takes 10); the worker's default is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<i32>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl ProcessingDefault {
    /// Rows of a batch, 1 to 2,048; this worker's default is 128, pgai's 50.
    #[must_use]
    pub fn batch_size(mut self, batch_size: i32) -> Self {
        self.batch_size = Some(batch_size);
        self
    }

    /// Batches at a time, 1 to 50 (pgai's worker takes 10); the worker's default is 1.
    #[must_use]
    pub fn concurrency(mut self, concurrency: i32) -> Self {
        self.concurrency = Some(concurrency);
        self
    }

    pub(crate) fn call(&self) -> Call {
        Call::new("processing_default")
            .arg("batch_size", self.batch_size)
            .arg("concurrency", self.concurrency)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_range("batch_size", self.batch_size, 1..=2048)?;
        check_range("concurrency", self.concurrency, 1..=50)
    }
}
