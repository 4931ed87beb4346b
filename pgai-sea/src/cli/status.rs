//! `pgai-sea status`.

use std::io::Write as _;

use clap::Args;
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};
use serde::Serialize;

use super::CliError;
use super::database::DatabaseArgs;
use crate::catalog::{self, entities::vectorizer_status};

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print a JSON object per vectorizer
    #[arg(long)]
    json: bool,
}

/// A line of the answer.
#[derive(Debug, Serialize)]
struct Line {
    id: i32,
    name: String,
    source: String,
    embeddings: String,
    /// Rows that wait for the worker; none for who may not read the queue, [`i64::MAX`] for more than are worth counting.
    pending: Option<i64>,
    /// Rows that were given up.
    failed: Option<i64>,
    disabled: bool,
}

impl Status {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let db = self.database.connect(1).await?;
        if !catalog::has_catalog(&db).await? {
            return Err(CliError::NotInstalled);
        }
        let lines = lines(&db).await?;
        let mut out = std::io::stdout().lock();
        if self.json {
            for line in &lines {
                serde_json::to_writer(&mut out, line).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        } else if lines.is_empty() {
            writeln!(out, "no vectorizers: create one in a migration")?;
        } else {
            write!(out, "{}", table(&lines))?;
        }
        Ok(())
    }
}

async fn lines(db: &DatabaseConnection) -> Result<Vec<Line>, CliError> {
    let vectorizers = catalog::vectorizers(db).await?;
    let mut lines = Vec::new();
    for status in vectorizer_status::Entity::find()
        .order_by_asc(vectorizer_status::Column::Id)
        .all(db)
        .await?
    {
        let failed = match vectorizers.iter().find(|vectorizer| vectorizer.id == status.id) {
            Some(vectorizer) => catalog::failed_count(db, vectorizer).await?,
            None => None,
        };
        lines.push(Line {
            embeddings: status
                .target_table
                .unwrap_or_else(|| format!("{}.{}", status.source_table, status.embedding_column)),
            id: status.id,
            name: status.name,
            source: status.source_table,
            pending: status.pending_items,
            failed,
            disabled: status.disabled,
        });
    }
    Ok(lines)
}

/// Aligned columns under headings.
fn table(lines: &[Line]) -> String {
    let count = |count: Option<i64>| match count {
        None => "no access".to_owned(),
        Some(i64::MAX) => "over 10000".to_owned(),
        Some(count) => count.to_string(),
    };
    let mut rows = vec![["ID", "VECTORIZER", "SOURCE", "EMBEDDINGS", "PENDING", "FAILED", "STATE"].map(str::to_owned)];
    rows.extend(lines.iter().map(|line| {
        let state = match (line.disabled, line.pending) {
            (true, _) => "disabled",
            (false, Some(0)) => "in sync",
            (false, _) => "pending",
        };
        [
            line.id.to_string(),
            line.name.clone(),
            line.source.clone(),
            line.embeddings.clone(),
            count(line.pending),
            count(line.failed),
            state.to_owned(),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut table = String::new();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        table.push_str(cells.join("  ").trim_end());
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let line = Line {
            id: 7,
            name: "posts".into(),
            source: "public.posts".into(),
            embeddings: "public.posts_embedding_store".into(),
            pending: Some(i64::MAX),
            failed: Some(2),
            disabled: false,
        };
        assert_eq!(
            table(&[line]),
            "ID  VECTORIZER  SOURCE        EMBEDDINGS                    PENDING     FAILED  STATE\n\
             7   posts       public.posts  public.posts_embedding_store  over 10000  2       pending\n"
        );
    }
}
