//! `pgai-sea failed`.

use std::io::Write as _;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::CliError;
use super::database::DatabaseArgs;
use super::status::{moment, one_line};
use super::worker::reference;
use crate::catalog::{self, FailedRow, Vectorizer};
use crate::pooled::Pooled;

#[derive(Debug, Args)]
pub(super) struct Failed {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List rows that were given up, with their last reason
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many of each vectorizer, the latest first
        #[arg(long, value_name = "ROWS", default_value_t = 100)]
        limit: u64,
        /// Print a JSON object per row
        #[arg(long)]
        json: bool,
    },
    /// Queue them again, with all attempts before them
    Retry {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Only of this vectorizer, by id or name; may be given several times. By default all
    #[arg(short = 'i', long = "vectorizer", visible_alias = "vectorizer-id", value_name = "ID")]
    vectorizers: Vec<String>,
}

/// A row as JSON.
#[derive(Debug, Serialize)]
struct Line<'l> {
    vectorizer: &'l str,
    #[serde(flatten)]
    row: &'l FailedRow,
}

impl Failed {
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            Action::List { which, limit, json } => {
                let (db, vectorizers) = which.vectorizers().await?;
                list(&db, &vectorizers, limit, json).await
            }
            Action::Retry { which } => {
                let (db, vectorizers) = which.vectorizers().await?;
                for vectorizer in &vectorizers {
                    let rows = catalog::retry_failed(&db, vectorizer).await?;
                    if rows > 0 || !which.vectorizers.is_empty() {
                        writeln!(std::io::stdout(), "{}: {rows} rows queued again", vectorizer.name)?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl Which {
    async fn vectorizers(&self) -> Result<(Pooled, Vec<Vectorizer>), CliError> {
        let db = self.database.connect_installed().await?;
        let mut vectorizers = Vec::new();
        for wanted in &self.vectorizers {
            vectorizers.push(catalog::vectorizer(&db, reference(wanted)).await?);
        }
        if self.vectorizers.is_empty() {
            vectorizers = catalog::vectorizers(&db).await?;
        }
        Ok((db, vectorizers))
    }
}

async fn list(db: &Pooled, vectorizers: &[Vectorizer], limit: u64, json: bool) -> Result<(), CliError> {
    let mut is_empty = true;
    for vectorizer in vectorizers {
        let rows = catalog::failed(db, vectorizer, limit).await?;
        let mut out = std::io::stdout().lock();
        for row in &rows {
            is_empty = false;
            if json {
                let vectorizer = &vectorizer.name;
                serde_json::to_writer(&mut out, &Line { vectorizer, row }).map_err(std::io::Error::from)?;
                writeln!(out)?;
            } else {
                writeln!(out, "{}", line(&vectorizer.name, row))?;
            }
        }
    }
    if is_empty && !json {
        writeln!(std::io::stdout(), "no row was given up")?;
    }
    Ok(())
}

/// `posts  id=7  embedding failed 2025-01-01 12:00:00 UTC: openai refuses the input ..`
fn line(vectorizer: &str, row: &FailedRow) -> String {
    let reason = row.reason.as_deref().unwrap_or("no reason was recorded");
    format!(
        "{vectorizer}  {}  {} failed {}: {}",
        key(&row.key),
        row.step,
        moment(row.failed_at),
        one_line(reason),
    )
}

/// `id=7`, or `tenant=1 id=7`.
pub(super) fn key(key: &serde_json::Map<String, serde_json::Value>) -> String {
    let columns = key.iter().map(|(name, value)| match value.as_str() {
        Some(value) => format!("{name}={value}"),
        None => format!("{name}={value}"),
    });
    columns.collect::<Vec<_>>().join(" ")
}
