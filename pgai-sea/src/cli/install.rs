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
}

impl Install {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let db = self.database.connect(1).await?;
        let installed = catalog::install(&db).await?;
        writeln!(std::io::stdout(), "{installed}")?;
        Ok(())
    }
}
