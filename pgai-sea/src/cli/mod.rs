//! The command `pgai-sea`: installs the `ai` schema, runs the worker, says what is pending.

mod address;
mod allowance;
mod backfill;
mod bar;
mod change;
mod check;
mod database;
#[cfg(feature = "documents")]
mod documents;
mod embedders;
mod error;
mod errors;
mod evaluate;
mod failed;
mod install;
mod listen;
mod local_model;
mod managed_tables;
mod pause;
#[cfg(feature = "documents")]
mod preview;
mod redact;
mod requeue;
mod retry;
mod status;
#[cfg(feature = "documents")]
mod sync_prefix;
mod uninstall;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::error::CliError;

/// The whole program: reads the arguments, carries out the command, and says on standard error why it failed.
#[expect(clippy::print_stderr, reason = "where a command says why it failed")]
pub fn main() -> ExitCode {
    // before there is a runtime: its threads take memory of a child that has little
    #[cfg(feature = "documents")]
    if let Some(code) = crate::document::run_child() {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return address::usage(&error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = runtime
        .map_err(CliError::from)
        .and_then(|runtime| runtime.block_on(cli.run()));
    let Err(error) = ended else {
        return ExitCode::SUCCESS;
    };
    eprintln!(
        "pgai-sea: {}",
        status::without_controls(&redact::redacted(&error.to_string()))
    );
    ExitCode::FAILURE
}

/// Vectorizers for PostgreSQL: keeps embeddings in sync with the text they are made of.
#[derive(Debug, Parser)]
#[command(name = "pgai-sea", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install the `ai` schema, or bring an older one up to date; pgai's own is left as it is.
    Install(install::Install),
    /// Remove the `ai` schema. Refuses while vectorizers exist, unless told to drop them.
    Uninstall(uninstall::Uninstall),
    /// Look for what is broken in the database, and compare it with what an application declares. Exits with 1 if it
    /// finds something.
    Check(check::Check),
    /// Embed what is queued, and keep on.
    Worker(worker::WorkerCommand),
    /// List the rows that were given up, or queue them again.
    Failed(failed::Failed),
    /// Show the vectorizers: their state, what is queued, and what to do. Exits with 1 if one is failing or unreadable.
    Status(status::Status),
    /// List the errors that workers have recorded, and what to do.
    Errors(errors::Errors),
    /// Make workers skip a vectorizer; changes are still queued.
    Pause(pause::Pause),
    /// Let workers serve a vectorizer again.
    Resume(pause::Pause),
    /// Try again now what has failed: rows that were given up, and rows that wait for their next attempt.
    Retry(retry::Retry),
    /// Queue rows again, whose documents have changed for example. Chunks whose text is the same keep their vectors.
    Requeue(requeue::Requeue),
    /// Embed the rows that were there before their vectorizer, or before its change, through OpenAI's batch interface:
    /// half the price, within a day. Started again after it was killed, it goes on where it was.
    Backfill(backfill::BackfillCommand),
    /// Change the model, the chunking or the template of a vectorizer in use, step by step.
    Change(change::ChangeCommand),
    /// Ask questions with known answers, and say how well the vectorizer's rows answer them.
    Evaluate(evaluate::Evaluate),
    /// Show the text of a document, and the chunks that a worker would make of it.
    #[cfg(feature = "documents")]
    Preview(preview::Preview),
    /// Write the addresses of the documents in a folder or bucket into a table, a row for each.
    #[cfg(feature = "documents")]
    SyncPrefix(sync_prefix::SyncPrefixCommand),
    /// Print the tables that vectorizers manage, as `sea-orm-cli generate entity --ignore-tables` takes them.
    ManagedTables(managed_tables::ManagedTables),
}

impl Cli {
    async fn run(self) -> Result<(), CliError> {
        match self.command {
            Command::Install(install) => install.run().await,
            Command::Uninstall(uninstall) => uninstall.run().await,
            Command::Check(check) => check.run().await,
            Command::Worker(worker) => worker.run().await,
            Command::Failed(failed) => failed.run().await,
            Command::Status(status) => status.run().await,
            Command::Errors(errors) => errors.run().await,
            Command::Pause(pause) => pause.run().await,
            Command::Resume(resume) => resume.resume().await,
            Command::Retry(retry) => retry.run().await,
            Command::Requeue(requeue) => requeue.run().await,
            Command::Backfill(backfill) => Box::pin(backfill.run()).await,
            Command::Change(change) => Box::pin(change.run()).await,
            Command::Evaluate(evaluate) => evaluate.run().await,
            #[cfg(feature = "documents")]
            Command::Preview(preview) => preview.run().await,
            #[cfg(feature = "documents")]
            Command::SyncPrefix(sync) => sync.run().await,
            Command::ManagedTables(managed_tables) => managed_tables.run().await,
        }
    }
}
