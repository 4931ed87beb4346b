//! `pgai-sea sync-prefix`.

use std::io::Write as _;

use clap::Args;

use super::CliError;
use super::database::DatabaseArgs;
use crate::document::{Documents, SyncPrefix};
use crate::sql::{qualified, quote_identifier};

#[derive(Debug, Args)]
pub(super) struct SyncPrefixCommand {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The folder or bucket: /srv/manuals/, s3://bucket/manuals/, gs://bucket/ or az://container/
    #[arg(value_name = "PREFIX")]
    prefix: String,
    /// The table with a row for each document, which may be schema.table. Its other columns need defaults
    #[arg(value_name = "TABLE")]
    table: String,
    /// The column of addresses
    #[arg(value_name = "COLUMN")]
    column: String,
    /// Delete rows whose documents are gone
    #[arg(long)]
    remove_missing: bool,
}

impl SyncPrefixCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let db = self.database.connect().await?;
        // whoever runs the command says what is listed; nothing is loaded
        let (prefix, documents) = if self.prefix.contains("://") {
            let documents = Documents::in_process().allow_prefix(&self.prefix);
            (self.prefix, documents)
        } else {
            // a worker may be started elsewhere
            let folder = std::path::absolute(&self.prefix)?;
            let documents = Documents::in_process().allow_path(&folder);
            (folder.display().to_string(), documents)
        };
        let table = match self.table.split_once('.') {
            Some((schema, table)) => qualified(schema, table),
            None => quote_identifier(&self.table),
        };
        let mut sync = SyncPrefix::new(prefix);
        if self.remove_missing {
            sync = sync.remove_missing();
        }
        let synced = sync.run_on(&db, &documents, &table, &self.column).await?;
        writeln!(
            std::io::stdout(),
            "{} documents: {} rows inserted, {} deleted",
            synced.found,
            synced.inserted,
            synced.deleted
        )?;
        Ok(())
    }
}
