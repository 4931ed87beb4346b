//! A column of the source as the destination: one vector a row.

use sea_orm::sqlx::{Error, PgConnection};

use crate::sql::quote_identifier;
use crate::worker::queue::key_sql::{Key, Names, Sql, with_keys};
use crate::worker::write::commit::Vectors;

/// The statement on one embedding column.
#[derive(Debug)]
pub(crate) struct Column {
    columns: usize,
    update: Sql,
}

impl Column {
    pub(crate) fn new(names: &Names, column: &str) -> Self {
        let (vectors, flat, length) = (names.parameter(1), names.parameter(2), names.parameter(3));
        let (column, source) = (quote_identifier(column), &names.source);
        Self {
            columns: names.keys.len(),
            update: format!(
                "update {source} s set {column} = case when v.place >= 0 then \
                 (${flat}::real[])[v.place * ${length}::int + 1 : (v.place + 1) * ${length}::int] end \
                 from {} cross join lateral (select (${vectors}::int[])[k.n] as place) v where {}",
                names.given(),
                names.matches("s"),
            )
            .into(),
        }
    }

    /// Sets the vectors of rows that are locked for it; `None` is NULL.
    pub(crate) async fn update(
        &self,
        connection: &mut PgConnection,
        values: &[(&Key, Option<usize>)],
        vectors: Vectors<'_>,
    ) -> Result<(), Error> {
        let mut flat: Vec<f32> = Vec::new();
        let mut places: Vec<i32> = Vec::new();
        let mut length = 0;
        for (_, text) in values {
            let vector = text.and_then(|text| vectors.vectors.get(text)).and_then(Option::as_ref);
            match (text, vector) {
                (Some(_), None) => return Err(Error::Encode("a text is to be written that was not embedded".into())),
                (None, _) => places.push(-1),
                (Some(_), Some(vector)) => {
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
