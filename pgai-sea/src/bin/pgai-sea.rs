//! The command `pgai-sea`. See [`pgai_sea::cli`].

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use pgai_sea::cli::Cli;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "where a command says why it failed")]
async fn main() -> ExitCode {
    let Err(error) = Cli::parse().run().await else {
        return ExitCode::SUCCESS;
    };
    let causes = std::iter::successors(Some(&error as &dyn Error), |&error| error.source());
    let message: Vec<String> = causes.map(ToString::to_string).collect();
    eprintln!("pgai-sea: {}", message.join(": "));
    ExitCode::FAILURE
}
