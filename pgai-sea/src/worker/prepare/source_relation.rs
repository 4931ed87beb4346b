//! The relation that source rows are read from, and its columns.

use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::postgres::types::Oid;
use sea_orm::sqlx::{Error, Row as _};

use crate::sql::qualified;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Sql, statement};

/// The relation that source rows are read from.
///
/// It is found by an object that follows a rename. This crate's catalog has a view of the source, in which the columns
/// have the names of the configuration. pgai's catalog has triggers, which stay with their table.
#[derive(Debug)]
pub(crate) struct SourceRelation {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// Whether it is the view.
    pub(crate) is_view: bool,
    /// Whether rows can come and go without a trigger, as with partitions and with unlogged tables after a crash, and
    /// are not hidden from their owner.
    pub(crate) is_divided: bool,
    pub(crate) columns: Vec<SourceColumn>,
}

/// A column of the source.
#[derive(Clone, Debug)]
pub(crate) struct SourceColumn {
    pub(crate) name: String,
    /// Its number, from 1.
    pub(crate) attnum: i16,
    /// Schema-qualified and quoted, to be cast to.
    pub(crate) sql_type: String,
    /// The equality of the type, if it is not PostgreSQL's own: the search path does not lead to it.
    pub(crate) equals: Option<String>,
    /// The name of the base type. A domain's base type is the type under it.
    pub(crate) base_type: String,
}

const RELATION: &str = "
select c.oid, n.nspname::text, c.relname::text, c.relkind = 'v', exists (
    select from pg_catalog.pg_class s where (s.relkind = 'p' or s.relpersistence = 'u' or exists (
        select from pg_catalog.pg_inherits i where i.inhparent = s.oid))
    and not s.relforcerowsecurity
    and (s.oid = c.oid or s.oid in (
        select d.refobjid from pg_catalog.pg_rewrite r
        join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
            and d.refclassid = 'pg_catalog.pg_class'::regclass
        where r.ev_class = c.oid
    ))
)
from ai.vectorizer v
cross join lateral (
    select 1 as choice, c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = v.queue_schema and c.relname = '_vectorizer_src_' || v.id and c.relkind = 'v'
    union all
    select 2, t.tgrelid from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = v.queue_schema and p.proname = v.trigger_name and t.tgparentid = 0
    union all
    select 3, c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = v.source_schema and c.relname = v.source_table
) found
join pg_catalog.pg_class c on c.oid = found.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where v.id = $1
order by found.choice
limit 1";

const COLUMNS: &str = "
with recursive bases as (
    select a.attname, a.attnum, n.nspname, t.typname, t.oid as base
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid = a.atttypid
    join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
    union all
    select b.attname, b.attnum, b.nspname, b.typname, t.typbasetype
    from bases b join pg_catalog.pg_type t on t.oid = b.base where t.typtype = 'd'
)
select b.attname::text, b.attnum, b.nspname::text, b.typname::text, t.typname::text
    , (select format('operator(%I.%s)', n.nspname, o.oprname)
        from pg_catalog.pg_opclass c
        join pg_catalog.pg_am m on m.oid = c.opcmethod and m.amname = 'btree'
        join pg_catalog.pg_amop p on p.amopfamily = c.opcfamily and p.amopstrategy = 3
            and p.amoplefttype = c.opcintype and p.amoprighttype = c.opcintype
        join pg_catalog.pg_operator o on o.oid = p.amopopr
        join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
        where c.opcintype = t.oid and c.opcdefault and n.nspname <> 'pg_catalog')
from bases b join pg_catalog.pg_type t on t.oid = b.base
where t.typtype <> 'd'
order by b.attnum";

/// The source of a vectorizer. `None` if it is gone.
pub(crate) async fn source_relation(pool: &Database, vectorizer: i32) -> Result<Option<SourceRelation>, DatabaseError> {
    let found = statement(&Sql::from(RELATION)).bind(vectorizer).any_on(pool).await?;
    let Some(found) = found else { return Ok(None) };
    let relation: Oid = found.try_get(0)?;
    let rows = statement(&Sql::from(COLUMNS)).bind(relation).all_on(pool).await?;
    let column = |row: &PgRow| {
        Ok(SourceColumn {
            name: row.try_get(0)?,
            attnum: row.try_get(1)?,
            sql_type: qualified(row.try_get(2)?, row.try_get(3)?),
            base_type: row.try_get(4)?,
            equals: row.try_get(5)?,
        })
    };
    Ok(Some(SourceRelation {
        schema: found.try_get(1)?,
        name: found.try_get(2)?,
        is_view: found.try_get(3)?,
        is_divided: found.try_get(4)?,
        columns: rows.iter().map(column).collect::<Result<_, Error>>()?,
    }))
}
