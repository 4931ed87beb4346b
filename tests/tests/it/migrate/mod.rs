//! Vectorizers in migrations, run by SeaORM's migrator and by its command.

mod eighteen;
mod fresh;
mod outside;
mod release;
mod schedule;
mod sea_orm_cli;
mod transactions;
