//! Python, as far as chunks and templates need it: regular expressions, `str()` and `repr()`.

mod regex;
mod regex_class;
mod regex_syntax;

mod json;
mod number;
mod repr;
mod str;
mod time;

#[cfg(test)]
mod tests;

pub(super) use self::regex::{PythonRegex, RegexError};
pub(crate) use self::str::PythonType;
