//! The one server of a test process.

use std::error::Error;
use std::io::{Write, stderr};
use std::sync::OnceLock;

use real_parts::Postgres;

/// The server, started at the first call. A test without one fails, it is not skipped.
pub fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        // past the capture of tests' output: a download should not look like a hang
        real_parts::on_progress(|progress| {
            let _ = writeln!(stderr(), "{progress}"); // nobody to tell if even that fails
        });
        Postgres::start().unwrap_or_else(|error| panic!("no PostgreSQL to test on: {}", chain(&error)))
    })
}

/// An error and everything that led to it.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
