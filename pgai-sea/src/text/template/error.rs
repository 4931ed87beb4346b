//! Why a template cannot be rendered.

/// The template of a vectorizer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A `$` that is followed by neither a name, a name in braces, nor another `$`.
    #[error("invalid placeholder in the template: line {line}, column {column}; write `$$` for a dollar")]
    Invalid {
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
    },
    /// A name that is no column of the source.
    #[error("the template names `${name}`, but the source has no such column")]
    Missing {
        /// The name, without its dollar.
        name: String,
    },
    /// This version does not know the implementation.
    #[error("this worker does not know the formatting `{implementation}`")]
    Unsupported {
        /// The `implementation` in the configuration.
        implementation: String,
    },
}
