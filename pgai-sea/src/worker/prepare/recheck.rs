//! Whether documents are looked at again, and where their versions are kept.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sea_orm::sqlx::{Row as _, query};
use tracing::warn;

use crate::worker::batch::DocumentReader;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::maintenance::recheck::Recheck;
use crate::worker::queue::document_log::DocumentLog;
use crate::worker::queue::key_sql::KeySql;
use crate::worker::write::Source;

const MAY: &str = "select coalesce(bool_and(has_table_privilege(to_regclass('ai.vectorizer_document'), p)), false)
    from unnest(array['select', 'insert', 'update', 'delete']) p";

/// Documents at addresses are looked at again if the worker was told to. `catalog` has the worker's own rights.
pub(super) async fn recheck(
    catalog: &Database,
    vectorizer: &str,
    key_sql: &KeySql,
    documents: Option<&mut DocumentReader>,
    source: Source,
) -> Result<Option<Arc<Recheck>>, DatabaseError> {
    let Some(documents) = documents.filter(|documents| documents.loads) else {
        return Ok(None);
    };
    let Some(interval) = documents.documents.rechecks() else {
        return Ok(None);
    };
    if !query(MAY).one_on(catalog).await?.try_get(0)? {
        warn!(
            vectorizer,
            "its documents are not looked at again: that needs this crate's catalog, and the rights of a worker on \
             ai.vectorizer_document"
        );
        return Ok(None);
    }
    let log = Arc::new(DocumentLog::new(catalog, key_sql));
    documents.log = Some(Arc::clone(&log));
    Ok(Some(Arc::new(Recheck {
        vectorizer: vectorizer.to_owned(),
        documents: documents.documents.clone(),
        role: documents.role.clone(),
        interval,
        source,
        log,
        has_added: AtomicBool::new(false),
    })))
}
