//! Row-level security that may hide source rows from the worker. A hidden row looks as if it was deleted.

use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{PgConnection, Row as _};

use crate::sql::quote_identifier;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Sql, statement};

// A table's policies hold for the role that reads it, those of a table behind a view for the view's owner. A policy
// surely hides nothing if it says `true`. Locking a row needs the policies for updates too.
const HIDDEN: &str = "
with wanted as (select c.oid, c.relkind, c.relowner from pg_catalog.pg_class c where c.oid = $1::regclass),
read as (
    select w.oid as relation, r.oid as role from wanted w join pg_catalog.pg_roles r on r.rolname = current_user
    where w.relkind <> 'v'
    union
    select d.refobjid, w.relowner
    from wanted w
    join pg_catalog.pg_rewrite e on e.ev_class = w.oid
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = e.oid
        and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> w.oid
    where w.relkind = 'v'
), policies as (
    select read.relation, p.polcmd, p.polpermissive, pg_catalog.pg_get_expr(p.polqual, p.polrelid) as condition
    from read
    join pg_catalog.pg_policy p on p.polrelid = read.relation and p.polcmd in ('*', 'r', 'w')
    where exists (select from unnest(p.polroles) as p (role)
        where p.role = 0 or pg_catalog.pg_has_role(read.role, p.role, 'usage'))
), restricted as (
    select relation from policies where not polpermissive and condition <> 'true'
)
select r.rolname::text, format('%I.%I', n.nspname, c.relname), c.oid in (select relation from restricted)
from read
join pg_catalog.pg_roles r on r.oid = read.role
join pg_catalog.pg_class c on c.oid = read.relation
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relrowsecurity and not r.rolsuper and not r.rolbypassrls
and (c.relforcerowsecurity or not pg_catalog.pg_has_role(r.oid, c.relowner, 'usage'))
and (  c.oid in (select relation from restricted)
    or not (select coalesce(bool_or(polcmd in ('*', 'r')) and bool_or(polcmd in ('*', 'w')), false)
        from policies p where p.relation = c.oid and p.polpermissive and p.condition = 'true'))
limit 1";

/// Makes sure that no policy may hide rows of `source`, a quoted name.
///
/// # Errors
///
/// [`DatabaseError::HiddenRows`] says what to do.
pub(crate) async fn check(pool: &Database, source: &str) -> Result<(), DatabaseError> {
    let hidden = statement(&Sql::from(HIDDEN)).bind(source.to_owned());
    judge(hidden.any_on(pool).await?)
}

/// [`check`] within a transaction.
pub(crate) async fn check_within(connection: &mut PgConnection, source: &str) -> Result<(), DatabaseError> {
    let hidden = statement(&Sql::from(HIDDEN)).bind(source);
    judge(hidden.fetch_optional(connection).await?)
}

/// Makes sure that no policy hides rows of a queue: what is hidden would never be embedded.
///
/// # Errors
///
/// [`DatabaseError::HiddenRows`] says what to do.
pub(crate) async fn check_queue(pool: &Database, tables: [Option<&String>; 2]) -> Result<(), DatabaseError> {
    let hidden = "select t from unnest($1::text[]) t where pg_catalog.row_security_active(t) limit 1";
    let tables: Vec<String> = tables.into_iter().flatten().cloned().collect();
    let Some(row) = statement(&Sql::from(hidden)).bind(tables).any_on(pool).await? else {
        return Ok(());
    };
    let table: String = row.try_get(0)?;
    Err(DatabaseError::HiddenRows(format!(
        "row-level security may hide rows of {table}, and they would never be embedded: run `alter table {table} \
         disable row level security` as its owner"
    )))
}

fn judge(hidden: Option<PgRow>) -> Result<(), DatabaseError> {
    let Some(hidden) = hidden else { return Ok(()) };
    let (role, table, is_restricted): (String, String, bool) =
        (hidden.try_get(0)?, hidden.try_get(1)?, hidden.try_get(2)?);
    let quoted = quote_identifier(&role);
    let policy = if is_restricted {
        String::new()
    } else {
        format!("`create policy pgai_sea_worker on {table} to {quoted} using (true)` as the owner, or ")
    };
    Err(DatabaseError::HiddenRows(format!(
        "row-level security may hide rows of {table} from role {role}, and the worker would take them for deleted: \
         run {policy}\
         `alter role {quoted} bypassrls`"
    )))
}
