//! Looking for what is broken in a database, without knowing what an application declares.

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, TransactionTrait};
use serde::Serialize;

use super::presence::{Presence, presence};
use super::schema::VERSION;
use super::{CatalogError, VectorizerState, statuses};

/// Something that is broken, and how to repair it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Damage {
    /// The vectorizer's name; `None` for the schema itself.
    pub vectorizer: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub repair: String,
}

#[derive(FromQueryResult)]
struct Broken {
    vectorizer: String,
    message: String,
    repair: String,
}

// Triggers lead to a source that was renamed. A partition's triggers are copies of its parent's.
const BROKEN: &str = "
WITH v AS (
    SELECT v.id, v.name::text AS name, v.source_schema, v.source_table, d.*,
           coalesce(d.dimensions, (v.config #>> '{embedding,dimensions}')::int) AS wanted,
           p.oid AS function,
           coalesce((SELECT t.tgrelid FROM pg_catalog.pg_trigger t WHERE t.tgfoid = p.oid AND t.tgparentid = 0 LIMIT 1),
               source.oid) AS source
    FROM ai.vectorizer v
    CROSS JOIN LATERAL jsonb_to_record(v.config -> 'destination') d (implementation text, target_schema text,
        target_table text, view_schema text, view_name text, embedding_column text, dimensions int)
    LEFT JOIN pg_catalog.pg_namespace q ON q.nspname = v.queue_schema
    LEFT JOIN pg_catalog.pg_proc p ON p.pronamespace = q.oid AND p.proname = v.trigger_name
    LEFT JOIN pg_catalog.pg_namespace sn ON sn.nspname = v.source_schema
    LEFT JOIN pg_catalog.pg_class source ON source.relnamespace = sn.oid AND source.relname = v.source_table
), place AS (
    SELECT v.*, store.oid AS store, view.oid AS view,
           quote_ident(v.target_schema) || '.' || quote_ident(v.target_table) AS store_name
    FROM v
    LEFT JOIN pg_catalog.pg_namespace tn ON tn.nspname = v.target_schema
    LEFT JOIN pg_catalog.pg_class store ON store.relnamespace = tn.oid AND store.relname = v.target_table
    LEFT JOIN pg_catalog.pg_namespace wn ON wn.nspname = v.view_schema
    LEFT JOIN pg_catalog.pg_class view ON view.relnamespace = wn.oid AND view.relname = v.view_name
)
SELECT name AS vectorizer, 'its source has none of its triggers, so no change is queued' AS message,
       format('select ai.refresh_vectorizer(%L); or drop the vectorizer and create it anew', name) AS repair
FROM place WHERE source IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgfoid = function)
UNION ALL
SELECT name, format('the trigger %I on %s is disabled, so changes are not queued', t.tgname, t.tgrelid::regclass),
       format('alter table %s enable trigger %I; then select ai.refresh_vectorizer(%L), and queue what was missed',
           t.tgrelid::regclass, t.tgname, name)
FROM place JOIN pg_catalog.pg_trigger t ON t.tgfoid = function WHERE t.tgenabled = 'D'
UNION ALL
SELECT name, format('its table of embeddings %s is gone', store_name),
       'restore the table, or drop the vectorizer and create it anew'
FROM place WHERE implementation = 'table' AND store IS NULL
UNION ALL
SELECT name, format('its view %I.%I is gone', view_schema, view_name), format('select ai.refresh_vectorizer(%L)', name)
FROM place WHERE implementation = 'table' AND store IS NOT NULL AND view IS NULL
UNION ALL
SELECT name, format('%s.%I is of the type %s, and the model''s vectors have %s dimensions', a.attrelid::regclass,
           a.attname, format_type(a.atttypid, a.atttypmod), wanted),
       'change the column''s type, or change the vectorizer'
FROM place JOIN pg_catalog.pg_attribute a ON a.attrelid = CASE implementation WHEN 'table' THEN store ELSE source END
    AND a.attname = CASE implementation WHEN 'table' THEN 'embedding' ELSE embedding_column END AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE t.typname NOT IN ('vector', 'halfvec', 'sparsevec') OR a.atttypmod > 0 AND a.atttypmod <> wanted
UNION ALL
SELECT name, format('%s has no column %I for the vectors', coalesce(store, source)::regclass,
           CASE implementation WHEN 'table' THEN 'embedding' ELSE embedding_column END),
       'restore the column, or drop the vectorizer and create it anew'
FROM place WHERE CASE implementation WHEN 'table' THEN store ELSE source END IS NOT NULL AND NOT EXISTS
    ( SELECT FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = CASE implementation WHEN 'table' THEN store ELSE source END AND NOT a.attisdropped
      AND a.attname = CASE implementation WHEN 'table' THEN 'embedding' ELSE embedding_column END )
UNION ALL
SELECT name, format('the index %s is invalid: a build of it did not end', i.indexrelid::regclass),
       format('drop index %s; a worker or a migration builds it anew, unless it is still being built',
           i.indexrelid::regclass)
FROM place JOIN pg_catalog.pg_index i ON i.indrelid = CASE implementation WHEN 'table' THEN store ELSE source END
WHERE NOT i.indisvalid
ORDER BY 1, 2";

/// What is broken in a database: a schema that is older than this crate, queues, sources and tables of embeddings that
/// are gone or cannot be read, triggers that are missing or disabled, columns of another type, indexes that were not
/// finished. Changes nothing.
///
/// [`check`](crate::check()) compares a database with what an application declares.
///
/// # Errors
///
/// The database's.
pub async fn verify<C: ConnectionTrait + TransactionTrait>(db: &C) -> Result<Vec<Damage>, CatalogError> {
    let mut damage = Vec::new();
    let mut add = |vectorizer: Option<&str>, message: String, repair: &str| {
        damage.push(Damage {
            vectorizer: vectorizer.map(str::to_owned),
            message,
            repair: repair.to_owned(),
        });
    };
    match presence(db).await? {
        Presence::Absent { .. } => {
            add(None, "the database has no `ai` schema".to_owned(), "pgai-sea install");
            return Ok(damage);
        }
        Presence::Ours(version) if version < VERSION => add(
            None,
            format!("the schema ai is of version {version}, and this pgai-sea brings {VERSION}"),
            "pgai-sea install",
        ),
        Presence::Ours(version) if version > VERSION => add(
            None,
            format!("the schema ai is of version {version}, and this pgai-sea knows {VERSION} at most"),
            "upgrade pgai-sea",
        ),
        Presence::Ours(_) | Presence::Pgai(_) => {}
    }
    for status in statuses(db).await? {
        if let Some(error) = status.error.filter(|_| status.state == VectorizerState::Unreadable) {
            add(Some(&status.name), error.message, "see `pgai-sea status`");
        }
    }
    let broken = Broken::find_by_statement(Statement::from_string(DbBackend::Postgres, BROKEN));
    for broken in broken.all(db).await? {
        add(Some(&broken.vectorizer), broken.message, &broken.repair);
    }
    Ok(damage)
}
