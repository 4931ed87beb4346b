//! Looking for what is broken in a database, without knowing what an application declares.

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, TransactionSession as _, TransactionTrait};
use serde::Serialize;

use super::presence::{Presence, presence};
use super::schema::VERSION;
use super::vectors::look;
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
    SELECT v.id, v.name::text AS name, v.source_schema, v.source_table, v.source_pk, qc.oid AS queue, d.*,
           coalesce(d.dimensions, v.config #>> '{embedding,dimensions}') AS wanted,
           p.oid AS function,
           coalesce((SELECT t.tgrelid FROM pg_catalog.pg_trigger t WHERE t.tgfoid = p.oid AND t.tgparentid = 0 LIMIT 1),
               source.oid) AS source
    FROM ai.vectorizer v
    CROSS JOIN LATERAL jsonb_to_record(CASE jsonb_typeof(v.config -> 'destination')
        WHEN 'object' THEN v.config -> 'destination' ELSE '{}' END) d (implementation text, target_schema text,
        target_table text, view_schema text, view_name text, embedding_column text, dimensions text)
    LEFT JOIN pg_catalog.pg_namespace q ON q.nspname = v.queue_schema
    LEFT JOIN pg_catalog.pg_class qc ON qc.relnamespace = q.oid AND qc.relname = v.queue_table
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
SELECT name, format('its source %s belongs to %s, and the vectorizer to %s', source::regclass, so.rolname, qo.rolname),
       format('as a superuser: select ai.refresh_vectorizer(%L)', name)
FROM place
JOIN pg_catalog.pg_class s ON s.oid = source
JOIN pg_catalog.pg_class q ON q.oid = queue
JOIN pg_catalog.pg_roles so ON so.oid = s.relowner
JOIN pg_catalog.pg_roles qo ON qo.oid = q.relowner
WHERE NOT pg_has_role(qo.oid, so.oid, 'usage')
UNION ALL
SELECT name, format('the primary key of %s is not the one that it was created with', source::regclass),
       'drop the vectorizer and create it anew, or restore the key'
FROM place
CROSS JOIN LATERAL
    ( SELECT array_agg(c ->> 'attnum' ORDER BY c ->> 'attnum') AS numbers,
             array_agg(c ->> 'attname' ORDER BY c ->> 'attname') AS names
      FROM jsonb_array_elements(CASE jsonb_typeof(source_pk) WHEN 'array' THEN source_pk ELSE '[]' END) c ) created
WHERE source IS NOT NULL AND NOT EXISTS
    -- a rename changes the names, and a restored dump the numbers
    ( SELECT FROM pg_catalog.pg_constraint k
      CROSS JOIN LATERAL
        ( SELECT array_agg(a.attnum::text ORDER BY a.attnum::text) AS numbers,
                 array_agg(a.attname::text ORDER BY a.attname::text) AS names
          FROM pg_catalog.pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) ) today
      WHERE k.conrelid = source AND k.contype = 'p'
      AND (today.numbers = created.numbers OR today.names = created.names) )
UNION ALL
SELECT name, format('its view %s.%s is gone', quote_ident(view_schema), quote_ident(view_name)),
       format('select ai.refresh_vectorizer(%L)', name)
FROM place WHERE implementation = 'table' AND store IS NOT NULL AND view IS NULL
UNION ALL
SELECT name, format('%s.%I is of the type %s, and the model''s vectors have %s dimensions', a.attrelid::regclass,
           a.attname, format_type(a.atttypid, a.atttypmod), wanted),
       'change the column''s type, or change the vectorizer'
FROM place JOIN pg_catalog.pg_attribute a ON a.attrelid = CASE implementation WHEN 'table' THEN store ELSE source END
    AND a.attname = CASE implementation WHEN 'table' THEN 'embedding' ELSE embedding_column END AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE t.typname NOT IN ('vector', 'halfvec', 'sparsevec') OR a.atttypmod > 0 AND a.atttypmod::text <> wanted
UNION ALL
SELECT name, format('%s has no column %s for the vectors', coalesce(store, source)::regclass,
           CASE implementation WHEN 'table' THEN 'embedding' ELSE quote_ident(embedding_column) END),
       'restore the column, or drop the vectorizer and create it anew'
FROM place WHERE CASE implementation WHEN 'table' THEN store ELSE source END IS NOT NULL AND NOT EXISTS
    ( SELECT FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = CASE implementation WHEN 'table' THEN store ELSE source END AND NOT a.attisdropped
      AND a.attname = CASE implementation WHEN 'table' THEN 'embedding' ELSE embedding_column END )
UNION ALL
SELECT name, format('the index %s is invalid: a build of it did not end', i.indexrelid::regclass),
       format('drop index %s; a worker or a migration builds it anew, unless it is still being built',
           i.indexrelid::regclass)
FROM place CROSS JOIN LATERAL (SELECT CASE implementation WHEN 'table' THEN store ELSE source END) one (t)
CROSS JOIN LATERAL
    (SELECT one.t::oid UNION SELECT relid::oid FROM pg_catalog.pg_partition_tree(one.t::regclass)) has (t)
JOIN pg_catalog.pg_index i ON i.indrelid = has.t
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
    let look = look(db).await?;
    let found = broken.all(&look).await?;
    look.rollback().await?;
    for broken in found {
        add(Some(&broken.vectorizer), broken.message, &broken.repair);
    }
    Ok(damage)
}
