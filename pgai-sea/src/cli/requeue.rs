//! `pgai-sea requeue`.

use std::io::Write as _;

use clap::Args;

use super::CliError;
use super::database::DatabaseArgs;
use super::retry::key;
use super::worker::{name, reference};
use crate::catalog;

#[derive(Debug, Args)]
pub(super) struct Requeue {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The vectorizer, by id or name
    #[arg(value_name = "VECTORIZER", value_parser = name)]
    vectorizer: String,
    /// The row with this key; may be given several times. A key of several columns is a JSON object: {"tenant": 1,
    /// "id": 7}
    #[arg(short, long = "key", value_name = "KEY", required_unless_present = "all")]
    keys: Vec<String>,
    /// All rows
    #[arg(long, conflicts_with = "keys")]
    all: bool,
}

impl Requeue {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let db = self.database.connect_installed().await?;
        let vectorizer = catalog::vectorizer(&db, reference(&self.vectorizer)).await?;
        let queued = if self.all {
            catalog::requeue_all(&db, &vectorizer).await?
        } else {
            let keys = self.keys.iter().map(|text| key(text, &vectorizer.source_pk));
            catalog::requeue(&db, &vectorizer, &keys.collect::<Vec<_>>()).await?
        };
        writeln!(std::io::stdout(), "{}: {queued} rows are queued", vectorizer.name)?;
        Ok(())
    }
}
