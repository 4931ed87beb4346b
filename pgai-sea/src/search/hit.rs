//! Hits: what a search returns.

use sea_orm::prelude::{PgVector, Uuid};
use sea_orm::{DbErr, Iden, QueryResult, TryGetableMany};
use serde::Serialize;

use super::error::SearchError;
use super::neighbours::Neighbour;
use crate::entity::{EmbeddingTrait, Place};

/// Prefixes of the selected columns: the chunk's, the source's, a partial model's.
pub(super) const CHUNK: &str = "c_";
pub(super) const SOURCE: &str = "s_";
pub(super) const PARTIAL: &str = "p_";
pub(super) const DISTANCE: &str = "distance";
/// The columns that diversity is measured by: the cosine distance, and the stored vector.
pub(super) const COSINE: &str = "v_cosine";
pub(super) const VECTOR: &str = "v_embedding";

/// A chunk and its distance to the query.
///
/// A test of your application can build one:
///
/// ```
/// use pgai_sea::search::{Chunk, Hit, Hits};
///
/// fn best(hits: &Hits<Hit<i32>>) -> Option<&str> {
///     hits.first().map(|hit| hit.embedding.chunk.as_str())
/// }
///
/// let hits: Hits<_> = vec![
///     Hit::new(Chunk::new(7, 0, "The lighthouse stands on a cliff."), 0.12),
///     Hit::new(Chunk::new(9, 2, "Its keeper rows to the mainland."), 0.31),
/// ]
/// .into();
/// assert_eq!(best(&hits), Some("The lighthouse stands on a cliff."));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hit<Key> {
    /// The distance in the search's metric. A smaller distance is nearer.
    pub distance: f64,
    /// The chunk.
    pub embedding: Chunk<Key>,
    /// Whether the row waits to be embedded anew, so that its text may be newer than what was found. `None` unless
    /// [`with_freshness`](super::Search::with_freshness) asked, and where the role may not read the queue.
    pub waiting: Option<bool>,
}

impl<Key> Hit<Key> {
    /// A hit, for tests.
    pub fn new(embedding: Chunk<Key>, distance: f64) -> Self {
        Self {
            distance,
            embedding,
            waiting: None,
        }
    }
}

/// A chunk, its distance to the query, and the row that it belongs to.
///
/// ```
/// use pgai_sea::search::{Chunk, HitWithSource};
///
/// let hit = HitWithSource::new(Chunk::new(7, 0, "It stands on a cliff."), "the row", 0.12);
/// assert_eq!((hit.source, hit.embedding.source_key), ("the row", 7));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HitWithSource<Key, Source> {
    /// The distance in the search's metric. A smaller distance is nearer.
    pub distance: f64,
    /// The chunk.
    pub embedding: Chunk<Key>,
    /// The row of the source table.
    pub source: Source,
    /// Whether the row waits to be embedded anew, so that its text may be newer than what was found. `None` unless
    /// [`with_freshness`](super::Search::with_freshness) asked, and where the role may not read the queue.
    pub waiting: Option<bool>,
}

impl<Key, Source> HitWithSource<Key, Source> {
    /// A hit, for tests.
    pub fn new(embedding: Chunk<Key>, source: Source, distance: f64) -> Self {
        Self {
            distance,
            embedding,
            source,
            waiting: None,
        }
    }
}

/// A row that has a vector of its own, and its distance to the query.
///
/// ```
/// let hit = pgai_sea::search::RowHit::new("the row", 0.12);
/// assert_eq!((hit.source, hit.distance), ("the row", 0.12));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RowHit<Source> {
    /// The distance in the search's metric. A smaller distance is nearer.
    pub distance: f64,
    /// The row.
    pub source: Source,
    /// Whether the row waits to be embedded anew, so that its text may be newer than what was found. `None` unless
    /// [`with_freshness`](super::Search::with_freshness) asked, and where the role may not read the queue.
    pub waiting: Option<bool>,
}

impl<Source> RowHit<Source> {
    /// A hit, for tests.
    pub fn new(source: Source, distance: f64) -> Self {
        Self {
            distance,
            source,
            waiting: None,
        }
    }
}

/// A partial model, and its distance to the query.
///
/// ```
/// let hit = pgai_sea::search::PartialHit::new("the partial model", 0.12);
/// assert_eq!((hit.row, hit.distance), ("the partial model", 0.12));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PartialHit<P> {
    /// The distance in the search's metric. A smaller distance is nearer.
    pub distance: f64,
    /// The partial model, with columns of the embedding and its row.
    pub row: P,
    /// Whether the row waits to be embedded anew, so that its text may be newer than what was found. `None` unless
    /// [`with_freshness`](super::Search::with_freshness) asked, and where the role may not read the queue.
    pub waiting: Option<bool>,
}

impl<P> PartialHit<P> {
    /// A hit, for tests.
    pub fn new(row: P, distance: f64) -> Self {
        Self {
            distance,
            row,
            waiting: None,
        }
    }
}

/// A row of the table of embeddings.
///
/// ```
/// use pgai_sea::search::Chunk;
///
/// let mut chunk = Chunk::new((7, "en"), 0, "It stands on a cliff.");
/// chunk.embedding = Some(vec![0.5, 1.0].into());
/// assert_eq!((chunk.source_key, chunk.embedding_uuid.is_nil()), ((7, "en"), true));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Chunk<Key> {
    /// The chunk's own key.
    pub embedding_uuid: Uuid,
    /// The key of the source row. A composite key is a tuple.
    pub source_key: Key,
    /// The chunk's place in the text of the row, from 0.
    pub chunk_seq: i32,
    /// The text that was embedded.
    pub chunk: String,
    /// The vector. `None` unless [`with_vectors`](super::Search::with_vectors) asked for it.
    pub embedding: Option<PgVector>,
    /// The chunks around it in the text of the row, in their order. Empty unless
    /// [`with_neighbours`](super::Search::with_neighbours) asked for them.
    pub neighbours: Vec<Neighbour>,
    /// Where it is in the text of the row. `None` unless [`with_places`](super::Search::with_places) asked for it, and
    /// where the store does not say it.
    pub place: Option<Place>,
}

impl<Key> Chunk<Key> {
    /// A chunk, for tests. Its UUID is nil, and it has no vector; set the fields where they matter.
    pub fn new(source_key: Key, chunk_seq: i32, chunk: impl Into<String>) -> Self {
        Self {
            embedding_uuid: Uuid::nil(),
            source_key,
            chunk_seq,
            chunk: chunk.into(),
            embedding: None,
            neighbours: Vec::new(),
            place: None,
        }
    }
}

impl<Key: TryGetableMany> Chunk<Key> {
    /// The key of the source row, of a row with the columns of a chunk.
    pub(super) fn key<E: EmbeddingTrait>(row: &QueryResult) -> Result<Key, DbErr> {
        let name = |column: E::Column| Iden::to_string(&column);
        let keys: Vec<_> = E::key_columns().into_iter().map(name).collect();
        Ok(Key::try_get_many(row, CHUNK, &keys)?)
    }

    pub(super) fn read<E>(row: &QueryResult, vectors: bool) -> Result<Self, DbErr>
    where
        E: EmbeddingTrait,
    {
        Ok(Self {
            embedding_uuid: row.try_get(CHUNK, "embedding_uuid")?,
            source_key: Self::key::<E>(row)?,
            chunk_seq: row.try_get(CHUNK, "chunk_seq")?,
            chunk: row.try_get(CHUNK, "chunk")?,
            embedding: if vectors {
                Some(row.try_get(CHUNK, "embedding")?)
            } else {
                None
            },
            neighbours: Vec::new(),
            place: None,
        })
    }
}

/// The distance is NULL if the query vector is.
pub(super) fn distance(row: &QueryResult) -> Result<f64, DbErr> {
    let distance: Option<f64> = row.try_get("", DISTANCE)?;
    distance.ok_or_else(|| SearchError::NullQuery.into())
}
