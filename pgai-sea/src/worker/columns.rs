//! What the source table looks like.

use sea_orm::sqlx::{Error, PgPool, Row};

use super::names::{Sql, statement};
use crate::sql::qualified;

/// A column of the source.
#[derive(Clone, Debug)]
pub(crate) struct SourceColumn {
    pub(crate) name: String,
    /// Schema-qualified and quoted, to be cast to.
    pub(crate) sql_type: String,
    /// The name of the base type: a domain's is that of what it is over.
    pub(crate) base_type: String,
}

const COLUMNS: &str = "
with recursive columns as (
    select a.attname, a.attnum, n.nspname, t.typname, t.oid as base
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid = a.atttypid
    join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    where a.attrelid = (
        select c.oid from pg_catalog.pg_class c
        join pg_catalog.pg_namespace s on s.oid = c.relnamespace
        where s.nspname = $1 and c.relname = $2
    ) and a.attnum > 0 and not a.attisdropped
), bases as (
    select attname, attnum, nspname, typname, base from columns
    union all
    select b.attname, b.attnum, b.nspname, b.typname, t.typbasetype
    from bases b join pg_catalog.pg_type t on t.oid = b.base where t.typtype = 'd'
)
select b.attname::text, b.nspname::text, b.typname::text, t.typname::text
from bases b join pg_catalog.pg_type t on t.oid = b.base
where t.typtype <> 'd'
order by b.attnum";

/// The source's columns; none if there is no such table.
pub(crate) async fn columns(pool: &PgPool, schema: &str, table: &str) -> Result<Vec<SourceColumn>, Error> {
    let rows = statement(&Sql::from(COLUMNS))
        .bind(schema.to_owned())
        .bind(table.to_owned())
        .fetch_all(pool)
        .await?;
    let column = |row: &sea_orm::sqlx::postgres::PgRow| {
        Ok(SourceColumn {
            name: row.try_get(0)?,
            sql_type: qualified(row.try_get(1)?, row.try_get(2)?),
            base_type: row.try_get(3)?,
        })
    };
    rows.iter().map(column).collect()
}
