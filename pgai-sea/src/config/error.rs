//! What builders refuse before they ask the database.

/// A value that every database refuses, or a required setter that was not called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{setter}`: {problem}")]
pub struct ConfigError {
    setter: String,
    problem: String,
}

impl ConfigError {
    pub(crate) fn new(setter: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            setter: setter.into(),
            problem: problem.into(),
        }
    }

    /// The setter to change, as it is written: `chunk_overlap`.
    #[must_use]
    pub fn setter(&self) -> &str {
        &self.setter
    }
}

/// Refuses a number outside of `range`.
pub(crate) fn check_range(
    setter: &str,
    value: Option<i32>,
    range: std::ops::RangeInclusive<i32>,
) -> Result<(), ConfigError> {
    match value {
        Some(value) if !range.contains(&value) => {
            let (low, high) = range.into_inner();
            let problem = if high == i32::MAX {
                format!("{value} is less than {low}")
            } else {
                format!("{value} is not between {low} and {high}")
            };
            Err(ConfigError::new(setter, problem))
        }
        _ => Ok(()),
    }
}

/// Refuses what PostgreSQL cannot store as text.
pub(crate) fn check_text(setter: &str, text: &str) -> Result<(), ConfigError> {
    if text.contains('\0') {
        return Err(ConfigError::new(
            setter,
            "contains a NUL character, which PostgreSQL's text cannot hold",
        ));
    }
    Ok(())
}

/// Refuses a name that is empty, has a NUL, or has more than 63 bytes, which PostgreSQL would cut.
pub(crate) fn check_identifier(setter: &str, identifier: &str) -> Result<(), ConfigError> {
    check_text(setter, identifier)?;
    if identifier.is_empty() {
        return Err(ConfigError::new(setter, "is empty"));
    }
    if identifier.len() > 63 {
        let problem = format!(
            "{identifier:?} has {} bytes, an identifier at most 63",
            identifier.len()
        );
        return Err(ConfigError::new(setter, problem));
    }
    Ok(())
}
