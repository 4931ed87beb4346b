//! Entities that the derive accepts, and what their companions are; compiled as strictly as a user may.
#![deny(warnings, missing_docs, unreachable_pub, clippy::pedantic)]

pub mod api;
pub mod compact;
pub mod declared;
pub mod dense;
mod keys;
mod names;

use sea_orm::{DbBackend, QueryTrait};

fn sql(query: &impl QueryTrait) -> String {
    query.build(DbBackend::Postgres).to_string()
}
