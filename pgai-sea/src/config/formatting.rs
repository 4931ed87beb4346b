//! What the worker embeds of a chunk and its row: `ai.formatting_python_template`.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Other, area, check_text};
use crate::sql::Call;

area! {
    /// What the worker embeds of a chunk and its row.
    Formatting, Tag = "formatting" {
        /// A template in the notation of Python's `string.Template`.
        PythonTemplate(PythonTemplate) = "python_template",
    }
}

impl Formatting {
    /// `$chunk` and the row's columns in the notation of Python's `string.Template`: `$title`, `${title}`, `$$` for a
    /// dollar. `$page` and `$headings` are where the chunk is, unless the table has columns of these names; pgai's own
    /// worker does not know them.
    ///
    /// ```
    /// use pgai_sea::config::Formatting;
    ///
    /// assert_eq!(
    ///     Formatting::python_template("$title - $chunk").to_sql(),
    ///     "ai.formatting_python_template(template => '$title - $chunk')"
    /// );
    /// ```
    #[must_use]
    pub fn python_template(template: impl Into<String>) -> PythonTemplate {
        PythonTemplate {
            config_type: Tag::Tag,
            template: Some(template.into()),
            other: Other::new(),
        }
    }
}

impl Default for Formatting {
    fn default() -> Self {
        PythonTemplate::default().into()
    }
}

/// A template. See [`Formatting::python_template`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PythonTemplate {
    #[serde(default)]
    config_type: Tag,
    /// The template. The default is `$chunk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Stored keys that this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl PythonTemplate {
    pub(crate) fn call(&self) -> Call {
        Call::new("formatting_python_template").arg("template", self.template.as_ref())
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Some(template) = &self.template else { return Ok(()) };
        check_text("formatting", template)?;
        // pgai looks for exactly this, ${chunk} is not enough for it
        if template.contains("$chunk") {
            Ok(())
        } else {
            Err(ConfigError::new(
                "formatting",
                format!("the template {template:?} does not contain $chunk"),
            ))
        }
    }
}
