//! Where hits are in the text of their rows, read by the statement that finds them.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement, TableRef};
use sea_orm::{ColumnTrait, DbErr, Iden, QueryResult};

use super::hit::CHUNK;
use crate::entity::{EmbeddingTrait, PLACE_COLUMNS, Place};

/// The column of the place.
const COLUMN: &str = "n_place";
/// The store, read a second time.
const PLACED: &str = "placed";

/// What a store says of a place: the columns in their order.
type Stored = (
    Option<usize>,
    Option<usize>,
    Option<usize>,
    Option<usize>,
    Option<usize>,
    Option<Vec<String>>,
);

/// Adds the place of each row of `hits`, as [`Neighbourhood::select`](super::neighbours::Neighbourhood::select) adds
/// neighbours.
///
/// Not every store has the columns. A name that the inner query does not know is one of the outer query, which has it
/// as NULL. So a store without them gives hits without places, and is none the slower.
pub(super) fn select<E: EmbeddingTrait>(hits: &mut SelectStatement, from: Option<&'static str>, store: TableRef) {
    let Some(uuid) = E::uuid_column() else { return };
    let of_hit = match from {
        Some(from) => Expr::col((from, Alias::new(format!("{CHUNK}{}", Iden::to_string(&uuid))))),
        None => uuid.into_expr(),
    };
    let names = PLACE_COLUMNS.map(|(name, _)| name).join(", ");
    let place = Query::select()
        .expr(Expr::cust(format!("json_build_array({names})")))
        .from(store.alias(PLACED))
        .and_where(Expr::col((PLACED, uuid)).eq(of_hit))
        .take();
    let mut nothing = Query::select();
    for (name, kind) in PLACE_COLUMNS {
        nothing.expr_as(Expr::cust(format!("NULL::{kind}")), name);
    }
    hits.expr_as(
        Query::select().expr(place).from_subquery(nothing, "nothing").take(),
        COLUMN,
    );
}

pub(super) fn read(row: &QueryResult) -> Result<Option<Place>, DbErr> {
    let found: Option<serde_json::Value> = row.try_get("", COLUMN)?;
    let Some(found) = found else { return Ok(None) };
    let stored: Stored = serde_json::from_value(found).map_err(|error| DbErr::Json(error.to_string()))?;
    let (Some(start), Some(end), Some(first), Some(last), page, headings) = stored else {
        return Ok(None);
    };
    let mut place = Place::new(start..end, first..last).under(headings.unwrap_or_default());
    place.page = page;
    Ok(Some(place))
}

/// The same as a column of a mocked row.
#[cfg(feature = "testing")]
pub(super) fn mock(place: Option<&Place>) -> (String, sea_orm::Value) {
    let stored = |place: &Place| {
        let Place {
            bytes,
            characters,
            page,
            headings,
        } = place;
        serde_json::json!((bytes.start, bytes.end, characters.start, characters.end, page, headings))
    };
    (COLUMN.to_owned(), place.map(stored).into())
}
