//! Chunks reach the store by a binary COPY where that is possible. An INSERT takes twice as long: each number of a
//! vector is a value of its own to it, and the table grows page by page.

use half::f16;
use sea_orm::prelude::Uuid;
use sea_orm::sqlx::PgConnection;

use crate::config::HALFVEC;
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Key, KeySql, Sql};

/// What binary data begin with: PostgreSQL's signature, no flags, nothing more in the header.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What they end with.
const TRAILER: i16 = -1;

/// A type of a key's column whose binary form is known here.
#[derive(Clone, Copy, Debug)]
enum KeyType {
    Int2,
    Int4,
    Int8,
    Uuid,
    Text,
}

impl KeyType {
    fn of(sql_type: &str) -> Option<Self> {
        match sql_type {
            r#""pg_catalog"."int2""# => Some(Self::Int2),
            r#""pg_catalog"."int4""# => Some(Self::Int4),
            r#""pg_catalog"."int8""# => Some(Self::Int8),
            r#""pg_catalog"."uuid""# => Some(Self::Uuid),
            r#""pg_catalog"."text""# | r#""pg_catalog"."varchar""# => Some(Self::Text),
            _ => None,
        }
    }

    /// Adds a value. `None` if it is not of this type.
    fn add(self, value: &str, data: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Int2 => field(data, &value.parse::<i16>().ok()?.to_be_bytes()),
            Self::Int4 => field(data, &value.parse::<i32>().ok()?.to_be_bytes()),
            Self::Int8 => field(data, &value.parse::<i64>().ok()?.to_be_bytes()),
            Self::Uuid => field(data, Uuid::parse_str(value).ok()?.as_bytes()),
            Self::Text => field(data, value.as_bytes()),
        }
    }
}

/// The binary form of vectors that the store's column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VectorFormat {
    /// `vector`: numbers of 32 bits.
    Single,
    /// `halfvec`: numbers of 16 bits, rounded to the nearest as the database rounds them.
    Half,
}

impl VectorFormat {
    pub(crate) fn of(sql_type: &str) -> Option<Self> {
        match sql_type {
            "vector" => Some(Self::Single),
            HALFVEC => Some(Self::Half),
            _ => None,
        }
    }

    /// Adds a field: its length in bytes, in numbers, two bytes that are not used, the numbers.
    fn add(self, vector: &[f32], data: &mut Vec<u8>) -> Option<()> {
        let number = match self {
            Self::Single => 4,
            Self::Half => 2,
        };
        data.extend(i32::try_from(4 + number * vector.len()).ok()?.to_be_bytes());
        data.extend(u16::try_from(vector.len()).ok()?.to_be_bytes());
        data.extend([0, 0]);
        match self {
            Self::Single => data.extend(vector.iter().flat_map(|number| number.to_be_bytes())),
            Self::Half => data.extend(vector.iter().flat_map(|number| f16::from_f32(*number).to_be_bytes())),
        }
        Some(())
    }
}

/// A chunk for the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk<'c> {
    pub(super) key: &'c Key,
    pub(super) seq: i32,
    pub(super) text: &'c str,
    pub(super) vector: &'c [f32],
}

/// How chunks are copied into one store.
#[derive(Debug)]
pub(crate) struct Copy {
    sql: Sql,
    keys: Vec<KeyType>,
    format: VectorFormat,
}

impl Copy {
    /// `None` if a key's binary form is not known here, and chunks have to be inserted.
    pub(crate) fn new(key_sql: &KeySql, store: &str, format: VectorFormat) -> Option<Self> {
        let keys = key_sql.keys.iter().map(|key| match KeyType::of(&key.sql_type) {
            Some(KeyType::Text) if key_sql.is_bytes => None,
            kind => kind,
        });
        let columns = key_sql.columns("");
        Some(Self {
            format,
            keys: keys.collect::<Option<_>>()?,
            sql: format!("copy {store} ({columns}, chunk_seq, chunk, embedding) from stdin with (format binary)")
                .into(),
        })
    }

    pub(super) async fn add(&self, connection: &mut PgConnection, chunks: &[Chunk<'_>]) -> Result<(), DatabaseError> {
        let data = self
            .data(chunks)
            .ok_or_else(|| DatabaseError::Answer("a key that is not of its column's type".to_owned()))?;
        let mut copy = connection.copy_in_raw(&self.sql).await?;
        copy.send(data).await?;
        copy.finish().await?;
        Ok(())
    }

    fn data(&self, chunks: &[Chunk<'_>]) -> Option<Vec<u8>> {
        let size = |chunk: &Chunk<'_>| chunk.text.len() + 4 * chunk.vector.len() + 64;
        let mut data = Vec::with_capacity(chunks.iter().map(size).sum());
        data.extend(HEADER);
        let fields = i16::try_from(self.keys.len() + 3).ok()?;
        for chunk in chunks {
            data.extend(fields.to_be_bytes());
            for (kind, value) in self.keys.iter().zip(chunk.key) {
                kind.add(value, &mut data)?;
            }
            field(&mut data, &chunk.seq.to_be_bytes())?;
            field(&mut data, chunk.text.as_bytes())?;
            self.format.add(chunk.vector, &mut data)?;
        }
        data.extend(TRAILER.to_be_bytes());
        Some(data)
    }
}

fn field(data: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    data.extend(i32::try_from(bytes.len()).ok()?.to_be_bytes());
    data.extend(bytes);
    Some(())
}
