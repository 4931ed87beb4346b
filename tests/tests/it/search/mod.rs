//! Searches on real tables: right, full, and with an index.

mod builder;
mod edges;
mod embed;
mod expressions;
mod grouped;
mod indexes;
mod items;
mod library;
mod like;
mod measured;
mod notes;
mod pages;
mod partial;
mod quantized;
mod random;
mod ranking;
mod scan;
mod settings;
mod short;
mod types;
