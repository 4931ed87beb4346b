//! `pgai-sea retry`.

use std::io::Write as _;

use clap::Args;
use serde_json::{Map, Value};

use super::CliError;
use super::database::DatabaseArgs;
use super::worker::{name, reference};
use crate::catalog::{self, KeyColumn, Retried};

#[derive(Debug, Args)]
pub(super) struct Retry {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The vectorizer, by id or name
    #[arg(value_name = "VECTORIZER", value_parser = name)]
    vectorizer: String,
    /// Only the row with this key; may be given several times. A key of several columns is a JSON object, as `failed
    /// list --json` prints it: {"tenant": 1, "id": 7}
    #[arg(short, long = "key", value_name = "KEY")]
    keys: Vec<String>,
}

impl Retry {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let db = self.database.connect_installed().await?;
        let vectorizer = catalog::vectorizer(&db, reference(&self.vectorizer)).await?;
        let mut retried = Retried::default();
        if self.keys.is_empty() {
            retried = catalog::retry(&db, &vectorizer, &[]).await?;
        }
        let mut missing = None;
        for text in &self.keys {
            let key = key(text, &vectorizer.source_pk);
            let one = catalog::retry(&db, &vectorizer, &[key]).await?;
            if one == Retried::default() {
                missing = missing.or(Some(text.clone()));
            }
            retried.given_up += one.given_up;
            retried.waiting += one.waiting;
        }
        writeln!(
            std::io::stdout(),
            "{}: {} rows that were given up are queued again, {} that waited for their next attempt are due now",
            vectorizer.name,
            retried.given_up,
            retried.waiting
        )?;
        match missing {
            Some(key) => Err(CliError::NothingFailed {
                vectorizer: vectorizer.name,
                key,
            }),
            None => Ok(()),
        }
    }
}

/// An object with the key's columns, or else the value of its one column, which may look like anything.
pub(super) fn key(text: &str, columns: &[KeyColumn]) -> Map<String, Value> {
    match serde_json::from_str(text) {
        Ok(Value::Object(key)) if columns.iter().all(|column| key.contains_key(&column.attname)) => key,
        _ => columns
            .iter()
            .take(1)
            .map(|column| (column.attname.clone(), text.into()))
            .collect(),
    }
}
