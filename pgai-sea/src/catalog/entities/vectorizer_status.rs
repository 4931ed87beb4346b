//! `ai.vectorizer_status`: how far vectorizers are.

use sea_orm::entity::prelude::*;

super::entity! {
    /// `ai.vectorizer_status`, a view.
    "vectorizer_status"
}

/// One vectorizer's state. Names of tables come quoted where they need it: `public."Blog"`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(entity = Entity)]
#[non_exhaustive]
pub struct Model {
    /// The vectorizer.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// Its name.
    pub name: String,
    /// The table that is embedded.
    pub source_table: String,
    /// The table of embeddings; none where they go to a column of the source.
    pub target_table: Option<String>,
    /// The view over both.
    pub view: Option<String>,
    /// The column of embeddings.
    pub embedding_column: String,
    /// Rows that wait for a worker: [`i64::MAX`] for more than 10,000, none for who may not read the queue.
    pub pending_items: Option<i64>,
    /// Whether workers pass it over.
    pub disabled: bool,
}
