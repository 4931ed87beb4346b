//! `pgai-sea managed-tables`.

use std::collections::BTreeSet;
use std::io::Write as _;

use clap::Args;

use super::CliError;
use super::database::DatabaseArgs;
use crate::catalog::{self, Vectorizer};
use crate::config::Destination;

/// What `--ignore-tables` ignores where it is not given.
const SEA_ORM_MIGRATIONS: &str = "seaql_migrations";

#[derive(Debug, Args)]
pub(super) struct ManagedTables {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The schema that entities are generated for
    #[arg(
        short = 's',
        long,
        value_name = "SCHEMA",
        env = "DATABASE_SCHEMA",
        default_value = "public"
    )]
    database_schema: String,
}

impl ManagedTables {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let db = self.database.connect().await?;
        let vectorizers = if catalog::has_catalog(&db).await? {
            catalog::vectorizers(&db).await?
        } else {
            Vec::new() // nothing is managed, and a script goes on
        };
        writeln!(std::io::stdout(), "{}", ignored(&vectorizers, &self.database_schema))?;
        Ok(())
    }
}

/// The tables and views in `schema` that vectorizers made, separated by commas, after SeaORM's own table.
fn ignored(vectorizers: &[Vectorizer], schema: &str) -> String {
    let mut managed = BTreeSet::new();
    let mut add = |of: Option<&str>, name: Option<&str>| {
        if of == Some(schema) {
            managed.extend(name.map(str::to_owned));
        }
    };
    for vectorizer in vectorizers {
        if let Destination::Table(table) = &vectorizer.config.destination {
            add(table.target_schema.as_deref(), table.target_table.as_deref());
            add(table.view_schema.as_deref(), table.view_name.as_deref());
            for partition in 0..table.partitions.unwrap_or_default() {
                // as ai._vectorizer_create_partitions names it
                let name = format!("_vectorizer_store_{}_{partition}", vectorizer.id);
                add(table.target_schema.as_deref(), Some(&name));
            }
        }
        for queue in [&vectorizer.queue_table, &vectorizer.queue_failed_table] {
            add(vectorizer.queue_schema.as_deref(), queue.as_deref());
        }
    }
    let names: Vec<_> = std::iter::once(SEA_ORM_MIGRATIONS.to_owned()).chain(managed).collect();
    names.join(",")
}
