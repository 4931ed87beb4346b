//! Companion entities on real tables: what the ORM brings is what SQL says is there.

mod bits;
mod blog;
mod checked;
mod column;
mod columns;
mod declared;
mod documents;
mod halved;
mod keys;
mod loaders;
mod long_names;
mod names;
mod references;
mod relations;
mod schema_sync;
