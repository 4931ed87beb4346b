//! What the role may not do that the worker will, or may not see: said before anything is claimed or paid for, with what to grant.

use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{Error, PgConnection, Row};

use crate::sql::quote_identifier;
use crate::worker::batch::stop_reason::Trouble;
use crate::worker::connection::{Database, On as _};
use crate::worker::queue::key_sql::{Sql, statement};

/// A right on a table, or on a column of it.
#[derive(Debug)]
pub(crate) struct Right {
    schema: String,
    table: String,
    privilege: &'static str,
    column: Option<String>,
    is_any: bool,
}

impl Right {
    pub(crate) fn on(schema: &str, table: &str, privilege: &'static str) -> Self {
        Self {
            schema: schema.to_owned(),
            table: table.to_owned(),
            privilege,
            column: None,
            is_any: false,
        }
    }

    /// On this column.
    pub(crate) fn of(mut self, column: &str) -> Self {
        self.column = Some(column.to_owned());
        self
    }

    /// On any column, which locks rows; this one would do.
    pub(crate) fn of_any(mut self, column: &str) -> Self {
        self.is_any = true;
        self.of(column)
    }
}

// Names are looked up in the system catalogs: to_regclass takes a right on the schema. What is not there is another error's.
const MISSING: &str = "
with wanted as (
    select n.oid as schema, c.oid as relation, n.nspname, c.relname, w.privilege, w.col, w.is_any
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bool[]) as w (nspname, relname, privilege, col, is_any)
    join pg_catalog.pg_namespace n on n.nspname = w.nspname
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.relname
), missing as (
    select distinct format('grant usage on schema %I to %I', nspname, current_user) as statement, 1 as place
    from wanted where not has_schema_privilege(schema, 'usage')
    union all
    select format('grant %s on %I.%I to %I'
        , string_agg(privilege || coalesce(' (' || quote_ident(col) || ')', ''), ', '), nspname, relname, current_user), 2
    from wanted
    where not case
        when is_any then has_any_column_privilege(relation, privilege)
        when exists (select from pg_catalog.pg_attribute a where a.attrelid = relation and a.attname = col)
        then has_column_privilege(relation, col, privilege)
        else has_table_privilege(relation, privilege)
    end
    group by nspname, relname
)
select current_user::text, string_agg(statement, '; ' order by place, statement) from missing having count(*) > 0";

/// Refuses a role that lacks one of these.
pub(crate) async fn check(pool: &Database, wanted: &[Right]) -> Result<(), Trouble> {
    let each = |text: fn(&Right) -> String| wanted.iter().map(text).collect::<Vec<_>>();
    let missing = statement(&Sql::from(MISSING))
        .bind(each(|right| right.schema.clone()))
        .bind(each(|right| right.table.clone()))
        .bind(each(|right| right.privilege.to_owned()))
        .bind(wanted.iter().map(|right| right.column.clone()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|right| right.is_any).collect::<Vec<_>>())
        .any_on(pool)
        .await?;
    let Some(missing) = missing else { return Ok(()) };
    let (role, grants): (String, String) = (missing.try_get(0)?, missing.try_get(1)?);
    Err(Trouble::Configuration(format!(
        "role {role} may not do what a worker does: run `{grants}` as the owner"
    )))
}

// A table's policies hold for who asks, a table behind a view has them asked of the view's owner. A policy is known to hide nothing if
// it says `true`; locking a row takes those for updates too.
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

/// Why rows of `source`, a quoted name, may be hidden from the worker by row-level security, and what to do. What is hidden looks as
/// if it was deleted.
pub(crate) async fn hidden(connection: &mut PgConnection, source: &str) -> Result<Option<String>, Error> {
    let hidden = statement(&Sql::from(HIDDEN)).bind(source);
    why(hidden.fetch_optional(connection).await?)
}

/// The same, by itself.
pub(crate) async fn hidden_on(pool: &Database, source: &str) -> Result<Option<String>, Error> {
    why(statement(&Sql::from(HIDDEN))
        .bind(source.to_owned())
        .any_on(pool)
        .await?)
}

fn why(hidden: Option<PgRow>) -> Result<Option<String>, Error> {
    let Some(hidden) = hidden else { return Ok(None) };
    let (role, table, is_restricted): (String, String, bool) =
        (hidden.try_get(0)?, hidden.try_get(1)?, hidden.try_get(2)?);
    let quoted = quote_identifier(&role);
    let policy = if is_restricted {
        String::new()
    } else {
        format!("`create policy pgai_sea_worker on {table} to {quoted} using (true)` as the owner, or ")
    };
    Ok(Some(format!(
        "row-level security may hide rows of {table} from role {role}, and a worker would take them for deleted: run {policy}\
         `alter role {quoted} bypassrls`"
    )))
}
