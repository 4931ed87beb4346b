//! `pgai-sea pause` and `pgai-sea resume`.

use std::io::Write as _;

use clap::Args;

use super::CliError;
use super::database::DatabaseArgs;
use super::worker::{name, reference};
use crate::catalog::{self, schedule};

#[derive(Debug, Args)]
pub(super) struct Pause {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The vectorizer, by id or name
    #[arg(value_name = "VECTORIZER", value_parser = name)]
    vectorizer: String,
    /// Print the SQL and run nothing
    #[arg(long)]
    print_sql: bool,
}

impl Pause {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let db = self.database.connect_installed().await?;
        let said = if self.print_sql {
            schedule::sql(&db, reference(&self.vectorizer), schedule::PAUSE).await? + ";"
        } else {
            catalog::pause(&db, reference(&self.vectorizer)).await?;
            format!(
                "{} is paused: changes are queued until `pgai-sea resume`",
                self.vectorizer
            )
        };
        writeln!(std::io::stdout(), "{said}")?;
        Ok(())
    }

    pub(super) async fn resume(self) -> Result<(), CliError> {
        let db = self.database.connect_installed().await?;
        let said = if self.print_sql {
            schedule::sql(&db, reference(&self.vectorizer), schedule::RESUME).await? + ";"
        } else {
            catalog::resume(&db, reference(&self.vectorizer)).await?;
            format!("{} is served again", self.vectorizer)
        };
        writeln!(std::io::stdout(), "{said}")?;
        Ok(())
    }
}
