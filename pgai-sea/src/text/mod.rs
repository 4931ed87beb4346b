//! From a row's text to the texts that are embedded: chunks by the splitters, formatted by the template.
//!
//! [`Chunking::split`](crate::Chunking::split) and [`PythonTemplate::render`](crate::config::PythonTemplate::render)
//! show what the worker makes of a text. Both give, byte for byte, what pgai's Python worker gives: LangChain's
//! splitters, and Python's `string.Template` with values as Python's `str()` prints them.

#[cfg_attr(
    not(any(feature = "documents", feature = "worker")),
    expect(dead_code, reason = "where chunks are is told of documents, and by workers")
)]
mod headings;
mod python;
mod split;
mod template;

pub use self::headings::Heading;
#[cfg(any(feature = "documents", feature = "worker"))]
pub(crate) use self::headings::Headings;
#[cfg(feature = "worker")]
pub(crate) use self::python::PythonType;
#[cfg(feature = "worker")]
pub(crate) use self::split::Splitter;
pub use self::split::{SplitError, TextChunk};
#[cfg(feature = "worker")]
pub(crate) use self::template::Template;
pub use self::template::TemplateError;
