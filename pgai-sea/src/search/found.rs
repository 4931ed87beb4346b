//! What a search finds: chunks, chunks with their rows, or rows.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, FromQueryResult, Iden, IdenStatic, Iterable, QueryResult, RelationDef};

use super::hit::{CHUNK, Chunk, Hit, HitWithSource, RowHit, SOURCE, distance};
use crate::entity::{EmbeddingTrait, SourceKey};

/// An entity with a column of vectors: a companion, or with `destination = "column"` the source itself.
///
/// `#[derive(Vectorizer)]` implements it for the latter; every [`EmbeddingTrait`] has it.
pub trait SearchableTrait: EntityTrait {
    /// What a search finds: [`Chunks`] or [`Rows`].
    type Found: Found<Self>;

    /// The length of the vectors.
    const DIMENSIONS: usize;

    /// The column of vectors.
    fn embedding_column() -> Self::Column;
}

impl<E: EmbeddingTrait> SearchableTrait for E {
    type Found = Chunks;

    const DIMENSIONS: usize = <E as EmbeddingTrait>::DIMENSIONS;

    fn embedding_column() -> Self::Column {
        <E as EmbeddingTrait>::embedding_column()
    }
}

/// A [`Search`](super::Search) finds chunks.
#[derive(Clone, Copy, Debug)]
pub enum Chunks {}

/// A [`Search`](super::Search) finds chunks with the rows that they belong to.
#[derive(Clone, Copy, Debug)]
pub enum WithSource {}

/// A [`Search`](super::Search) finds rows, by a vector of their own.
#[derive(Clone, Copy, Debug)]
pub enum Rows {}

/// What is selected for a hit, and how it is read. [`Chunks`], [`WithSource`] and [`Rows`] are all there are.
pub trait Found<E: EntityTrait>: sealed::Sealed {
    /// A hit.
    type Hit;

    /// The columns, named so that they can be told apart; the vector only if `vectors`.
    #[doc(hidden)]
    fn columns(vectors: bool) -> Vec<(Expr, String)>;

    /// Where conditions on the source find it: `None` where it is what is searched. `filtered`: there are conditions.
    #[doc(hidden)]
    fn join(filtered: bool) -> Option<RelationDef>;

    /// What has to hold of a row for it to be a hit at all.
    #[doc(hidden)]
    fn only() -> Option<Expr> {
        None
    }

    #[doc(hidden)]
    fn read(row: &QueryResult, vectors: bool) -> Result<Self::Hit, DbErr>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Chunks {}
    impl Sealed for super::WithSource {}
    impl Sealed for super::Rows {}
}

fn named<C: ColumnTrait>(prefix: &str, column: C) -> (Expr, String) {
    let name = format!("{prefix}{}", Iden::to_string(&column));
    (column.select_as(column.into_expr()), name)
}

impl<E: EmbeddingTrait> Found<E> for Chunks {
    type Hit = Hit<SourceKey<E>>;

    fn columns(vectors: bool) -> Vec<(Expr, String)> {
        let mut columns = vec![E::uuid_column()];
        columns.extend(E::key_columns());
        columns.extend([E::chunk_seq_column(), E::chunk_column()]);
        columns.extend(vectors.then(<E as EmbeddingTrait>::embedding_column));
        columns.into_iter().map(|column| named(CHUNK, column)).collect()
    }

    fn join(filtered: bool) -> Option<RelationDef> {
        filtered.then(E::source_relation)
    }

    fn read(row: &QueryResult, vectors: bool) -> Result<Self::Hit, DbErr> {
        Ok(Hit {
            distance: distance(row)?,
            embedding: Chunk::read::<E>(row, vectors)?,
        })
    }
}

impl<E: EmbeddingTrait> Found<E> for WithSource {
    type Hit = HitWithSource<SourceKey<E>, <E::Source as EntityTrait>::Model>;

    fn columns(vectors: bool) -> Vec<(Expr, String)> {
        let mut columns = <Chunks as Found<E>>::columns(vectors);
        columns.extend(<E::Source as EntityTrait>::Column::iter().map(|column| named(SOURCE, column)));
        columns
    }

    fn join(_: bool) -> Option<RelationDef> {
        Some(E::source_relation())
    }

    fn read(row: &QueryResult, vectors: bool) -> Result<Self::Hit, DbErr> {
        Ok(HitWithSource {
            distance: distance(row)?,
            embedding: Chunk::read::<E>(row, vectors)?,
            source: FromQueryResult::from_query_result(row, SOURCE)?,
        })
    }
}

impl<E: SearchableTrait<Found = Rows>> Found<E> for Rows {
    type Hit = RowHit<E::Model>;

    fn columns(vectors: bool) -> Vec<(Expr, String)> {
        let vector = E::embedding_column();
        E::Column::iter()
            .map(|column| match named(SOURCE, column) {
                (_, name) if !vectors && column.as_str() == vector.as_str() => (Expr::cust("NULL"), name),
                column => column,
            })
            .collect()
    }

    fn join(_: bool) -> Option<RelationDef> {
        None
    }

    /// A row that waits for its vector is at no distance.
    fn only() -> Option<Expr> {
        Some(E::embedding_column().into_expr().is_not_null())
    }

    fn read(row: &QueryResult, _: bool) -> Result<Self::Hit, DbErr> {
        Ok(RowHit {
            distance: distance(row)?,
            source: FromQueryResult::from_query_result(row, SOURCE)?,
        })
    }
}
