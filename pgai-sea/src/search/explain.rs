//! PostgreSQL's plan of a search.

use std::fmt;

use sea_orm::{ConnectionTrait, DbErr, Statement};

/// PostgreSQL's plan of a search. It displays as the output of `EXPLAIN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    plan: String,
    index: Option<IndexName>,
    is_quantized: bool,
}

/// An index, and its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexName {
    pub(super) schema: String,
    pub(super) name: String,
}

impl Explanation {
    /// The index that finds the nearest rows. `None`: PostgreSQL reads every row, because there is no index for the
    /// metric, the table is small, or a filter leaves few rows.
    #[must_use]
    pub fn index(&self) -> Option<&str> {
        self.index.as_ref().map(|index| index.name.as_str())
    }

    pub(super) fn into_index(self) -> Option<IndexName> {
        self.index
    }

    /// Whether the search may miss rows: it uses an index, or [quantized vectors](super::Search::quantized), which it
    /// may do without an index too.
    #[must_use]
    pub fn is_approximate(&self) -> bool {
        self.index.is_some() || self.is_quantized
    }

    /// The lines of `EXPLAIN`.
    #[must_use]
    pub fn plan(&self) -> &str {
        &self.plan
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plan)
    }
}

pub(super) async fn explain<C: ConnectionTrait>(
    db: &C,
    statement: Statement,
    is_quantized: bool,
) -> Result<Explanation, DbErr> {
    let ask = |options| Statement {
        sql: format!("EXPLAIN ({options}) {}", statement.sql),
        ..statement.clone()
    };
    let lines = db.query_all_raw(ask("FORMAT TEXT")).await?;
    let lines: Vec<String> = lines
        .iter()
        .map(|row| row.try_get_by_index(0))
        .collect::<Result<_, _>>()?;
    // only a verbose plan has schemas
    let tree = db.query_one_raw(ask("VERBOSE, FORMAT JSON")).await?;
    let tree: Option<serde_json::Value> = tree.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(Explanation {
        plan: lines.join("\n"),
        index: tree.as_ref().and_then(ordering_index),
        is_quantized,
    })
}

/// The index of the scan that orders the rows. A scan that only finds them has no `Order By`.
fn ordering_index(node: &serde_json::Value) -> Option<IndexName> {
    match node {
        serde_json::Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(serde_json::Value::as_str);
            match (text("Index Name"), fields.get("Order By")) {
                (Some(name), Some(_)) => Some(IndexName {
                    schema: text("Schema").unwrap_or_default().to_owned(),
                    name: name.to_owned(),
                }),
                _ => fields.values().find_map(ordering_index),
            }
        }
        serde_json::Value::Array(nodes) => nodes.iter().find_map(ordering_index),
        _ => None,
    }
}
