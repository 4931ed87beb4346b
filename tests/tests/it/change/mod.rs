//! A model is changed like a column.

mod deployed;
mod searching;
mod steps;
mod support;
