//! `pgai-sea errors`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use clap::Args;

use super::CliError;
use super::database::DatabaseArgs;
use super::failed::key;
use super::status::{moment, one_line};
use super::worker::{duration, name, reference};
use crate::catalog::{self, RecordedError};

#[derive(Debug, Args)]
pub(super) struct Errors {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Only of this vectorizer, by id or name. By default of all
    #[arg(value_name = "VECTORIZER", value_parser = name)]
    vectorizer: Option<String>,
    /// Only of the last 30m, 24h, 7days, by the server's clock
    #[arg(long, value_name = "TIME", value_parser = duration)]
    since: Option<Duration>,
    /// At most so many, the latest first
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    /// Print a JSON object per error
    #[arg(long)]
    json: bool,
}

impl Errors {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let db = self.database.connect_installed().await?;
        let vectorizer = self.vectorizer.as_deref().map(reference);
        let errors = catalog::errors(&db, vectorizer, self.since, self.limit).await?;
        let mut out = std::io::stdout().lock();
        if self.json {
            for error in &errors {
                serde_json::to_writer(&mut out, error).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
            return Ok(());
        }
        for error in &errors {
            writeln!(out, "{}", line(error))?;
        }
        if errors.is_empty() {
            writeln!(out, "no errors")?;
        }
        let kinds: BTreeSet<_> = errors.iter().map(|error| (&error.message, error.advice)).collect();
        for (message, advice) in kinds {
            writeln!(out, "\n{}: what to do\n  {advice}", one_line(message))?;
        }
        Ok(())
    }
}

/// `2025-01-01 12:00:00 UTC  posts  id=7  embedding failed, attempt 2: openai refuses the input ..`
fn line(error: &RecordedError) -> String {
    let mut line = format!("{}  {}  ", moment(error.recorded), error.vectorizer);
    if let Some(row) = &error.key {
        line += &format!("{}  ", key(row));
    }
    line += &one_line(&error.message);
    if let Some(attempt) = error.attempt {
        line += &format!(", attempt {attempt}");
    }
    if let Some(reason) = &error.reason {
        line += &format!(": {}", one_line(reason));
    }
    line
}
