//! What a search finds: chunks, chunks with their rows, rows, or a partial model of them.

use std::marker::PhantomData;

use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, Iden, IdenStatic, Iterable, PartialModelTrait, QueryResult,
    QuerySelect,
};

use super::hit::{CHUNK, Chunk, Hit, HitWithSource, PARTIAL, PartialHit, RowHit, SOURCE, distance};
use crate::entity::{EmbeddingTrait, SourceKey};

/// A [`Search`](super::Search) finds chunks.
#[derive(Clone, Copy, Debug)]
pub enum Chunks {}

/// A [`Search`](super::Search) finds chunks with the rows that they belong to.
#[derive(Clone, Copy, Debug)]
pub enum WithSource {}

/// A [`Search`](super::Search) finds rows, by a vector of their own.
#[derive(Clone, Copy, Debug)]
pub enum Rows {}

/// A [`Search`](super::Search) finds what a partial model `P` has of the embeddings and their rows.
#[derive(Clone, Copy, Debug)]
pub struct Partial<P>(PhantomData<P>);

/// What is selected for a hit, and how it is read. [`Chunks`], [`WithSource`], [`Rows`] and [`Partial`] are all there are.
pub trait Found<E: EntityTrait>: sealed::Sealed {
    /// A hit.
    type Hit;

    /// Whether the row that a vector belongs to is part of a hit.
    #[doc(hidden)]
    const JOINS_SOURCE: bool = false;

    /// Adds the columns, named so that they can be told apart; the vector only if `vectors`.
    #[doc(hidden)]
    fn select(columns: &mut SelectStatement, vectors: bool);

    #[doc(hidden)]
    fn read(row: &QueryResult, vectors: bool) -> Result<Self::Hit, DbErr>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Chunks {}
    impl Sealed for super::WithSource {}
    impl Sealed for super::Rows {}
    impl<P> Sealed for super::Partial<P> {}
    impl Sealed for super::Distances {}
}

fn named<C: ColumnTrait>(prefix: &str, column: C) -> (Expr, String) {
    let name = format!("{prefix}{}", Iden::to_string(&column));
    (column.select_as(column.into_expr()), name)
}

fn add(columns: &mut SelectStatement, (column, name): (Expr, String)) {
    columns.expr_as(column, name);
}

impl<E: EmbeddingTrait> Found<E> for Chunks {
    type Hit = Hit<SourceKey<E>>;

    fn select(columns: &mut SelectStatement, vectors: bool) {
        let mut chunk = Vec::from_iter(E::uuid_column());
        chunk.extend(E::key_columns());
        chunk.extend(E::chunk_seq_column());
        chunk.extend(E::chunk_column());
        chunk.extend(vectors.then(E::embedding_column));
        for column in chunk {
            add(columns, named(CHUNK, column));
        }
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

    const JOINS_SOURCE: bool = true;

    fn select(columns: &mut SelectStatement, vectors: bool) {
        <Chunks as Found<E>>::select(columns, vectors);
        for column in <<E as EmbeddingTrait>::Source as EntityTrait>::Column::iter() {
            add(columns, named(SOURCE, column));
        }
    }

    fn read(row: &QueryResult, vectors: bool) -> Result<Self::Hit, DbErr> {
        Ok(HitWithSource {
            distance: distance(row)?,
            embedding: Chunk::read::<E>(row, vectors)?,
            source: FromQueryResult::from_query_result(row, SOURCE)?,
        })
    }
}

impl<E: EmbeddingTrait> Found<E> for Rows {
    type Hit = RowHit<E::Model>;

    fn select(columns: &mut SelectStatement, vectors: bool) {
        let vector = E::embedding_column();
        for column in E::Column::iter() {
            let (mut value, name) = named(SOURCE, column);
            if !vectors && column.as_str() == vector.as_str() {
                value = Expr::cust("NULL");
            }
            add(columns, (value, name));
        }
    }

    fn read(row: &QueryResult, _: bool) -> Result<Self::Hit, DbErr> {
        Ok(RowHit {
            distance: distance(row)?,
            source: FromQueryResult::from_query_result(row, SOURCE)?,
        })
    }
}

impl<E: EmbeddingTrait, P: PartialModelTrait> Found<E> for Partial<P> {
    type Hit = PartialHit<P>;

    const JOINS_SOURCE: bool = true;

    fn select(columns: &mut SelectStatement, _: bool) {
        P::select_cols_nested(Selecting(columns), Some(PARTIAL), None);
    }

    fn read(row: &QueryResult, _: bool) -> Result<Self::Hit, DbErr> {
        Ok(PartialHit {
            distance: distance(row)?,
            row: P::from_query_result(row, PARTIAL)?,
        })
    }
}

/// A search finds distances, and nothing else of the rows. For measurements.
#[derive(Clone, Copy, Debug)]
pub(super) enum Distances {}

impl<E: EmbeddingTrait> Found<E> for Distances {
    type Hit = f64;

    fn select(_: &mut SelectStatement, _: bool) {}

    fn read(row: &QueryResult, _: bool) -> Result<f64, DbErr> {
        distance(row)
    }
}

/// Lets a partial model add its columns to a statement of ours.
struct Selecting<'a>(&'a mut SelectStatement);

impl QuerySelect for Selecting<'_> {
    type QueryStatement = SelectStatement;

    fn query(&mut self) -> &mut SelectStatement {
        self.0
    }
}
