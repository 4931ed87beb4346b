//! A model is changed like a column.

mod deployed;
mod halved;
mod killed;
mod partitioned;
mod planned;
mod programs;
mod searching;
mod spared;
mod steps;
mod support;
mod vacuumed;
