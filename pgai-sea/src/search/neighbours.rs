//! The chunks around a hit, read by the statement that finds it.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement, TableRef};
use sea_orm::{ColumnTrait, DbErr, Iden, QueryResult};
use serde::Serialize;

use super::hit::CHUNK;
use crate::entity::EmbeddingTrait;

/// The column of the neighbours.
const NEIGHBOURS: &str = "n_neighbours";
/// The store, read a second time. A filter may name the first one.
const AROUND: &str = "around";

/// How many chunks before and after a hit come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neighbourhood {
    pub(super) before: u16,
    pub(super) after: u16,
}

/// A chunk beside a hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Neighbour {
    /// Its place in the text of the row, from 0.
    pub chunk_seq: i32,
    /// The text that was embedded.
    pub chunk: String,
}

impl Neighbour {
    /// A neighbour, for tests.
    pub fn new(chunk_seq: i32, chunk: impl Into<String>) -> Self {
        Self {
            chunk_seq,
            chunk: chunk.into(),
        }
    }
}

impl Neighbourhood {
    /// Adds the neighbours of each row of `hits`. `from` is the name under which they have the columns of a hit; `None`
    /// if they are rows of `store` itself.
    ///
    /// PostgreSQL evaluates such a column after it has sorted and cut the page, because it is expensive.
    pub(super) fn select<E: EmbeddingTrait>(
        self,
        hits: &mut SelectStatement,
        from: Option<&'static str>,
        store: TableRef,
    ) {
        let (Some(seq), Some(chunk)) = (E::chunk_seq_column(), E::chunk_column()) else {
            return;
        };
        let of_hit = |column: E::Column| match from {
            Some(from) => Expr::col((from, Alias::new(format!("{CHUNK}{}", Iden::to_string(&column))))),
            None => column.into_expr(),
        };
        let around = |column: E::Column| Expr::col((AROUND, column));
        let mut neighbours = Query::select();
        neighbours
            .expr(Expr::cust_with_exprs(
                "json_agg(json_build_array($1, $2) ORDER BY $3)",
                [around(seq), around(chunk), around(seq)],
            ))
            .from(store.alias(AROUND));
        for key in E::key_columns() {
            neighbours.and_where(around(key).eq(of_hit(key)));
        }
        let first = of_hit(seq).sub(i32::from(self.before));
        let last = of_hit(seq).add(i32::from(self.after));
        neighbours.and_where(around(seq).between(first, last));
        neighbours.and_where(around(seq).ne(of_hit(seq)));
        hits.expr_as(neighbours, NEIGHBOURS);
    }

    pub(super) fn read(row: &QueryResult) -> Result<Vec<Neighbour>, DbErr> {
        let found: Option<serde_json::Value> = row.try_get("", NEIGHBOURS)?;
        let Some(found) = found else { return Ok(Vec::new()) };
        let found: Vec<(i32, String)> =
            serde_json::from_value(found).map_err(|error| DbErr::Json(error.to_string()))?;
        Ok(found
            .into_iter()
            .map(|(seq, chunk)| Neighbour::new(seq, chunk))
            .collect())
    }
}
