//! Vectorizers whose table is gone.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

/// Drops vectorizers whose table took their triggers along, on either catalog.
///
/// `DROP TABLE` knows nothing of vectorizers, and `migrate fresh` drops every table of a schema. What remains would
/// stand in the way of the vectorizers that the migrations then create again.
///
/// - Of `source`, a table's name as for `regclass`, that is one which stood for a table of this name before: dropped
///   with its store, wherever that is, since its rows are gone. Our own catalog does that by itself. A view that is
///   left says that the table was never dropped, only the triggers.
/// - Of other tables, where embeddings went along and queues are all that is left, and where the role may drop them:
///   they are in nobody's way, and a store that is there may still be wanted.
///
/// A source that was renamed still has its triggers, and is not touched.
pub(crate) async fn drop_leftovers<C: ConnectionTrait>(db: &C, source: Option<String>) -> Result<u64, DbErr> {
    let dropped = db
        .query_all_raw(Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT ai.drop_vectorizer(v.id, drop_all => s.made_again)
             FROM ai.vectorizer v CROSS JOIN pg_catalog.jsonb_to_record(v.config -> 'destination'::text) d
                 (implementation text, target_schema text, target_table text, view_schema text, view_name text, \
                 embedding_column text)
             CROSS JOIN LATERAL (
                 SELECT EXISTS (
                     SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                     WHERE c.oid = pg_catalog.to_regclass($1)::oid AND n.nspname = v.source_schema AND c.relname =
                         v.source_table
                 ) AND pg_catalog.to_regprocedure('ai._vectorizer_drop_leftovers(name,name)') IS NULL AS made_again
             ) s
             WHERE NOT EXISTS (
                 SELECT FROM pg_catalog.pg_trigger t
                 JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
                 JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                 WHERE p.proname = v.trigger_name AND n.nspname = v.queue_schema
             )
             AND NOT EXISTS (
                 SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 WHERE CASE
                     WHEN d.implementation = 'table' AND s.made_again THEN n.nspname = d.view_schema AND c.relname = \
                     d.view_name
                     WHEN d.implementation = 'table' THEN n.nspname = d.target_schema AND c.relname = d.target_table
                     WHEN s.made_again THEN false
                     ELSE n.nspname = v.source_schema AND c.relname = v.source_table AND EXISTS (
                         SELECT FROM pg_catalog.pg_attribute a
                         WHERE a.attrelid = c.oid AND a.attname = d.embedding_column AND NOT a.attisdropped
                     )
                 END
             )
             AND (s.made_again OR pg_catalog.has_table_privilege('ai.vectorizer', 'delete') AND NOT EXISTS (
                 SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                 WHERE n.nspname = v.queue_schema AND p.proname = v.trigger_name AND \
                 NOT pg_catalog.pg_has_role(p.proowner, 'usage')
             ) AND NOT EXISTS (
                 SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = v.queue_schema AND c.relname = v.queue_table \
                 AND NOT pg_catalog.pg_has_role(c.relowner, 'usage')
             ))",
            [source.into()],
        ))
        .await?;
    Ok(dropped.len() as u64)
}
