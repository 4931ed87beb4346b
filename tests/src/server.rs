//! The servers of a test process: one, and one more for tests that name a version.

use std::error::Error;
use std::io::{Write, stderr};
use std::sync::OnceLock;

use real_parts::{Postgres, Version};

/// The server, started at the first call. A test without one fails, it is not skipped.
pub fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| start(Postgres::start))
}

/// A server of this version, started at the first call.
///
/// The server in `DATABASE_URL` is of one version: a test of another fails there and says so.
pub(crate) fn server_of(version: Version) -> &'static Postgres {
    static V16: OnceLock<Postgres> = OnceLock::new();
    static V18: OnceLock<Postgres> = OnceLock::new();
    let server = match version {
        Version::V16 => &V16,
        _ => &V18,
    };
    server.get_or_init(|| start(|| Postgres::start_version(version)))
}

fn start(start: impl FnOnce() -> Result<Postgres, real_parts::Error>) -> Postgres {
    // past the capture of tests' output: a download should not look like a hang
    real_parts::on_progress(|progress| {
        let _ = writeln!(stderr(), "{progress}"); // nobody to tell if even that fails
    });
    start().unwrap_or_else(|error| panic!("no PostgreSQL to test on: {}", chain(&error)))
}

/// An error and everything that led to it.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
