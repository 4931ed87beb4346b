//! `pgai-sea uninstall`.

use std::io::Write as _;

use clap::Args;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

use super::CliError;
use super::database::DatabaseArgs;
use crate::catalog::{self, CatalogError, Vectorizer, script};
use crate::config::Destination;
use crate::sql::qualified;

#[derive(Debug, Args)]
pub(super) struct Uninstall {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Drop the vectorizers too, with their tables of embeddings. Columns that hold embeddings stay
    #[arg(long)]
    drop_vectorizers: bool,
    /// Print the SQL and run nothing
    #[arg(long)]
    print_sql: bool,
}

impl Uninstall {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let db = self.database.connect_installed().await?;
        let transaction = db.begin().await?;
        let vectorizers = catalog::vectorizers(&transaction).await?;
        if !vectorizers.is_empty() && !self.drop_vectorizers {
            let vectorizers = vectorizers.into_iter().map(|vectorizer| vectorizer.name).collect();
            return Err(CatalogError::InUse { vectorizers }.into());
        }
        let drop = |vectorizer: &Vectorizer| format!("SELECT ai.drop_vectorizer({}, drop_all => true)", vectorizer.id);
        let drops: Vec<String> = vectorizers.iter().map(drop).collect();
        let mut out = std::io::stdout().lock();
        if self.print_sql {
            write!(out, "{}", script::uninstall(&transaction, &drops).await?)?;
            transaction.rollback().await?;
            return Ok(());
        }
        for drop in drops {
            transaction.execute_unprepared(&drop).await?;
        }
        catalog::uninstall(&transaction).await?;
        transaction.commit().await?;
        for vectorizer in &vectorizers {
            writeln!(out, "dropped vectorizer {}{}", vectorizer.name, embeddings(vectorizer))?;
        }
        writeln!(
            out,
            "removed the schema ai. The extension vector and the source tables stay"
        )?;
        Ok(())
    }
}

/// What became of its embeddings.
fn embeddings(vectorizer: &Vectorizer) -> String {
    match &vectorizer.config.destination {
        Destination::Table(table) => match (&table.target_schema, &table.target_table) {
            (Some(schema), Some(table)) => format!(" with its table {}", qualified(schema, table)),
            _ => String::new(),
        },
        Destination::Column(column) => format!("; its column {} stays", column.embedding_column),
        Destination::Other(_) => String::new(),
    }
}
