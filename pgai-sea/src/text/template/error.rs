//! Why a template cannot be rendered.

/// A formatting configuration that cannot be used.
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
    #[error("the template names `${name}`, which is no column of the source")]
    Missing {
        /// The name, without its dollar.
        name: String,
    },
    /// An implementation that only other workers know.
    #[error("formatting `{implementation}` is not supported by this worker")]
    Unsupported {
        /// The `implementation` in the configuration.
        implementation: String,
    },
}
