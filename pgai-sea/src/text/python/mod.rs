//! Python, as far as chunks and templates need it: regular expressions, `str()` and `repr()`.

mod regex;
mod regex_class;
mod regex_syntax;

// what a column's value is to Python: the worker alone has values
#[cfg(feature = "worker")]
mod json;
#[cfg(feature = "worker")]
mod number;
#[cfg(feature = "worker")]
mod repr;
#[cfg(feature = "worker")]
mod str;
#[cfg(feature = "worker")]
mod time;

#[cfg(all(test, feature = "worker"))]
mod tests;

pub(super) use self::regex::{PythonRegex, RegexError};
#[cfg(feature = "worker")]
pub(crate) use self::str::PythonType;
