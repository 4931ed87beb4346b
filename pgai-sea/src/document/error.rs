//! Why a document has no text.

use std::fmt::Display;

/// Why a document has no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// What is no address.
    #[error("`{address}` is not the address of a document: {reason}")]
    Address {
        /// As it is in the column, without user and query.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An address that the operator did not allow.
    #[error("`{address}` is not loaded: {reason}")]
    NotAllowed {
        /// Without user and query.
        address: String,
        /// Which rule forbids it, and how to allow it.
        reason: String,
    },
    /// There is nothing at the address.
    #[error("there is no document at `{address}`")]
    Missing {
        /// Without user and query.
        address: String,
    },
    /// The document could not be loaded. The next attempt may succeed.
    #[error("`{address}` could not be loaded: {reason}")]
    Load {
        /// Without user and query.
        address: String,
        /// What the system or the server says.
        reason: String,
    },
    /// The document is too large.
    #[error("the document has more than {most} bytes: raise the limit (`Documents::most_bytes`, `--document-bytes`)")]
    TooLarge {
        /// The most bytes.
        most: u64,
    },
    /// The document is not understood. Another attempt on the same bytes would end in the same way.
    #[error("{reason}")]
    Parse {
        /// What is wrong with it.
        reason: String,
    },
    /// The parser cannot be started. It is no document's fault.
    #[error("the process that parses documents cannot be started: {reason}")]
    Parser {
        /// What the system says.
        reason: String,
    },
}

impl DocumentError {
    pub(crate) fn load(address: &str, reason: impl Display) -> Self {
        let (address, reason) = (address.to_owned(), reason.to_string());
        Self::Load { address, reason }
    }

    pub(crate) fn parse(reason: impl Display) -> Self {
        let reason = reason.to_string();
        Self::Parse { reason }
    }
}
