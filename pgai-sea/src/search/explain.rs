//! PostgreSQL's plan of a search.

use std::fmt;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use serde_json::Value;

use super::plan::{Attempt, Plan};
use super::scan::{HITS, IterativeScan};

/// PostgreSQL's plan of a search. It displays as its [`choice`](Self::choice) in words, and the output of `EXPLAIN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    plan: String,
    choice: Choice,
    method: Option<String>,
}

/// How PostgreSQL finds the nearest rows.
///
/// ```
/// use pgai_sea::search::Choice;
///
/// let choice = Choice::Filtered { index: "posts_tenant".to_owned() };
/// assert_eq!(choice.to_string(), "exact: the index posts_tenant finds the rows of the filter, and each is compared");
/// assert!(!choice.is_approximate());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Choice {
    /// It reads every row, and misses none: there is no index for the metric, the table is small, or the filter leaves
    /// few rows and no index finds these.
    EveryRow,
    /// An ordinary index finds the rows of the filter, and each of them is compared. None is missed.
    Filtered {
        /// The first of the indexes that find them.
        index: String,
    },
    /// An index on vectors proposes the nearest rows. It may miss some.
    Nearest {
        /// Its name. Of a store in partitions, that of the first index.
        index: String,
        /// Whether it has only the rows of a condition, which the filter says too.
        is_partial: bool,
        /// Whether its scan goes on until the page is full. Otherwise it ends after `ef_search` rows (HNSW) or `probes`
        /// lists (IVFFlat), of which the filter may leave few.
        is_iterative: bool,
        /// Whether it has [quantized](super::Quantized) vectors. The exact distances of what it proposes decide.
        is_quantized: bool,
    },
    /// It orders all rows by their [quantized](super::Quantized) vectors, because no index on these serves the search.
    /// It may miss rows all the same, and is slower than an exact search.
    EveryQuantized,
}

impl Choice {
    /// Whether it may miss rows.
    #[must_use]
    pub fn is_approximate(&self) -> bool {
        matches!(self, Self::Nearest { .. } | Self::EveryQuantized)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EveryRow => f.write_str("exact: every row is read"),
            Self::Filtered { index } => write!(
                f,
                "exact: the index {index} finds the rows of the filter, and each is compared"
            ),
            Self::Nearest {
                index,
                is_partial,
                is_iterative,
                is_quantized,
            } => {
                let kind = if *is_partial { "partial index" } else { "index" };
                let scan = if *is_iterative {
                    "iterative scan: it goes on until the page is full"
                } else {
                    "single scan: it ends after ef_search rows or probes lists"
                };
                write!(f, "approximate: the {kind} {index} proposes the nearest rows, {scan}")?;
                if *is_quantized {
                    f.write_str("; its vectors are quantized, and the exact distances decide")?;
                }
                Ok(())
            }
            Self::EveryQuantized => {
                f.write_str("approximate: every row is ordered by its quantized vector, which no index has")
            }
        }
    }
}

impl Explanation {
    /// How PostgreSQL finds the nearest rows.
    #[must_use]
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// The index that finds the nearest rows. `None`: PostgreSQL reads every row, because there is no index for the
    /// metric, the table is small, or a filter leaves few rows.
    #[must_use]
    pub fn index(&self) -> Option<&str> {
        match &self.choice {
            Choice::Nearest { index, .. } => Some(index),
            _ => None,
        }
    }

    /// The access method of that index.
    pub(super) fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// Whether the search may miss rows: it uses an index, or [quantized vectors](super::Search::quantized), which it
    /// may do without an index too.
    #[must_use]
    pub fn is_approximate(&self) -> bool {
        self.choice.is_approximate()
    }

    /// The lines of `EXPLAIN`.
    #[must_use]
    pub fn plan(&self) -> &str {
        &self.plan
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.choice, self.plan)
    }
}

/// `statement` is what `plan` sends first.
pub(super) async fn explain<C: ConnectionTrait>(
    db: &C,
    statement: Statement,
    plan: &Plan,
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
    let tree: Option<Value> = tree.map(|row| row.try_get_by_index(0)).transpose()?;
    let nearest = tree.as_ref().and_then(ordering_index);
    let known = match &nearest {
        Some(index) => index.look(db).await?,
        None => None,
    };
    let is_quantized = plan.is_quantized();
    let choice = match (nearest, tree) {
        (Some(index), _) => Choice::Nearest {
            index: index.name,
            is_partial: known.as_ref().is_some_and(|known| known.is_partial),
            is_iterative: known.as_ref().is_none_or(|known| known.goes_on(plan)),
            is_quantized,
        },
        _ if is_quantized => Choice::EveryQuantized,
        (None, Some(tree)) => {
            let scan = named(&tree, HITS).unwrap_or(&tree);
            filter_index(scan).map_or(Choice::EveryRow, |index| Choice::Filtered { index })
        }
        (None, None) => Choice::EveryRow,
    };
    Ok(Explanation {
        plan: lines.join("\n"),
        choice,
        method: known.map(|known| known.method),
    })
}

/// An index, and its schema.
struct IndexName {
    schema: String,
    name: String,
}

/// What the catalog has of it, and the connection's own settings.
struct Known {
    method: String,
    is_partial: bool,
    hnsw: Option<String>,
    ivfflat: Option<String>,
}

impl IndexName {
    async fn look<C: ConnectionTrait>(&self, db: &C) -> Result<Option<Known>, DbErr> {
        let sql = "SELECT m.amname::text, i.indpred IS NOT NULL, \
                   pg_catalog.current_setting('hnsw.iterative_scan', true), \
                   pg_catalog.current_setting('ivfflat.iterative_scan', true) \
                   FROM pg_catalog.pg_index i \
                   JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
                   JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace \
                   JOIN pg_catalog.pg_am m ON m.oid = x.relam \
                   WHERE x.relname = $1 AND n.nspname = $2";
        let values = [self.name.as_str().into(), self.schema.as_str().into()];
        let row = db
            .query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Known {
            method: row.try_get_by_index(0)?,
            is_partial: row.try_get_by_index(1)?,
            hnsw: row.try_get_by_index(2)?,
            ivfflat: row.try_get_by_index(3)?,
        }))
    }
}

impl Known {
    /// Whether its scan goes on until the page is full. Indexes of other extensions always do.
    fn goes_on(&self, plan: &Plan) -> bool {
        let own = match self.method.as_str() {
            "hnsw" => &self.hnsw,
            "ivfflat" => &self.ivfflat,
            _ => return true,
        };
        // a look is followed by a scan
        let asked = plan.attempts().iter().find_map(|attempt| match attempt {
            Attempt::Scan { window, insists } => Some(plan.scan.iterates(*window, plan.is_filtered() || *insists)),
            Attempt::Look { .. } | Attempt::Exact => None,
        });
        match asked.flatten() {
            Some(asked) => asked != IterativeScan::Off,
            None => own.as_ref().is_some_and(|own| own != "off"),
        }
    }
}

/// The text of a field of a plan's node.
fn text<'t>(node: &'t Value, name: &str) -> Option<&'t str> {
    node.get(name).and_then(Value::as_str)
}

/// The index of the scan that orders the rows. A scan that only finds them has no `Order By`.
fn ordering_index(node: &Value) -> Option<IndexName> {
    match node {
        Value::Object(fields) => match (text(node, "Index Name"), fields.get("Order By")) {
            (Some(name), Some(_)) => Some(IndexName {
                schema: text(node, "Schema").unwrap_or_default().to_owned(),
                name: name.to_owned(),
            }),
            _ => fields.values().find_map(ordering_index),
        },
        Value::Array(nodes) => nodes.iter().find_map(ordering_index),
        _ => None,
    }
}

/// The plan of the common table expression `name`.
pub(super) fn named<'t>(node: &'t Value, name: &str) -> Option<&'t Value> {
    match node {
        Value::Object(fields) => {
            let is_it = text(node, "Subplan Name").is_some_and(|of| of.strip_prefix("CTE ") == Some(name));
            is_it
                .then_some(node)
                .or_else(|| fields.values().find_map(|part| named(part, name)))
        }
        Value::Array(nodes) => nodes.iter().find_map(|part| named(part, name)),
        _ => None,
    }
}

/// The index that finds the rows that everything else begins with.
fn filter_index(node: &Value) -> Option<String> {
    if let Value::Array(nodes) = node {
        return nodes.iter().find_map(filter_index);
    }
    if let (Some(name), Some(_)) = (text(node, "Index Name"), node.get("Index Cond")) {
        return Some(name.to_owned());
    }
    if let Some(plan) = node.get("Plan") {
        return filter_index(plan);
    }
    // what is evaluated once or for each row does not lead to the rows
    let leads = |part: &&Value| !matches!(text(part, "Parent Relationship"), Some("InitPlan" | "SubPlan"));
    let parts = node.get("Plans").and_then(Value::as_array)?;
    filter_index(parts.iter().find(leads)?)
}
