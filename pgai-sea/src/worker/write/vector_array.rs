//! Vectors as a parameter: an array of pgvector's own type, in its binary form.
//!
//! An array of numbers would be twice as many bytes. PostgreSQL would read each number, cut out each vector and cast
//! it, which takes longer than writing the rows.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sea_orm::sqlx::encode::{Encode, IsNull};
use sea_orm::sqlx::error::BoxDynError;
use sea_orm::sqlx::postgres::types::Oid;
use sea_orm::sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};
use sea_orm::sqlx::{Error, Postgres, Row as _, Type, query};

use crate::sql::qualified;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;

/// The type `vector` as this database knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreVectorType {
    element: Oid,
    /// The array's name. The driver has to look up a type before it parses an unnamed statement, and it does for a type
    /// that has a name: looked up afterwards, the statement would be lost.
    array: &'static str,
}

impl StoreVectorType {
    /// The type of a store's column `embedding`. `None` if it is not `vector`.
    pub(crate) async fn of(pool: &Database, schema: &str, table: &str) -> Result<Option<Self>, DatabaseError> {
        let sql = "select t.oid, m.nspname::text from pg_catalog.pg_attribute a \
                   join pg_catalog.pg_class c on c.oid = a.attrelid \
                   join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                   join pg_catalog.pg_type t on t.oid = a.atttypid \
                   join pg_catalog.pg_namespace m on m.oid = t.typnamespace \
                   where n.nspname = $1 and c.relname = $2 and a.attname = 'embedding' and t.typname = 'vector' and \
                   t.typtype = 'b'";
        let row = query(sql).bind(schema).bind(table).any_on(pool).await?;
        let of = row.map(|row| {
            Ok::<_, Error>(Self {
                element: row.try_get(0)?,
                array: array_name(row.try_get(1)?),
            })
        });
        Ok(of.transpose()?)
    }
}

/// The name of the array type of the `vector` in that schema. A name is kept for ever, as the driver wants it; a process
/// sees few schemas with pgvector.
fn array_name(schema: &str) -> &'static str {
    static NAMES: Mutex<Option<HashMap<String, &'static str>>> = Mutex::new(None);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    names
        .entry(schema.to_owned())
        .or_insert_with(|| format!("{}[]", qualified(schema, "vector")).leak())
}

/// Vectors of that type.
#[derive(Clone, Debug)]
pub(crate) struct VectorArray<'v> {
    pub(crate) of: StoreVectorType,
    pub(crate) vectors: Vec<&'v [f32]>,
}

impl Type<Postgres> for VectorArray<'_> {
    /// Not asked for: a value knows its own.
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("_vector")
    }
}

impl Encode<'_, Postgres> for VectorArray<'_> {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_name(self.of.array))
    }

    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        // one dimension, no nulls, its elements, from 1
        for number in [1, 0, self.of.element.0, u32::try_from(self.vectors.len())?, 1] {
            buffer.extend(&number.to_be_bytes());
        }
        for vector in &self.vectors {
            let dimensions = u16::try_from(vector.len())?;
            buffer.extend(&(4 + 4 * u32::from(dimensions)).to_be_bytes());
            buffer.extend(&dimensions.to_be_bytes());
            buffer.extend(&[0, 0]);
            for number in *vector {
                buffer.extend(&number.to_be_bytes());
            }
        }
        Ok(IsNull::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_in_postgres_and_pgvectors_binary_form() {
        let of = StoreVectorType {
            element: Oid(7),
            array: array_name("x\"y"),
        };
        let vectors = vec![[1.0_f32, -2.0].as_slice(), [0.5, 0.0].as_slice()];
        let mut buffer = PgArgumentBuffer::default();
        let array = VectorArray { of, vectors };
        assert!(array.encode_by_ref(&mut buffer).is_ok());
        let header = [1_u32, 0, 7, 2, 1].map(u32::to_be_bytes).concat();
        let vector = |numbers: [f32; 2]| {
            [
                &[0, 0, 0, 12, 0, 2, 0, 0],
                numbers.map(f32::to_be_bytes).concat().as_slice(),
            ]
            .concat()
        };
        assert_eq!(buffer[..], [header, vector([1.0, -2.0]), vector([0.5, 0.0])].concat());
        assert_eq!(array.produces(), Some(PgTypeInfo::with_name(r#""x""y"."vector"[]"#)));
    }
}
