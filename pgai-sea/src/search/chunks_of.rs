//! The chunks of rows that are there already, in order and without their vectors.

use std::collections::HashMap;
use std::marker::PhantomData;

use sea_orm::sea_query::{Condition, Order, Query, Value};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, Iterable, ModelTrait, PrimaryKeyToColumn, QueryResult,
};

use super::asking::query_all;
use super::error::SearchError;
use super::hit::Chunk;
use super::places;
use super::projection::{Chunks, Projection, SourceModel};
use super::query::{is_of, key_values};
use super::refusal::Searching as _;
use super::start::Searched;
use crate::entity::{EmbeddingTrait, SourceKey};

/// The chunks of rows. [`LoadChunksTrait::chunks_of`] makes it.
#[derive(Clone, Debug)]
#[must_use = "nothing is read until `all`"]
pub struct LoadChunks<E> {
    keys: Vec<Vec<Value>>,
    vectors: bool,
    places: bool,
    entity: PhantomData<fn() -> E>,
}

/// Reads the chunks of rows.
pub trait LoadChunksTrait: EmbeddingTrait + Searched<Embeddings = Self, Projection = Chunks> {
    /// The chunks of each of `rows`, in one statement. SeaORM's own loaders return them in any order, each with its
    /// vector.
    ///
    /// ```no_run
    /// # mod blog_post { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/blog_post.rs")); }
    /// # async fn f(db: &sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
    /// # use blog_post::content_embeddings;
    /// # use sea_orm::EntityTrait;
    /// use pgai_sea::prelude::*;
    ///
    /// let posts = blog_post::Entity::find().all(db).await?;
    /// let chunks = content_embeddings::Entity::chunks_of(&posts).all(db).await?;
    /// for (post, chunks) in posts.iter().zip(&chunks) {
    ///     println!("{}: {} chunks", post.title, chunks.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    fn chunks_of<'m>(rows: impl IntoIterator<Item = &'m SourceModel<Self>>) -> LoadChunks<Self>
    where
        SourceModel<Self>: 'm;
}

impl<E: EmbeddingTrait + Searched<Embeddings = E, Projection = Chunks>> LoadChunksTrait for E {
    fn chunks_of<'m>(rows: impl IntoIterator<Item = &'m SourceModel<E>>) -> LoadChunks<E>
    where
        SourceModel<E>: 'm,
    {
        let columns: Vec<_> = <E::Source as EntityTrait>::PrimaryKey::iter()
            .map(PrimaryKeyToColumn::into_column)
            .collect();
        let key = |row: &SourceModel<E>| columns.iter().map(|column| row.get(*column)).collect();
        LoadChunks {
            keys: rows.into_iter().map(key).collect(),
            vectors: false,
            places: false,
            entity: PhantomData,
        }
    }
}

impl<E: EmbeddingTrait + Searched<Embeddings = E, Projection = Chunks>> LoadChunks<E> {
    /// Returns the vectors too.
    pub fn with_vectors(mut self) -> Self {
        self.vectors = true;
        self
    }

    /// Returns where each chunk is in the text of its row too, as far as the store says it.
    pub fn with_places(mut self) -> Self {
        self.places = true;
        self
    }

    /// Reads them: for each row its chunks, in the order of its text. A row without embeddings has none.
    ///
    /// # Errors
    ///
    /// [`SearchError::Db`].
    pub async fn all<C: ConnectionTrait>(self, db: &C) -> Result<Vec<Vec<Chunk<SourceKey<E>>>>, SearchError> {
        if self.keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut select = Query::select();
        let embedding = E::embedding_column().into_expr();
        <Chunks as Projection<E>>::select(&mut select, self.vectors.then_some(&embedding));
        let of_any = match E::key_columns()[..] {
            [column] => Condition::all().add(column.is_in(self.keys.iter().map(|key| key[0].clone()))),
            _ => self
                .keys
                .iter()
                .fold(Condition::any(), |any, key| any.add(is_of::<E>(key))),
        };
        select.from(E::default().table_ref()).cond_where(of_any);
        if self.places {
            places::select::<E>(&mut select, None, E::default().table_ref());
        }
        if let Some(seq) = E::chunk_seq_column() {
            select.order_by((E::default(), seq), Order::Asc);
        }
        let rows = query_all(db, &select).await.searching::<E>()?;
        let mut by_key: HashMap<String, Vec<&QueryResult>> = HashMap::new();
        for row in &rows {
            let key: SourceKey<E> = Chunk::key::<E>(row).searching::<E>()?;
            by_key.entry(name(&key_values(key))).or_default().push(row);
        }
        let chunks = |key: &Vec<Value>| {
            let rows = by_key.get(&name(key)).into_iter().flatten();
            rows.map(|row| {
                let mut chunk = Chunk::read::<E>(row, self.vectors)?;
                if self.places {
                    chunk.place = places::read(row)?;
                }
                Ok(chunk)
            })
            .collect()
        };
        let chunks: Result<_, DbErr> = self.keys.iter().map(chunks).collect();
        chunks.searching::<E>()
    }
}

/// A key as it is looked up by.
fn name(key: &[Value]) -> String {
    format!("{key:?}")
}
