//! Hits as the rows that a search reads, for `MockDatabase`.

use std::collections::BTreeMap;

use sea_orm::sea_query::{IntoValueTuple, Value};
use sea_orm::{EntityTrait, Iden, Iterable, ModelTrait};

use super::counting::COUNTED;
use super::freshness::WAITING;
use super::hit::{CHUNK, Chunk, DISTANCE, Hit, HitWithSource, RowHit, SOURCE};
use super::hits::Hits;
use super::places;
use super::projection::SourceModel;
use super::ranking::{COUNT, Ranked};
use super::start::Searched;
use crate::entity::{EmbeddingTrait, SourceKey};

/// A row of a `MockDatabase`: values by the names of columns.
pub type MockRow = BTreeMap<String, Value>;

/// A hit of a search on `E` that becomes a row. The trait is sealed.
pub trait MockHit<E: EmbeddingTrait>: sealed::Sealed {
    #[doc(hidden)]
    fn columns(&self, row: &mut MockRow);

    /// The row of a page without hits, if it has one.
    #[doc(hidden)]
    #[must_use]
    fn none() -> Option<MockRow> {
        None
    }
}

mod sealed {
    pub trait Sealed {}
    impl<K> Sealed for super::Hit<K> {}
    impl<K, S> Sealed for super::HitWithSource<K, S> {}
    impl<S> Sealed for super::RowHit<S> {}
    impl<H: Sealed> Sealed for super::Ranked<H> {}
}

/// The rows that the statement of a search on `E` returns, so that it finds `hits`.
///
/// ```
/// # mod blog_post { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/blog_post.rs")); }
/// use pgai_sea::search::{Chunk, Hit, Hits};
/// use pgai_sea::testing::mock_page;
///
/// let hits: Hits<_> = vec![Hit::new(Chunk::new(7, 0, "Flour, water and salt"), 0.12)].into();
/// let rows = mock_page::<blog_post::content_embeddings::Entity, _>(&hits);
/// assert_eq!(rows.len(), 1);
/// // MockDatabase::new(DatabaseBackend::Postgres).append_query_results([rows])
/// ```
///
/// A search takes one result, however many hits it has, and whatever it asks for beside them. For one that embeds with
/// [`Embedders`](crate::Embedders), [`FakeEmbedder::embedders`](crate::testing::FakeEmbedder::embedders) makes some
/// that look into no catalog. [`mock_count`] answers `count`.
#[must_use]
pub fn mock_page<E: Searched, H>(hits: &Hits<H>) -> Vec<MockRow>
where
    H: MockHit<E::Embeddings>,
{
    if hits.is_empty() {
        return H::none().into_iter().collect();
    }
    hits.iter()
        .map(|hit| {
            let mut row = H::none().unwrap_or_default();
            hit.columns(&mut row);
            row
        })
        .collect()
}

/// The row that `count` of a search reads, also of one with [`hybrid`](crate::search::Search::hybrid).
///
/// ```
/// use pgai_sea::testing::mock_count;
///
/// assert_eq!(mock_count(3).len(), 1);
/// // MockDatabase::new(DatabaseBackend::Postgres).append_query_results([mock_count(3)])
/// ```
///
/// A page of [`paginate`](crate::search::Search::paginate) takes a [page](mock_page), and its number of items a count.
#[must_use]
pub fn mock_count(hits: u64) -> Vec<MockRow> {
    let hits = i64::try_from(hits).unwrap_or(i64::MAX);
    let columns = [COUNTED, COUNT].map(|name| (name.to_owned(), hits.into()));
    vec![MockRow::from(columns)]
}

fn chunk<E: EmbeddingTrait>(chunk: &Chunk<SourceKey<E>>, row: &mut MockRow)
where
    SourceKey<E>: Clone,
{
    let mut set = |name: &str, value: Value| row.insert(format!("{CHUNK}{name}"), value);
    let key = chunk.source_key.clone().into_value_tuple();
    for (column, value) in E::key_columns().into_iter().zip(key) {
        set(&Iden::to_string(&column), value);
    }
    set("embedding_uuid", chunk.embedding_uuid.into());
    set("chunk_seq", chunk.chunk_seq.into());
    set("chunk", chunk.chunk.clone().into());
    if let Some(vector) = &chunk.embedding {
        set("embedding", vector.clone().into());
    }
    row.extend([places::mock(chunk.place.as_ref())]);
}

fn source<M: ModelTrait>(model: &M, row: &mut MockRow) {
    for column in <M::Entity as EntityTrait>::Column::iter() {
        row.insert(format!("{SOURCE}{}", Iden::to_string(&column)), model.get(column));
    }
}

impl<E: EmbeddingTrait> MockHit<E> for Hit<SourceKey<E>>
where
    SourceKey<E>: Clone,
{
    fn columns(&self, row: &mut MockRow) {
        row.insert(DISTANCE.to_owned(), self.distance.into());
        row.insert(WAITING.to_owned(), self.waiting.into());
        chunk::<E>(&self.embedding, row);
    }
}

impl<E: EmbeddingTrait> MockHit<E> for HitWithSource<SourceKey<E>, SourceModel<E>>
where
    SourceKey<E>: Clone,
{
    fn columns(&self, row: &mut MockRow) {
        row.insert(DISTANCE.to_owned(), self.distance.into());
        row.insert(WAITING.to_owned(), self.waiting.into());
        chunk::<E>(&self.embedding, row);
        source(&self.source, row);
    }
}

impl<E: EmbeddingTrait> MockHit<E> for RowHit<E::Model> {
    fn columns(&self, row: &mut MockRow) {
        row.insert(DISTANCE.to_owned(), self.distance.into());
        row.insert(WAITING.to_owned(), self.waiting.into());
        source(&self.source, row);
    }
}

impl<E: EmbeddingTrait, H: MockHit<E>> MockHit<E> for Ranked<H> {
    fn columns(&self, row: &mut MockRow) {
        self.hit.columns(row);
        self.mock_columns(row);
    }

    fn none() -> Option<MockRow> {
        let mut row = MockRow::new();
        Self::mock_status(&mut row);
        Some(row)
    }
}
