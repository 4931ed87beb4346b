//! Vectors that another generation of the same vectorizer has: what is embedded there need not be paid for again.

use std::collections::HashMap;

use sea_orm::sqlx::{Row as _, query};

use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Key, KeySql, Sql, with_keys};

/// The store of another generation whose vectors are of the same model.
#[derive(Debug)]
pub(crate) struct Neighbour {
    catalog: Database,
    columns: usize,
    read: Sql,
    vectorizer: i32,
    made_by: String,
    /// The first so many numbers of each vector are taken.
    dimensions: usize,
}

impl Neighbour {
    /// `store` is that of `vectorizer`, whose vectors were made by `made_by`.
    /// `catalog` reads the catalog with the worker's own rights.
    pub(crate) fn new(
        catalog: Database,
        key_sql: &KeySql,
        store: &str,
        (vectorizer, made_by): (i32, String),
        dimensions: usize,
    ) -> Self {
        let read = format!(
            "select distinct on (s.chunk) s.chunk, s.embedding::real[] \
             from {} join {store} s on {} where s.chunk = any(${}::text[])",
            key_sql.given(),
            key_sql.matches("s"),
            key_sql.parameter(1),
        );
        Self {
            catalog,
            columns: key_sql.keys.len(),
            read: read.into(),
            vectorizer,
            made_by,
            dimensions,
        }
    }

    /// Adds the vectors of `texts` that have none yet and are chunks of these keys there.
    pub(crate) async fn add(
        &self,
        pool: &Database,
        keys: &[Key],
        texts: &[String],
        vectors: &mut [Option<Vec<f32>>],
    ) -> Result<(), DatabaseError> {
        let missing = texts.iter().zip(&*vectors).filter(|(_, vector)| vector.is_none());
        let missing: Vec<String> = missing.map(|(text, _)| text.clone()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let is_whole = "select exists (select from ai.vectorizer_generation g where g.vectorizer_id = $1 \
                        and g.made_by -> 'embedding' = $2::jsonb and g.anew_since is null)";
        let is_whole = query(is_whole).bind(self.vectorizer).bind(self.made_by.clone());
        if !is_whole.one_on(&self.catalog).await?.try_get::<bool, _>(0)? {
            return Ok(());
        }
        let keys: Vec<&Key> = keys.iter().collect();
        let read = with_keys(&self.read, self.columns, &keys).bind(missing);
        let mut found: HashMap<String, Vec<f32>> = HashMap::new();
        for row in read.all_on(pool).await? {
            found.insert(row.try_get(0)?, row.try_get(1)?);
        }
        for (text, vector) in texts.iter().zip(vectors) {
            if vector.is_none()
                && let Some(there) = found.get(text)
            {
                *vector = cut(there, self.dimensions);
            }
        }
        Ok(())
    }
}

/// The first numbers of a vector, brought back to length 1. A whole vector stays as it is.
fn cut(vector: &[f32], dimensions: usize) -> Option<Vec<f32>> {
    let part = vector.get(..dimensions)?;
    if part.len() == vector.len() {
        return Some(part.to_vec());
    }
    let length = part.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "a vector's numbers are single")]
    (length > 0.0).then(|| part.iter().map(|number| (f64::from(*number) / length) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_shorter_vector_has_length_one() {
        assert_eq!(cut(&[0.6, 0.8, 0.5], 2), Some(vec![0.6, 0.8]));
        assert_eq!(cut(&[3.0, 4.0, 12.0], 2), Some(vec![0.6, 0.8]));
        assert_eq!(cut(&[3.0, 4.0], 2), Some(vec![3.0, 4.0]), "a whole vector stays");
        assert_eq!((cut(&[1.0], 2), cut(&[0.0, 1.0], 1)), (None, None));
    }
}
