//! `pgai-sea failed`.

use std::io::Write as _;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::CliError;
use super::database::DatabaseArgs;
use super::redact::redacted;
use super::status::{moment, one_line, printable, without_controls};
use super::worker::reference;
use crate::catalog::{self, CatalogError, FailedRow, Vectorizer};
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
                list(&db, vectorizers, limit, json).await
            }
            Action::Retry { which } => {
                let (db, vectorizers) = which.vectorizers().await?;
                let mut failing = Vec::new();
                for (name, vectorizer) in vectorizers {
                    let retried = match vectorizer {
                        Ok(vectorizer) => catalog::retry_failed(&db, &vectorizer).await,
                        Err(error) => Err(error),
                    };
                    match retried {
                        Ok(0) if which.vectorizers.is_empty() => {}
                        Ok(rows) => writeln!(std::io::stdout(), "{name}: {rows} rows queued again")?,
                        Err(error) => failing.push(told(&name, &error)?),
                    }
                }
                all_well(failing)
            }
        }
    }
}

impl Which {
    /// Their names, and what they are if that can be read.
    async fn vectorizers(&self) -> Result<(Pooled, Vec<Named>), CliError> {
        let db = self.database.connect_installed().await?;
        let mut vectorizers: Vec<Named> = Vec::new();
        for wanted in &self.vectorizers {
            let vectorizer = catalog::vectorizer(&db, reference(wanted)).await?;
            vectorizers.push((vectorizer.name.clone(), Ok(vectorizer)));
        }
        if self.vectorizers.is_empty() {
            let rows = catalog::rows(&db).await?.into_iter();
            vectorizers.extend(rows.map(|row| (row.name.clone(), Vectorizer::try_from(row))));
        }
        Ok((db, vectorizers))
    }
}

type Named = (String, Result<Vectorizer, CatalogError>);

/// Says why nothing is done with a vectorizer. The others come first.
fn told(name: &str, error: &CatalogError) -> std::io::Result<String> {
    let error = without_controls(&redacted(&error.to_string()));
    writeln!(std::io::stderr(), "{name}: {error}")?;
    Ok(format!("{name} cannot be read"))
}

fn all_well(failing: Vec<String>) -> Result<(), CliError> {
    if failing.is_empty() {
        return Ok(());
    }
    Err(CliError::Failing { vectorizers: failing })
}

async fn list(db: &Pooled, vectorizers: Vec<Named>, limit: u64, json: bool) -> Result<(), CliError> {
    let mut is_empty = true;
    let mut failing = Vec::new();
    for (name, vectorizer) in vectorizers {
        let rows = match vectorizer {
            Ok(vectorizer) => catalog::failed(db, &vectorizer, limit).await,
            Err(error) => Err(error),
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                failing.push(told(&name, &error)?);
                continue;
            }
        };
        let mut out = std::io::stdout().lock();
        for row in &rows {
            is_empty = false;
            if json {
                let vectorizer = &name;
                serde_json::to_writer(&mut out, &Line { vectorizer, row }).map_err(std::io::Error::from)?;
                writeln!(out)?;
            } else {
                writeln!(out, "{}", line(&name, row))?;
            }
        }
    }
    if is_empty && failing.is_empty() && !json {
        writeln!(std::io::stdout(), "no row was given up")?;
    }
    all_well(failing)
}

/// `posts  id=7  embedding failed 2025-01-01 12:00:00 UTC: openai refuses the input ..`
fn line(vectorizer: &str, row: &FailedRow) -> String {
    let reason = row.reason.as_deref().unwrap_or("no reason was recorded");
    format!(
        "{vectorizer}  {}  {} failed {}: {}",
        key(&row.key),
        printable(&row.step),
        moment(row.failed_at),
        one_line(reason),
    )
}

/// `id=7`, or `tenant=1 id=7`.
pub(super) fn key(key: &serde_json::Map<String, serde_json::Value>) -> String {
    let columns = key.iter().map(|(name, value)| match value.as_str() {
        Some(value) => format!("{}={}", printable(name), printable(value)),
        None => format!("{}={}", printable(name), printable(&value.to_string())),
    });
    columns.collect::<Vec<_>>().join(" ")
}
