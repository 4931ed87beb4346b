//! What a search returns: chunks, chunks with their rows, rows, or a partial model of them.

use std::marker::PhantomData;

use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, Iden, IdenStatic, Iterable, PartialModelTrait,
    PrimaryKeyToColumn, PrimaryKeyTrait, QueryResult, QuerySelect, RelationDef,
};

use super::hit::{CHUNK, Chunk, Hit, HitWithSource, PARTIAL, PartialHit, RowHit, SOURCE, distance};
use crate::entity::{EmbeddingTrait, SourceKey};

/// An entity with a column of vectors: a companion, or with `destination = "column"` the source itself.
///
/// `#[derive(Vectorizer)]` implements it for the latter; every [`EmbeddingTrait`] has it.
pub trait SearchableTrait: EntityTrait {
    /// What a search returns: [`Chunks`] or [`SourceRows`].
    type Projection: Projection<Self>;

    /// The entity that is searched for: the companion's source, or the entity itself.
    type Source: EntityTrait;

    /// The length of the vectors.
    const DIMENSIONS: usize;

    /// The column of vectors.
    fn embedding_column() -> Self::Column;

    /// From a vector to the row that it belongs to. `None`: it is in that row.
    #[must_use]
    fn source_relation() -> Option<RelationDef> {
        None
    }

    /// The columns, of this entity's table, that hold the source's key in the order of its primary key.
    #[must_use]
    fn source_key() -> Vec<Self::Column>;

    /// The columns that tell the rows of this entity's table apart.
    #[must_use]
    fn identity() -> Vec<Self::Column> {
        Self::source_key()
    }

    /// The text of a chunk, where there are chunks.
    #[must_use]
    fn chunk() -> Option<Self::Column> {
        None
    }

    /// The place of a chunk in its row, where a row has several.
    #[must_use]
    fn chunk_seq() -> Option<Self::Column> {
        None
    }
}

/// The key of the row that a search is for: `i32`, `Uuid`, or a tuple for a composite key.
pub type FoundKey<E> = <<<E as SearchableTrait>::Source as EntityTrait>::PrimaryKey as PrimaryKeyTrait>::ValueType;

/// A row of the source: what [`with_source`](super::Search::with_source) adds to a hit.
pub type SourceModel<E> = <<E as EmbeddingTrait>::Source as EntityTrait>::Model;

impl<E: EmbeddingTrait> SearchableTrait for E {
    type Projection = Chunks;
    type Source = <E as EmbeddingTrait>::Source;

    const DIMENSIONS: usize = <E as EmbeddingTrait>::DIMENSIONS;

    fn embedding_column() -> Self::Column {
        <E as EmbeddingTrait>::embedding_column()
    }

    fn source_relation() -> Option<RelationDef> {
        Some(<E as EmbeddingTrait>::source_relation())
    }

    fn source_key() -> Vec<Self::Column> {
        E::key_columns()
    }

    fn identity() -> Vec<Self::Column> {
        vec![E::uuid_column()]
    }

    fn chunk() -> Option<Self::Column> {
        Some(E::chunk_column())
    }

    fn chunk_seq() -> Option<Self::Column> {
        Some(E::chunk_seq_column())
    }
}

/// The columns of an entity's primary key, in their order.
#[doc(hidden)]
pub fn primary_key<E: EntityTrait>() -> Vec<E::Column> {
    E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect()
}

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

    /// Adds the columns under names of their own. The vector is among them if `vectors`.
    #[doc(hidden)]
    fn select(columns: &mut SelectStatement, vectors: bool);

    #[doc(hidden)]
    fn read(row: &QueryResult, vectors: bool) -> Result<Self::Hit, DbErr>;
}

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

fn add(columns: &mut SelectStatement, (column, name): (Expr, String)) {
    columns.expr_as(column, name);
}

impl<E: EmbeddingTrait> Projection<E> for Chunks {
    type Hit = Hit<SourceKey<E>>;

    fn select(columns: &mut SelectStatement, vectors: bool) {
        let mut chunk = vec![E::uuid_column()];
        chunk.extend(E::key_columns());
        chunk.extend([E::chunk_seq_column(), E::chunk_column()]);
        chunk.extend(vectors.then(<E as EmbeddingTrait>::embedding_column));
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

impl<E: EmbeddingTrait> Projection<E> for WithSource {
    type Hit = HitWithSource<SourceKey<E>, SourceModel<E>>;

    const JOINS_SOURCE: bool = true;

    fn select(columns: &mut SelectStatement, vectors: bool) {
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
        })
    }
}

impl<E: SearchableTrait<Projection = SourceRows>> Projection<E> for SourceRows {
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

impl<E: SearchableTrait, P: PartialModelTrait> Projection<E> for Partial<P> {
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

/// A search returns distances and nothing else, for measurements.
#[derive(Clone, Copy, Debug)]
pub(super) enum Distances {}

impl<E: SearchableTrait> Projection<E> for Distances {
    type Hit = f64;

    fn select(_: &mut SelectStatement, _: bool) {}

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
