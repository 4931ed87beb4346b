//! How PostgreSQL goes about a search.

use std::fmt;

use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::builder::Search;
use super::error::SearchError;
use super::found::Found;
use crate::entity::EmbeddingTrait;

/// The plan of a search. Displayed it is what `EXPLAIN` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    plan: String,
    index: Option<Index>,
    is_quantized: bool,
}

/// An index, with the schema that it and its table are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) schema: String,
    pub(super) name: String,
}

impl Explanation {
    /// The index that finds the nearest rows. `None`: every row is looked at, because there is no index for the metric, because the
    /// table is small, or because a filter leaves few rows.
    #[must_use]
    pub fn index(&self) -> Option<&str> {
        self.index.as_ref().map(|index| index.name.as_str())
    }

    pub(super) fn into_index(self) -> Option<Index> {
        self.index
    }

    /// Whether rows are compared by less than their whole vectors, or not all of them: through an index, or by
    /// [smaller vectors](Search::quantized), also where they have no index and all of them are put in order.
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

impl<E: EmbeddingTrait, F: Found<E>> Search<'_, E, F> {
    /// Asks for the plan of the statement that is sent first, and whether an index on vectors serves it. Nothing is searched, but a
    /// text is embedded.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all); a connection that takes no raw statements, such as SeaORM's `RestrictedConnection`: `EXPLAIN` is one.
    pub async fn explain<C: ConnectionTrait>(&self, db: &C) -> Result<Explanation, SearchError> {
        let is_quantized = self.plan.is_quantized();
        Ok(explain(db, self.resolved(db).await?, is_quantized).await?)
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

/// The index of the scan that puts rows in order: one that only finds them has no `Order By`.
fn ordering_index(node: &serde_json::Value) -> Option<Index> {
    match node {
        serde_json::Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(serde_json::Value::as_str);
            match (text("Index Name"), fields.get("Order By")) {
                (Some(name), Some(_)) => Some(Index {
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
