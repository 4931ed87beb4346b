//! Companion entities on real tables: what the ORM brings is what SQL says is there.

mod blog;
mod columns;
mod keys;
mod loaders;
mod relations;
mod schema_sync;
