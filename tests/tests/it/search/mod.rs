//! Searches on real tables: right, full, and with an index.

mod builder;
mod expressions;
mod notes;
mod scan;
