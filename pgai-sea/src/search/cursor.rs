//! Pages that stay put: each begins behind the last hit of the page before, whatever was written in between.

use std::fmt;
use std::str::FromStr;

use sea_orm::sea_query::{Expr, ExprTrait, Func, PostgresQueryBuilder, TableBuilder};
use sea_orm::{ColumnTrait, DbErr, QueryResult};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::hit::DISTANCE;
use super::statement::{SEQ, key, seq};
use crate::entity::EmbeddingTrait;

/// The column with the key of a hit, as text.
pub(super) const AFTER: &str = "after_key";

/// The place of a hit among all hits of a search: where [`Search::after`](super::Search::after) goes on.
///
/// It is a text for an address or a form (`Display`, `FromStr`, serde). It holds the hit's distance and key, so do not
/// give it to people who may not see them.
///
/// ```
/// use pgai_sea::search::Cursor;
///
/// let damaged: Result<Cursor, _> = "page=2".parse();
/// assert!(damaged.unwrap_err().to_string().contains("begin at the first page"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    distance: f64,
    /// The key's columns and the place in the row's text, as PostgreSQL writes them.
    key: Vec<String>,
    /// How many hits came before, as far as anyone knows.
    seen: u64,
}

/// A text that is no [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of a search, or one of another version: begin at the first page")]
#[non_exhaustive]
pub struct CursorError;

/// How a search is paged by cursors.
#[derive(Clone, Debug)]
pub(super) struct Paging {
    /// `None`: it begins with the nearest hit.
    pub(super) after: Option<Cursor>,
}

impl Cursor {
    /// The cursor of a row that was selected with [`Cursor::column`].
    pub(super) fn read(row: &QueryResult, seen: u64) -> Result<Self, DbErr> {
        let key: String = row.try_get("", AFTER)?;
        Ok(Self {
            distance: row.try_get("", DISTANCE)?,
            key: serde_json::from_str(&key).map_err(|error| DbErr::Json(error.to_string()))?,
            seen,
        })
    }

    /// How many hits came before.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether it is of a table with such keys.
    pub(super) fn fits<E: EmbeddingTrait>(&self) -> bool {
        self.key.len() == E::key_columns().len() + 1
    }

    /// A row's key and place as one text.
    pub(super) fn column<E: EmbeddingTrait>() -> Expr {
        let text = |expr: Expr| expr.cast_as("text");
        let keys = E::key_columns().into_iter().map(|column| text(column.into_expr()));
        let parts = keys.chain([text(seq::<E>())]);
        Expr::from(Func::cust("json_build_array").args(parts)).cast_as("text")
    }

    /// Holds for rows of the searched table behind the cursor. The distance is named once, because it carries the
    /// query's vector.
    pub(super) fn behind<E: EmbeddingTrait>(&self, distance: Expr) -> Expr {
        let keys = E::key_columns().into_iter().map(ColumnTrait::into_expr);
        self.row_behind::<E>([distance].into_iter().chain(keys).chain([seq::<E>()]).collect())
    }

    /// The same for rows that have these columns under the names that a page orders by.
    pub(super) fn behind_best<E: EmbeddingTrait>(&self, is_per_source: bool) -> Expr {
        let keys = (0..E::key_columns().len()).map(|i| Expr::col(key(i)));
        let seq = (!is_per_source).then(|| Expr::col(SEQ));
        self.row_behind::<E>([Expr::col(DISTANCE)].into_iter().chain(keys).chain(seq).collect())
    }

    fn row_behind<E: EmbeddingTrait>(&self, columns: Vec<Expr>) -> Expr {
        let types = E::key_columns().into_iter().map(sql_type).chain(["integer".to_owned()]);
        let key = self.key.iter().zip(types);
        let key = key.map(|(value, sql_type)| Expr::val(value.clone()).cast_as(sql_type));
        let values: Vec<_> = [Expr::val(self.distance)]
            .into_iter()
            .chain(key)
            .take(columns.len())
            .collect();
        let list = |from: usize| {
            let places = (from..from + columns.len()).map(|place| format!("${place}"));
            places.collect::<Vec<_>>().join(", ")
        };
        let sql = format!("({}) > ({})", list(1), list(1 + columns.len()));
        Expr::cust_with_exprs(sql, columns.into_iter().chain(values))
    }
}

/// The type of a column, as SQL has it.
fn sql_type<C: ColumnTrait>(column: C) -> String {
    let mut sql = String::new();
    PostgresQueryBuilder.prepare_column_type(column.def().get_column_type(), &mut sql);
    sql
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // JSON's numbers do not keep every bit
        let json = serde_json::json!([self.distance.to_bits(), self.seen, self.key]).to_string();
        json.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let json: Option<Vec<u8>> = pairs.iter().map(|pair| byte(pair)).collect();
        let json = json.filter(|_| rest.is_empty()).ok_or(CursorError)?;
        let (bits, seen, key) = serde_json::from_slice::<(u64, u64, Vec<String>)>(&json).map_err(|_| CursorError)?;
        let distance = f64::from_bits(bits);
        // PostgreSQL takes NUL in no text
        if distance.is_nan() || key.iter().any(|part| part.contains('\0')) {
            return Err(CursorError);
        }
        Ok(Self { distance, key, seen })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_text_that_keeps_every_bit() {
        for distance in [0.1 + 0.2, -f64::MIN_POSITIVE, f64::INFINITY, 0.0] {
            let cursor = Cursor {
                distance,
                key: vec!["a \"b\" ü".to_owned(), "7".to_owned()],
                seen: u64::MAX,
            };
            let text = cursor.to_string();
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{text}");
            assert_eq!(text.parse(), Ok(cursor.clone()));
            let json = serde_json::to_string(&cursor).unwrap();
            assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
        }
    }

    #[test]
    fn another_text_is_refused() {
        let nan = format!("[{},0,[]]", f64::NAN.to_bits());
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        for text in [
            "",
            "7",
            "zz",
            "5b5d",
            "ü",
            &hex(&nan),
            &hex("[0,0,[\"a\\u0000\"]]"),
            "+1+2",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }
}
