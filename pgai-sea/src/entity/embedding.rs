//! The entity that holds embeddings.

use sea_orm::{EntityTrait, PrimaryKeyTrait, RelationDef};

use super::declaration::{Declaration, DeclaredDestination};
use crate::vectorizer::{ChangeVectorizer, CreateVectorizer, VectorizerRef};

/// The key of a source row, as SeaORM types it: `i32`, `Uuid`, or a tuple for a composite key.
pub type SourceKey<E> = <<<E as EmbeddingTrait>::Source as EntityTrait>::PrimaryKey as PrimaryKeyTrait>::ValueType;

/// Only the derive implements it.
#[doc(hidden)]
pub trait Sealed {}

/// An entity that holds embeddings: a companion, whose rows are chunks, or with `destination = "column"` the source
/// itself.
///
/// `#[derive(Vectorizer)]` implements it, and nothing else does.
#[diagnostic::on_unimplemented(
    message = "`{Self}` holds no embeddings",
    label = "neither a companion nor an entity with a column of vectors",
    note = "a `#[vectorizer(..)]` on the field `content` writes the companion `content_embeddings::Entity`: name that",
    note = "with `destination = \"column\"` in the attribute, the model's own entity holds the embeddings"
)]
pub trait EmbeddingTrait: EntityTrait + Sealed {
    /// The entity whose text is embedded. For a column destination it is this entity.
    type Source: EntityTrait;

    /// What the attribute says.
    const DECLARATION: Declaration;

    /// The length of the vectors.
    const DIMENSIONS: usize = Self::DECLARATION.dimensions as usize;

    /// The vectorizer that the attribute declares, for a migration: source, loading column and destination, and what
    /// the attribute has of `embedding`, `chunking`, `formatting` and `indexing`.
    ///
    /// Add what the attribute leaves out with the builder's setters. The builder refuses an `embedding` whose
    /// dimensions are not the attribute's.
    fn vectorizer() -> CreateVectorizer;

    /// The column of the source whose text is embedded.
    fn source_column() -> <Self::Source as EntityTrait>::Column;

    /// The column of vectors.
    fn embedding_column() -> Self::Column;

    /// The columns of this entity's table that hold the source row's key, in the order of the source's primary key.
    fn key_columns() -> Vec<Self::Column>;

    /// `embedding_uuid`, a chunk's own key. Only a companion has it.
    #[must_use]
    fn uuid_column() -> Option<Self::Column> {
        None
    }

    /// `chunk_seq`, a chunk's place in its row, from 0. Only a companion has it.
    #[must_use]
    fn chunk_seq_column() -> Option<Self::Column> {
        None
    }

    /// `chunk`, the text that was embedded. Only a companion has it.
    #[must_use]
    fn chunk_column() -> Option<Self::Column> {
        None
    }

    /// From a chunk to the row it belongs to. No foreign key stands behind it. Only a companion has it.
    #[must_use]
    fn source_relation() -> Option<RelationDef> {
        None
    }

    /// The columns that tell the rows of this entity's table apart.
    #[doc(hidden)]
    #[must_use]
    fn identity() -> Vec<Self::Column> {
        Self::uuid_column().map_or_else(Self::key_columns, |uuid| vec![uuid])
    }
}

/// The vectorizer that the entity declares, found in the catalog by where its embeddings go.
impl<E: EmbeddingTrait> From<E> for VectorizerRef {
    fn from(_: E) -> Self {
        let declared = E::DECLARATION;
        match declared.destination {
            DeclaredDestination::Table {
                target_schema,
                target_table,
                ..
            } => Self::Destination {
                schema: target_schema.map(str::to_owned),
                table: target_table.to_owned(),
                column: None,
            },
            DeclaredDestination::Column { embedding_column } => Self::Destination {
                schema: declared.source_schema.map(str::to_owned),
                table: declared.source_table.to_owned(),
                column: Some(embedding_column.to_owned()),
            },
        }
    }
}

/// The change that gives the vectorizer in use what the attribute has of `parsing`, `embedding`, `chunking`,
/// `formatting` and `indexing`.
impl<E: EmbeddingTrait> From<E> for ChangeVectorizer {
    fn from(entity: E) -> Self {
        E::vectorizer().change_of(entity.into())
    }
}
