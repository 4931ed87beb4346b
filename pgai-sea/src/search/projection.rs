//! What a search returns: chunks, chunks with their rows, rows, or a partial model of them.

use std::marker::PhantomData;

use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, Iden, IdenStatic, Iterable, PartialModelTrait, QueryResult,
    QuerySelect,
};

use super::hit::{CHUNK, Chunk, Hit, HitWithSource, PARTIAL, PartialHit, RowHit, SOURCE, distance};
use super::neighbours::Neighbour;
use crate::entity::{EmbeddingTrait, Place, SourceKey};

/// A row of the source: what [`with_source`](super::Search::with_source) adds to a hit.
pub type SourceModel<E> = <<E as EmbeddingTrait>::Source as EntityTrait>::Model;

/// A [`Search`](super::Search) returns chunks.
#[derive(Clone, Copy, Debug)]
pub enum Chunks {}

/// A [`Search`](super::Search) returns chunks with the rows that they belong to.
#[derive(Clone, Copy, Debug)]
pub enum WithSource {}

/// A [`Search`](super::Search) returns rows that have a vector of their own.
#[derive(Clone, Copy, Debug)]
pub enum SourceRows {}

/// A [`Search`](super::Search) returns the columns of a partial model `P`, of embeddings and their rows.
#[derive(Clone, Copy, Debug)]
pub struct Partial<P>(PhantomData<P>);

/// The columns of a hit: [`Chunks`], [`WithSource`], [`SourceRows`] or [`Partial`]. The trait is sealed.
pub trait Projection<E: EntityTrait>: sealed::Sealed {
    /// The hit that is read from a row.
    type Hit;

    /// Whether a hit has columns of the source row.
    #[doc(hidden)]
    const JOINS_SOURCE: bool = false;

    /// Adds the columns under names of their own. The vector is among them if `vectors` has its expression.
    #[doc(hidden)]
    fn select(columns: &mut SelectStatement, vectors: Option<&Expr>);

    #[doc(hidden)]
    fn read(row: &QueryResult, vectors: bool) -> Result<Self::Hit, DbErr>;

    /// Gives the hit the chunks around it.
    #[doc(hidden)]
    fn surround(_: &mut Self::Hit, _: Vec<Neighbour>) {}

    /// Tells the hit where it is in the text of its row.
    #[doc(hidden)]
    fn place(_: &mut Self::Hit, _: Option<Place>) {}

    /// Tells the hit whether its row waits to be embedded anew.
    #[doc(hidden)]
    fn wait(_: &mut Self::Hit, _: Option<bool>) {}
}

pub(super) use sealed::Sealed;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Chunks {}
    impl Sealed for super::WithSource {}
    impl Sealed for super::SourceRows {}
    impl<P> Sealed for super::Partial<P> {}
    impl Sealed for super::Distances {}
}

fn named<C: ColumnTrait>(prefix: &str, column: C) -> (Expr, String) {
    let name = format!("{prefix}{}", Iden::to_string(&column));
    (column.select_as(column.into_expr()), name)
}

/// The same for a column whose value is `value`.
fn holding<C: ColumnTrait>(prefix: &str, column: C, value: &Expr) -> (Expr, String) {
    let (_, name) = named(prefix, column);
    (column.select_as(value.clone()), name)
}

fn add(columns: &mut SelectStatement, (column, name): (Expr, String)) {
    columns.expr_as(column, name);
}

impl<E: EmbeddingTrait> Projection<E> for Chunks {
    type Hit = Hit<SourceKey<E>>;

    fn select(columns: &mut SelectStatement, vectors: Option<&Expr>) {
        let mut chunk = Vec::from_iter(E::uuid_column());
        chunk.extend(E::key_columns());
        chunk.extend(E::chunk_seq_column());
        chunk.extend(E::chunk_column());
        for column in chunk {
            add(columns, named(CHUNK, column));
        }
        if let Some(vector) = vectors {
            // a `vector` whatever the column is of, and whatever the entity selects it as
            let (_, name) = named(CHUNK, E::embedding_column());
            add(columns, (vector.clone(), name));
        }
    }

    fn read(row: &QueryResult, vectors: bool) -> Result<Self::Hit, DbErr> {
        Ok(Hit {
            distance: distance(row)?,
            embedding: Chunk::read::<E>(row, vectors)?,
            waiting: None,
        })
    }

    fn surround(hit: &mut Self::Hit, neighbours: Vec<Neighbour>) {
        hit.embedding.neighbours = neighbours;
    }

    fn place(hit: &mut Self::Hit, place: Option<Place>) {
        hit.embedding.place = place;
    }

    fn wait(hit: &mut Self::Hit, waiting: Option<bool>) {
        hit.waiting = waiting;
    }
}

impl<E: EmbeddingTrait> Projection<E> for WithSource {
    type Hit = HitWithSource<SourceKey<E>, SourceModel<E>>;

    const JOINS_SOURCE: bool = true;

    fn select(columns: &mut SelectStatement, vectors: Option<&Expr>) {
        <Chunks as Projection<E>>::select(columns, vectors);
        for column in <<E as EmbeddingTrait>::Source as EntityTrait>::Column::iter() {
            add(columns, named(SOURCE, column));
        }
    }

    fn read(row: &QueryResult, vectors: bool) -> Result<Self::Hit, DbErr> {
        Ok(HitWithSource {
            distance: distance(row)?,
            embedding: Chunk::read::<E>(row, vectors)?,
            source: FromQueryResult::from_query_result(row, SOURCE)?,
            waiting: None,
        })
    }

    fn surround(hit: &mut Self::Hit, neighbours: Vec<Neighbour>) {
        hit.embedding.neighbours = neighbours;
    }

    fn place(hit: &mut Self::Hit, place: Option<Place>) {
        hit.embedding.place = place;
    }

    fn wait(hit: &mut Self::Hit, waiting: Option<bool>) {
        hit.waiting = waiting;
    }
}

impl<E: EmbeddingTrait> Projection<E> for SourceRows {
    type Hit = RowHit<E::Model>;

    fn select(columns: &mut SelectStatement, vectors: Option<&Expr>) {
        let vector = E::embedding_column();
        for column in E::Column::iter() {
            let selected = named(SOURCE, column);
            let selected = match vectors {
                _ if column.as_str() != vector.as_str() => selected,
                Some(vector) => holding(SOURCE, column, vector),
                None => (Expr::cust("NULL"), selected.1),
            };
            add(columns, selected);
        }
    }

    fn read(row: &QueryResult, _: bool) -> Result<Self::Hit, DbErr> {
        Ok(RowHit {
            distance: distance(row)?,
            source: FromQueryResult::from_query_result(row, SOURCE)?,
            waiting: None,
        })
    }

    fn wait(hit: &mut Self::Hit, waiting: Option<bool>) {
        hit.waiting = waiting;
    }
}

impl<E: EmbeddingTrait, P: PartialModelTrait> Projection<E> for Partial<P> {
    type Hit = PartialHit<P>;

    const JOINS_SOURCE: bool = true;

    fn select(columns: &mut SelectStatement, _: Option<&Expr>) {
        P::select_cols_nested(Selecting(columns), Some(PARTIAL), None);
    }

    fn read(row: &QueryResult, _: bool) -> Result<Self::Hit, DbErr> {
        Ok(PartialHit {
            distance: distance(row)?,
            row: P::from_query_result(row, PARTIAL)?,
            waiting: None,
        })
    }

    fn wait(hit: &mut Self::Hit, waiting: Option<bool>) {
        hit.waiting = waiting;
    }
}

/// A search returns distances and nothing else, for measurements.
#[derive(Clone, Copy, Debug)]
pub(super) enum Distances {}

impl<E: EmbeddingTrait> Projection<E> for Distances {
    type Hit = f64;

    fn select(_: &mut SelectStatement, _: Option<&Expr>) {}

    fn read(row: &QueryResult, _: bool) -> Result<f64, DbErr> {
        distance(row)
    }
}

/// Lets a partial model add its columns to our statement.
struct Selecting<'a>(&'a mut SelectStatement);

impl QuerySelect for Selecting<'_> {
    type QueryStatement = SelectStatement;

    fn query(&mut self) -> &mut SelectStatement {
        self.0
    }
}
