//! What the role may not do that the worker will: said before anything is claimed or paid for, with what to grant.

use sea_orm::sqlx::{PgPool, Row};

use super::names::{Sql, statement};
use super::trouble::Trouble;

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
pub(crate) async fn check(pool: &PgPool, wanted: &[Right]) -> Result<(), Trouble> {
    let each = |text: fn(&Right) -> String| wanted.iter().map(text).collect::<Vec<_>>();
    let missing = statement(&Sql::from(MISSING))
        .bind(each(|right| right.schema.clone()))
        .bind(each(|right| right.table.clone()))
        .bind(each(|right| right.privilege.to_owned()))
        .bind(wanted.iter().map(|right| right.column.clone()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|right| right.is_any).collect::<Vec<_>>())
        .fetch_optional(pool)
        .await?;
    let Some(missing) = missing else { return Ok(()) };
    let (role, grants): (String, String) = (missing.try_get(0)?, missing.try_get(1)?);
    Err(Trouble::Configuration(format!(
        "role {role} may not do what a worker does: run `{grants}` as the owner"
    )))
}
