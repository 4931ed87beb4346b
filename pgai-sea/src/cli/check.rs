//! `pgai-sea check`.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::CliError;
use super::database::DatabaseArgs;
use super::status::{one_line, without_controls};
use crate::catalog;
use crate::check;

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    database: DatabaseArgs,
    /// What the application declares, as `pgai_sea::check::declared_json` writes it
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Check {
    /// Fails if it finds something.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let declared = match &self.file {
            Some(file) => Some(std::fs::read_to_string(file).map_err(|error| CliError::File {
                file: file.display().to_string(),
                error,
            })?),
            None => None,
        };
        let db = self.database.connect().await?;
        let damage = catalog::verify(&db).await?;
        let mut found = damage.len();
        let mut out = std::io::stdout().lock();
        for damage in damage {
            if let Some(vectorizer) = damage.vectorizer {
                write!(out, "vectorizer {vectorizer}: ")?;
            }
            writeln!(
                out,
                "{}\n  repair: {}",
                one_line(&damage.message),
                without_controls(&damage.repair)
            )?;
        }
        if let Some(declared) = declared {
            let findings = check::check_declared(&db, &declared).await?;
            found += findings.len();
            for finding in findings {
                writeln!(out, "{finding}")?;
            }
        }
        if found > 0 {
            return Err(CliError::Found(found));
        }
        writeln!(out, "nothing found")?;
        Ok(())
    }
}
