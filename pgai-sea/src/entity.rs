//! What `#[derive(Vectorizer)]` implements, and the list of what it declares.

mod declaration;
mod managed;

pub use self::declaration::{Declaration, DeclaredDestination, VectorizedTrait, declarations};
#[doc(hidden)]
pub use self::declaration::{Registered, declared};
pub use self::managed::{ManagedTable, managed_tables};

use sea_orm::{EntityTrait, PrimaryKeyTrait, RelationDef};

/// The key of a source row, as SeaORM types it: `i32`, `Uuid`, or a tuple for a composite key.
pub type SourceKey<E> = <<<E as EmbeddingTrait>::Source as EntityTrait>::PrimaryKey as PrimaryKeyTrait>::ValueType;

/// A companion entity: the rows of a vectorizer's target table, one per chunk.
///
/// `#[derive(Vectorizer)]` implements it; [`search`](crate::search) builds on it.
pub trait EmbeddingTrait: EntityTrait {
    /// The entity whose text is embedded.
    type Source: EntityTrait;

    /// The length of the vectors.
    const DIMENSIONS: usize;

    /// The schema of the view that joins the embeddings to their rows. `None`: wherever the source is.
    const VIEW_SCHEMA: Option<&'static str>;

    /// The name of that view.
    const VIEW_NAME: &'static str;

    /// The column of the source that is embedded.
    fn source_column() -> <Self::Source as EntityTrait>::Column;

    /// `embedding_uuid`, the primary key.
    fn uuid_column() -> Self::Column;

    /// The columns that hold the source row's key, in the order of the source's primary key.
    fn key_columns() -> Vec<Self::Column>;

    /// `chunk_seq`, the chunk's place in its row, from 0.
    fn chunk_seq_column() -> Self::Column;

    /// `chunk`, the text that was embedded.
    fn chunk_column() -> Self::Column;

    /// `embedding`, the vector.
    fn embedding_column() -> Self::Column;

    /// From an embedding to the row it belongs to. There is no foreign key behind it.
    fn source_relation() -> RelationDef;
}

/// An entity that is searched through its companion: `blog_post::Entity` by the chunks of `content_embeddings::Entity`.
///
/// `#[derive(Vectorizer)]` implements it for an entity with one vectorizer, if that has a table. With several, a search is one on
/// the companion that is meant; with `destination = "column"` the entity is searched by its own column.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not searched through one companion",
    label = "which embeddings are to be searched?",
    note = "an entity with exactly one `#[vectorizer(..)]`, which has a table, is searched itself: `blog_post::Entity::search(..)`",
    note = "with several, search on the companion that is meant: `blog_post::content_embeddings::Entity::search(..)`"
)]
pub trait SearchedByTrait: EntityTrait {
    /// The companion.
    type Embeddings: EmbeddingTrait<Source = Self>;
}
