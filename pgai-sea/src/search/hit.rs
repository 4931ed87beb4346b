//! What a search finds.

use sea_orm::prelude::{PgVector, Uuid};
use sea_orm::{DbErr, Iden, QueryResult, TryGetableMany};
use serde::Serialize;

use super::error::SearchError;
use crate::entity::EmbeddingTrait;

/// How a selected column is called: `c_` for the chunk's, `s_` for the source's, `p_` for a partial model's.
pub(super) const CHUNK: &str = "c_";
pub(super) const SOURCE: &str = "s_";
pub(super) const PARTIAL: &str = "p_";
pub(super) const DISTANCE: &str = "distance";
/// What diversity is measured by: the cosine distance, and the stored vector.
pub(super) const COSINE: &str = "v_cosine";
pub(super) const VECTOR: &str = "v_embedding";

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

/// A partial model, and its distance to the query.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PartialHit<P> {
    /// The distance in the search's metric; smaller is nearer.
    pub distance: f64,
    /// What the partial model has of the embedding and its row.
    pub row: P,
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
            embedding_uuid: row.try_get(CHUNK, "embedding_uuid")?,
            source_key: Key::try_get_many(row, CHUNK, &keys)?,
            chunk_seq: row.try_get(CHUNK, "chunk_seq")?,
            chunk: row.try_get(CHUNK, "chunk")?,
            embedding: if vectors {
                Some(row.try_get(CHUNK, "embedding")?)
            } else {
                None
            },
        })
    }
}

/// NULL only where the query's own vector is: nothing stored is at no distance.
pub(super) fn distance(row: &QueryResult) -> Result<f64, DbErr> {
    let distance: Option<f64> = row.try_get("", DISTANCE)?;
    distance.ok_or_else(|| SearchError::NullQuery.into())
}
