//! Vectorizers whose table is gone.

use sea_orm::{ConnectionTrait, DbErr};

use super::presence::sql;

/// Drops vectorizers whose table took triggers and embeddings along, on either catalog: their queues are all that is left.
///
/// `DROP TABLE` knows nothing of vectorizers, and `migrate fresh` drops every table of a schema. What remains would stand in
/// the way of the vectorizers that the migrations then create again. A source that was renamed still has its triggers, and a
/// store that is there may still be wanted: neither is touched.
pub(crate) async fn drop_leftovers<C: ConnectionTrait>(db: &C) -> Result<u64, DbErr> {
    let dropped = db
        .query_all_raw(sql("SELECT ai.drop_vectorizer(v.id, drop_all => false)
             FROM ai.vectorizer v CROSS JOIN jsonb_to_record(v.config -> 'destination') d
                 (implementation text, target_schema text, target_table text, embedding_column text)
             WHERE NOT EXISTS (
                 SELECT FROM pg_trigger t
                 JOIN pg_proc p ON p.oid = t.tgfoid
                 JOIN pg_namespace n ON n.oid = p.pronamespace
                 WHERE p.proname = v.trigger_name AND n.nspname = v.queue_schema
             )
             AND NOT EXISTS (
                 SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE CASE d.implementation
                     WHEN 'table' THEN n.nspname = d.target_schema AND c.relname = d.target_table
                     ELSE n.nspname = v.source_schema AND c.relname = v.source_table AND EXISTS (
                         SELECT FROM pg_attribute a
                         WHERE a.attrelid = c.oid AND a.attname = d.embedding_column AND NOT a.attisdropped
                     )
                 END
             )"))
        .await?;
    Ok(dropped.len() as u64)
}
