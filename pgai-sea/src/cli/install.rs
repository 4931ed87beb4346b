//! `pgai-sea install`.

use std::io::Write as _;

use clap::Args;

use super::CliError;
use super::database::DatabaseArgs;
use crate::catalog;

#[derive(Debug, Args)]
pub(super) struct Install {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print the SQL that would run, for this database as it is, and run nothing
    #[arg(long)]
    print_sql: bool,
}

impl Install {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let db = self.database.connect().await?;
        if self.print_sql {
            write!(std::io::stdout(), "{}", catalog::script::install(&db).await?)?;
            return Ok(());
        }
        let installed = catalog::install(&db).await?;
        writeln!(std::io::stdout(), "{installed}")?;
        Ok(())
    }
}
