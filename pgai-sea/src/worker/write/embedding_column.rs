//! A column of the source as the destination: one vector a row.

use sea_orm::sqlx::PgConnection;

use crate::sql::quote_identifier;
use crate::worker::batch::item::Vectors;
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Key, KeySql, Sql, with_keys};

/// The statement on one embedding column.
#[derive(Debug)]
pub(crate) struct EmbeddingColumn {
    columns: usize,
    update: Sql,
}

impl EmbeddingColumn {
    pub(crate) fn new(key_sql: &KeySql, column: &str) -> Self {
        let (vectors, flat, length) = (key_sql.parameter(1), key_sql.parameter(2), key_sql.parameter(3));
        let (column, source) = (quote_identifier(column), &key_sql.source);
        Self {
            columns: key_sql.keys.len(),
            update: format!(
                "update {source} s set {column} = case when v.place >= 0 then \
                 (${flat}::real[])[v.place * ${length}::int + 1 : (v.place + 1) * ${length}::int] end \
                 from {} cross join lateral (select (${vectors}::int[])[k.n] as place) v where {}",
                key_sql.given(),
                key_sql.matches("s"),
            )
            .into(),
        }
    }

    /// Sets the vectors of rows that are locked for it. `None` is NULL.
    pub(crate) async fn update(
        &self,
        connection: &mut PgConnection,
        values: &[(&Key, Option<usize>)],
        vectors: Vectors<'_>,
    ) -> Result<(), DatabaseError> {
        let mut flat: Vec<f32> = Vec::new();
        let mut places: Vec<i32> = Vec::new();
        let mut length = 0;
        for (_, text) in values {
            match text.map(|text| vectors.get(text)) {
                None => places.push(-1),
                Some(None) => {
                    return Err(DatabaseError::Bug(
                        "a text was not embedded before it is written".to_owned(),
                    ));
                }
                Some(Some((_, vector))) => {
                    let place = flat.len() / vector.len().max(1);
                    places.push(i32::try_from(place).unwrap_or(i32::MAX));
                    length = vector.len();
                    flat.extend(vector);
                }
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        let keys: Vec<&Key> = values.iter().map(|(key, _)| *key).collect();
        let update = with_keys(&self.update, self.columns, &keys).bind(places).bind(flat);
        update
            .bind(i32::try_from(length).unwrap_or(i32::MAX))
            .execute(connection)
            .await?;
        Ok(())
    }
}
