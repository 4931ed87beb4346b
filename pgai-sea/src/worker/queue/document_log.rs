//! Which version of its document each row was embedded from, in `ai.vectorizer_document`. Only this crate's catalog has
//! it, and only workers that look at documents again write it.

use std::time::Duration;

use sea_orm::prelude::DateTimeUtc;
use sea_orm::sqlx::Row as _;

use super::key_sql::{Key, KeySql, Sql, statement, with_keys};
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;

/// The documents that are taken at once.
pub(crate) const SLICE: i64 = 100;

/// The statements on one vectorizer's documents.
#[derive(Debug)]
pub(crate) struct DocumentLog {
    id: i32,
    columns: usize,
    /// With the worker's own rights: it is a table of the catalog.
    catalog: Database,
    record: Sql,
    forget: Sql,
    due: Sql,
    add: Sql,
    queue: Sql,
}

/// A document that is to be looked at.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) key: Key,
    /// `None` where nobody knows it.
    pub(crate) version: Option<String>,
}

impl DocumentLog {
    pub(crate) fn new(catalog: &Database, key_sql: &KeySql) -> Self {
        let (given, queue) = (key_sql.given(), &key_sql.queue);
        let key = format!("array[{}]", key_sql.numbered("k").join(", "));
        let (id, second) = (key_sql.parameter(1), key_sql.parameter(2));
        let columns = key_sql.columns("");
        let typed = key_sql.typed().into_iter().enumerate();
        let typed: Vec<String> = typed.map(|(i, value)| format!("{value} as k{}", i + 1)).collect();
        let (typed, changed) = (typed.join(", "), key_sql.numbered("c").join(", "));
        // the texts that keys have elsewhere: those of the types' output functions
        let texts = key_sql.keys.iter().map(|column| {
            let column = crate::sql::quote_identifier(&column.name);
            key_sql.text(&format!("s.{column}"))
        });
        let texts = texts.collect::<Vec<_>>().join(", ");
        Self {
            id: key_sql.id,
            columns: key_sql.keys.len(),
            catalog: catalog.clone(),
            record: format!(
                "insert into ai.vectorizer_document as d (vectorizer_id, key, version) \
                 select ${id}::int, {key}, (${second}::text[])[k.n] from {given} \
                 on conflict (vectorizer_id, key) do update set version = excluded.version, checked_at = \
                 excluded.checked_at"
            )
            .into(),
            forget: format!(
                "delete from ai.vectorizer_document d using {given} \
                 where d.vectorizer_id = ${id}::int and d.key = {key}"
            )
            .into(),
            due: "with due as materialized (select d.key from ai.vectorizer_document d where d.vectorizer_id = $1 \
                  and d.checked_at < $2 order by d.checked_at limit $3 \
                  for update skip locked) \
                  update ai.vectorizer_document d set checked_at = clock_timestamp() from due \
                  where d.vectorizer_id = $1 and d.key = due.key returning d.key, d.version"
                .into(),
            add: format!(
                "insert into ai.vectorizer_document (vectorizer_id, key, checked_at) \
                 select $1, array[{texts}], '-infinity' from {} s on conflict (vectorizer_id, key) do nothing",
                key_sql.source
            )
            .into(),
            // a worker that sleeps is woken, as the triggers do
            queue: format!(
                "with changed as materialized (select {typed}, now() as moment from {given} \
                 where not exists (select 1 from {queue} q where {})), \
                 queued as (insert into {queue} ({columns}, queued_at) select {changed}, c.moment from changed c \
                 returning 1) \
                 select count(*), case when count(*) > 0 \
                 and not pg_try_advisory_xact_lock_shared(1348947831, ${id}::int) \
                 then pg_notify('pgai_sea_wake', ${id}::int::text) end from queued",
                key_sql.matches("q")
            )
            .into(),
        }
    }

    /// Keeps which versions were loaded.
    pub(crate) async fn record(&self, keys: &[&Key], versions: Vec<Option<String>>) -> Result<(), DatabaseError> {
        if !keys.is_empty() {
            let mut storable = Vec::with_capacity(versions.len());
            for version in versions {
                storable.push(match version {
                    Some(version) => Some(self.catalog.storable(&version).await),
                    None => None,
                });
            }
            let record = with_keys(&self.record, self.columns, keys).bind(self.id).bind(storable);
            record.execute_on(&self.catalog).await?;
        }
        Ok(())
    }

    /// Forgets rows that are gone.
    pub(crate) async fn forget(&self, keys: &[&Key]) -> Result<(), DatabaseError> {
        if !keys.is_empty() {
            let forget = with_keys(&self.forget, self.columns, keys).bind(self.id);
            forget.execute_on(&self.catalog).await?;
        }
        Ok(())
    }

    /// So long ago, by the server's clock.
    pub(crate) async fn ago(&self, time: Duration) -> Result<DateTimeUtc, DatabaseError> {
        let sql = Sql::from("select clock_timestamp() - make_interval(secs => $1)");
        let ago = statement(&sql).bind(time.as_secs_f64()).one_on(&self.catalog).await?;
        Ok(ago.try_get(0)?)
    }

    /// Takes some that were not looked at since then. Another worker takes others.
    pub(crate) async fn due(&self, since: DateTimeUtc) -> Result<Vec<Known>, DatabaseError> {
        let due = statement(&self.due).bind(self.id).bind(since).bind(SLICE);
        let due = due.all_on(&self.catalog).await?;
        due.iter()
            .map(|row| {
                Ok(Known {
                    key: row.try_get(0)?,
                    version: row.try_get(1)?,
                })
            })
            .collect()
    }

    /// Adds the rows that are not known yet. They are due at once.
    pub(crate) async fn add(&self) -> Result<(), DatabaseError> {
        statement(&self.add).bind(self.id).execute_on(&self.catalog).await?;
        Ok(())
    }

    /// Queues rows, unless they are queued already. Returns how many were.
    pub(crate) async fn queue(&self, database: &Database, keys: &[&Key]) -> Result<i64, DatabaseError> {
        if keys.is_empty() {
            return Ok(0);
        }
        let queue = with_keys(&self.queue, self.columns, keys).bind(self.id);
        Ok(queue.one_on(database).await?.try_get(0)?)
    }
}
