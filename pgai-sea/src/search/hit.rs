//! What a search finds.

use sea_orm::prelude::{PgVector, Uuid};
use sea_orm::{DbErr, Iden, QueryResult, TryGetable, TryGetableMany};
use serde::Serialize;

use crate::entity::EmbeddingTrait;

/// How a selected column is called: `c_` for the chunk's, `s_` for the source's.
pub(super) const CHUNK: &str = "c_";
pub(super) const SOURCE: &str = "s_";
pub(super) const DISTANCE: &str = "distance";

/// A chunk and its distance to the query.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hit<Key> {
    /// The distance in the search's metric; smaller is nearer.
    pub distance: f64,
    /// The chunk that was found.
    pub embedding: Chunk<Key>,
}

/// A chunk, its distance to the query, and the row that it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HitWithSource<Key, Source> {
    /// The distance in the search's metric; smaller is nearer.
    pub distance: f64,
    /// The chunk that was found.
    pub embedding: Chunk<Key>,
    /// The row of the source table.
    pub source: Source,
}

/// A row that has a vector of its own, and its distance to the query.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RowHit<Source> {
    /// The distance in the search's metric; smaller is nearer.
    pub distance: f64,
    /// The row.
    pub source: Source,
}

/// A row of the table of embeddings.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Chunk<Key> {
    /// Its own key.
    pub embedding_uuid: Uuid,
    /// The key of the source row, a tuple where that is composite.
    pub source_key: Key,
    /// Its place in the row's text, from 0.
    pub chunk_seq: i32,
    /// The text that was embedded.
    pub chunk: String,
    /// The vector, if [`with_vectors`](super::Search::with_vectors) asked for it.
    pub embedding: Option<PgVector>,
}

impl<Key: TryGetableMany> Chunk<Key> {
    pub(super) fn read<E>(row: &QueryResult, vectors: bool) -> Result<Self, DbErr>
    where
        E: EmbeddingTrait,
    {
        let name = |column: E::Column| Iden::to_string(&column);
        let keys: Vec<_> = E::key_columns().into_iter().map(name).collect();
        Ok(Self {
            embedding_uuid: row.try_get(CHUNK, &name(E::uuid_column()))?,
            source_key: Key::try_get_many(row, CHUNK, &keys)?,
            chunk_seq: row.try_get(CHUNK, &name(E::chunk_seq_column()))?,
            chunk: row.try_get(CHUNK, &name(E::chunk_column()))?,
            embedding: if vectors {
                Some(row.try_get(CHUNK, &name(E::embedding_column()))?)
            } else {
                None
            },
        })
    }
}

/// Under the cosine metric a zero vector has no direction: its distance is NaN, which PostgreSQL sorts last.
pub(super) fn distance(row: &QueryResult) -> Result<f64, DbErr> {
    f64::try_get_by(row, DISTANCE).map_err(Into::into)
}
