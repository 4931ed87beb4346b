//! Vectorizers whose table is gone.

use sea_orm::{ConnectionTrait, DbErr};

use super::presence::sql;

/// Drops vectorizers whose source and store are both gone, on either catalog: their queues are all that is left.
///
/// `DROP TABLE` takes triggers along and knows nothing of vectorizers; `migrate fresh` drops every table of a schema. What
/// remains would stand in the way of the vectorizers that the migrations then create again. A source that was renamed still
/// has its triggers, and a store that is there may still be wanted: neither is touched.
pub(crate) async fn drop_leftovers<C: ConnectionTrait>(db: &C) -> Result<u64, DbErr> {
    let dropped = db
        .query_all_raw(sql(
            "SELECT ai.drop_vectorizer(v.id, drop_all => false) FROM ai.vectorizer v
             WHERE NOT EXISTS (
                 SELECT FROM pg_trigger t
                 JOIN pg_proc p ON p.oid = t.tgfoid
                 JOIN pg_namespace n ON n.oid = p.pronamespace
                 WHERE p.proname = v.trigger_name AND n.nspname = v.queue_schema
             )
             AND NOT EXISTS (
                 SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE (n.nspname, c.relname) IN (
                     (v.source_schema, v.source_table),
                     (v.config #>> '{destination,target_schema}', v.config #>> '{destination,target_table}')
                 )
             )",
        ))
        .await?;
    Ok(dropped.len() as u64)
}
