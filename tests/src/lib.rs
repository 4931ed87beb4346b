//! The harness of the integration tests: real databases and providers' real HTTP APIs.
//!
//! A test names the catalogs that it runs on and gets a database of its own:
//!
//! ```no_run
//! # async fn example() {
//! use pgai_sea_tests::on_both_catalogs;
//!
//! on_both_catalogs(async |test| {
//!     test.execute("create table notes (id int primary key, body text)").await?;
//!     assert_eq!(test.value::<i64>("select count(*) from notes").await?, 0);
//!     Ok(())
//! })
//! .await;
//! # }
//! ```

#![allow(clippy::missing_panics_doc)] // panicking is how a harness says that something is wrong

mod catalog;
pub mod corpus;
mod database;
mod own_server;
#[cfg(unix)]
mod pooler;
pub mod providers;
mod random;
mod run;
mod server;
mod snapshot;
mod template;

pub use self::catalog::Catalog;
pub use self::database::TestDatabase;
pub use self::own_server::{OwnServer, measure_on_own_server, on_own_server, on_own_servers};
#[cfg(unix)]
pub use self::pooler::Pooler;
pub use self::random::{Random, rounds, seed};
pub use self::run::{TestResult, measure_on, on_both_catalogs, on_catalog, on_version};
pub use self::server::server;
pub use self::snapshot::Snapshot;
pub use real_parts::Version;
