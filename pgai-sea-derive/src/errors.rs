//! Every mistake of an entity in one go, rather than one per compilation.

use std::fmt::Display;

use proc_macro2::TokenStream;
use syn::Error;

/// The errors found so far.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        self.0.push(error);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Keeps the error, if it is one, and gives the value otherwise.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// `compile_error!` for each, or nothing when all is well.
    pub(crate) fn into_compile_errors(self) -> Option<TokenStream> {
        (!self.0.is_empty()).then(|| self.0.iter().map(Error::to_compile_error).collect())
    }
}

/// `a`, `b` and `c`, for a message.
pub(crate) fn quoted<T: Display>(names: &[T]) -> String {
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        let separator = match index {
            0 => "",
            _ if index + 1 == names.len() => " and ",
            _ => ", ",
        };
        text = format!("{text}{separator}`{name}`");
    }
    text
}
