//! A model is changed like a column.

mod searching;
mod steps;
mod support;
