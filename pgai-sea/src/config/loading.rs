//! Where the text comes from: `ai.loading_column`, `ai.loading_uri`.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Other, area, check_identifier, check_range};
use crate::sql::{Arg, Call};

area! {
    /// Where the text comes from.
    Loading, Tag = "loading" {
        /// The column's own content.
        Column(LoadingColumn) = "column",
        /// The document that the column's content points to.
        Uri(LoadingUri) = "uri",
    }
}

impl Loading {
    /// The content of a text or bytea column.
    ///
    /// ```
    /// use pgai_sea::config::Loading;
    ///
    /// assert_eq!(Loading::column("content").to_sql(), "ai.loading_column(column_name => 'content')");
    /// assert_eq!(
    ///     Loading::column("content").retries(3).to_sql(),
    ///     "ai.loading_column(column_name => 'content', retries => 3)"
    /// );
    /// ```
    #[must_use]
    pub fn column(column_name: impl Into<String>) -> LoadingColumn {
        LoadingColumn {
            config_type: Tag::Tag,
            column_name: column_name.into(),
            retries: None,
            other: Other::new(),
        }
    }

    /// The document behind the address in a text column: a file, http(s), s3, gs or az. This crate's worker loads what
    /// it was told to allow, and has the feature `documents`.
    ///
    /// ```
    /// use pgai_sea::config::Loading;
    ///
    /// assert_eq!(
    ///     Loading::uri("url").aws_role_arn("arn:aws:iam::123456789012:role/reader").to_sql(),
    ///     "ai.loading_uri(column_name => 'url', aws_role_arn => 'arn:aws:iam::123456789012:role/reader')"
    /// );
    /// ```
    #[must_use]
    pub fn uri(column_name: impl Into<String>) -> LoadingUri {
        LoadingUri {
            config_type: Tag::Tag,
            column_name: column_name.into(),
            retries: None,
            aws_role_arn: None,
            other: Other::new(),
        }
    }

    /// The column that is read.
    #[must_use]
    pub fn column_name(&self) -> Option<&str> {
        match self {
            Self::Column(loading) => Some(&loading.column_name),
            Self::Uri(loading) => Some(&loading.column_name),
            Self::Other(value) => value.get("column_name")?.as_str(),
        }
    }
}

/// The column's own content. See [`Loading::column`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoadingColumn {
    #[serde(default)]
    config_type: Tag,
    /// A text, varchar, char or bytea column of the source.
    pub column_name: String,
    /// How often a failed row is tried again before it becomes a dead letter. The default is 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i32>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl LoadingColumn {
    /// How often a failed row is tried again before it becomes a dead letter. The default is 6.
    #[must_use]
    pub fn retries(mut self, retries: i32) -> Self {
        self.retries = Some(retries);
        self
    }

    pub(crate) fn call(&self) -> Call {
        Call::new("loading_column")
            .arg("column_name", Some(Arg::Name(self.column_name.clone())))
            .arg("retries", self.retries)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_identifier("loading", &self.column_name)?;
        check_range("retries", self.retries, 0..=i32::MAX)
    }
}

/// The document behind an address. See [`Loading::uri`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoadingUri {
    #[serde(default)]
    config_type: Tag,
    /// A text column of the source that holds addresses.
    pub column_name: String,
    /// How often a document that fails is tried again before it is a dead letter; by default 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i32>,
    /// The role to assume for `s3://` addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_role_arn: Option<String>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl LoadingUri {
    /// How often a document that fails is tried again before it is a dead letter; by default 6.
    #[must_use]
    pub fn retries(mut self, retries: i32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// The role to assume for `s3://` addresses: `arn:aws:iam::<account>:role/<name>`.
    #[must_use]
    pub fn aws_role_arn(mut self, aws_role_arn: impl Into<String>) -> Self {
        self.aws_role_arn = Some(aws_role_arn.into());
        self
    }

    pub(crate) fn call(&self) -> Call {
        Call::new("loading_uri")
            .arg("column_name", Some(Arg::Name(self.column_name.clone())))
            .arg("retries", self.retries)
            .arg("aws_role_arn", self.aws_role_arn.as_ref())
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_identifier("loading", &self.column_name)?;
        check_range("retries", self.retries, 0..=i32::MAX)?;
        let Some(arn) = &self.aws_role_arn else { return Ok(()) };
        let well_formed = arn
            .strip_prefix("arn:aws:iam::")
            .and_then(|rest| rest.split_once(":role/"))
            .is_some_and(|(account, role)| {
                account.chars().all(|c| c.is_ascii_digit()) && !role.is_empty() && !role.contains('\0')
            });
        if well_formed {
            Ok(())
        } else {
            Err(ConfigError::new(
                "aws_role_arn",
                format!("{arn:?} is not of the form arn:aws:iam::<account>:role/<name>"),
            ))
        }
    }
}
