//! Hits as JSON, for entities that do not serialize.

use std::marker::PhantomData;

use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{DbErr, FromQueryResult, JsonValue, QueryResult};
use serde_json::{Map, json};

use super::builder::Search;
use super::hit::{CHUNK, PARTIAL, SOURCE, distance};
use super::neighbours::Neighbour;
use super::projection::Projection;
use crate::entity::{EmbeddingTrait, Place};

/// A [`Search`] returns the columns of `F` as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Json<F>(PhantomData<F>);

impl<F> super::projection::Sealed for Json<F> {}

impl<E: EmbeddingTrait, F: Projection<E>> Projection<E> for Json<F> {
    type Hit = JsonValue;

    const JOINS_SOURCE: bool = F::JOINS_SOURCE;

    fn select(columns: &mut SelectStatement, vectors: Option<&Expr>) {
        F::select(columns, vectors);
    }

    fn read(row: &QueryResult, _: bool) -> Result<JsonValue, DbErr> {
        let mut hit = Map::new();
        hit.insert("distance".to_owned(), json!(distance(row)?));
        for (prefix, name) in [(CHUNK, "embedding"), (SOURCE, "source"), (PARTIAL, "row")] {
            let columns = JsonValue::from_query_result(row, prefix)?;
            if columns.as_object().is_some_and(|columns| !columns.is_empty()) {
                hit.insert(name.to_owned(), columns);
            }
        }
        Ok(hit.into())
    }

    fn surround(hit: &mut JsonValue, neighbours: Vec<Neighbour>) {
        if let Some(chunk) = hit.get_mut("embedding") {
            chunk["neighbours"] = json!(neighbours);
        }
    }

    fn place(hit: &mut JsonValue, place: Option<Place>) {
        if let Some(chunk) = hit.get_mut("embedding") {
            chunk["place"] = json!(place);
        }
    }

    fn wait(hit: &mut JsonValue, waiting: Option<bool>) {
        hit["waiting"] = json!(waiting);
    }
}

impl<'a, E: EmbeddingTrait, F: Projection<E>> Search<'a, E, F> {
    /// Returns hits as JSON, as [`Select::into_json`](sea_orm::Select::into_json) does for rows: an object with
    /// `distance`, and, as the search has them, `embedding` (the chunk's columns), `source` (the row's columns) and
    /// `row` (a partial model's). Columns have their names in the database.
    pub fn into_json(self) -> Search<'a, E, Json<F>> {
        self.finding()
    }
}
