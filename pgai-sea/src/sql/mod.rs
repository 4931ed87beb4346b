//! The one place that quotes identifiers and renders literals and `name => value` calls. Other modules hand over plain
//! strings and never write a quote character into SQL.

mod call;
mod quote;
mod table;

pub(crate) use self::call::{Arg, Call};
#[cfg(feature = "migration")]
pub(crate) use self::quote::relation_text;
pub use self::quote::{qualified, quote_identifier, quote_literal};
pub(crate) use self::table::table_name;
