//! Where embeddings go, and what is looked after there.

use std::sync::Arc;

use super::columns::Columns;
use super::places::Abilities;
use super::unsupported;
use crate::catalog::Vectorizer;
use crate::config::{Destination as DestinationConfig, DestinationTable};
use crate::sql::qualified;
use crate::worker::batch::stop_reason::StopReason;
use crate::worker::maintenance::index_builder::{EmbeddingPlace, IndexBuilder};
use crate::worker::maintenance::orphans::Orphans;
use crate::worker::queue::Queue;
use crate::worker::queue::key_sql::KeySql;
use crate::worker::write::{Copy, Destination, EmbeddingColumn, Store};

/// The destination, and how it is written to.
pub(super) fn destination(
    config: &DestinationConfig,
    key_sql: &KeySql,
    abilities: &Abilities,
) -> Result<Destination, StopReason> {
    match config {
        DestinationConfig::Table(table) => match (&table.target_schema, &table.target_table) {
            (Some(schema), Some(table)) => {
                let store = qualified(schema, table);
                // where chunks are is not copied
                let copy = abilities.format.filter(|_| !abilities.has_places);
                let copy = copy.and_then(|format| Copy::new(key_sql, &store, format));
                let vector_type = abilities.vector_type.as_deref();
                Ok(Destination::Table(Store::new(
                    key_sql,
                    &store,
                    abilities.has_places,
                    vector_type,
                    copy,
                )))
            }
            _ => Err(unsupported("its destination names no table".into())),
        },
        DestinationConfig::Column(column) => Ok(Destination::Column(EmbeddingColumn::new(
            key_sql,
            &column.embedding_column,
        ))),
        DestinationConfig::Other(_) => Err(unsupported(
            "this worker does not know its `destination` configuration".into(),
        )),
    }
}

/// What rows leave behind. This crate's triggers leave no orphans, and its catalog has a view. But no trigger sees a
/// partition that goes with its rows.
pub(super) fn orphans(columns: &Columns<'_>, key_sql: &KeySql) -> Arc<Orphans> {
    let may_be = !columns.relation.is_view || columns.relation.is_divided;
    let store = match &columns.vectorizer.config.destination {
        DestinationConfig::Table(DestinationTable {
            target_schema: Some(schema),
            target_table: Some(table),
            ..
        }) if may_be => Some(qualified(schema, table)),
        _ => None,
    };
    Arc::new(Orphans::new(&columns.vectorizer.name, key_sql, store.as_deref()))
}

/// The index that the configuration asks for, where the embeddings are.
pub(super) fn index(vectorizer: &Vectorizer, queue: &Arc<Queue>, keeps_backfills: bool) -> Option<Arc<IndexBuilder>> {
    let place = match &vectorizer.config.destination {
        DestinationConfig::Table(table) => EmbeddingPlace {
            schema: table.target_schema.as_ref()?,
            table: table.target_table.as_ref()?,
            column: "embedding",
        },
        DestinationConfig::Column(column) => EmbeddingPlace {
            schema: &vectorizer.source_schema,
            table: &vectorizer.source_table,
            column: &column.embedding_column,
        },
        DestinationConfig::Other(_) => return None,
    };
    let vectorizer_name = (vectorizer.id, vectorizer.name.as_str());
    let builder = IndexBuilder::new(
        vectorizer_name,
        vectorizer.config.indexing.as_ref(),
        place,
        (Arc::clone(queue), keeps_backfills),
    );
    builder.map(Arc::new)
}
