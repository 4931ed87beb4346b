//! A PostgreSQL with pgvector to try things on: prints its address, and runs until ctrl-c.
//!
//! With a path as argument its data directory is kept there.

#![allow(clippy::print_stdout, clippy::print_stderr)] // it talks to a person

use std::error::Error;
use std::process::ExitCode;
use std::thread;

use real_parts::Postgres;

fn main() -> ExitCode {
    real_parts::on_progress(|progress| eprintln!("{progress}"));
    let postgres = match std::env::args_os().nth(1) {
        Some(dir) => Postgres::with_data_dir(dir),
        None => Postgres::start(),
    };
    match postgres {
        Ok(postgres) => {
            println!("{}", postgres.url());
            loop {
                thread::park(); // until a signal ends this process, and with it the server
            }
        }
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}
