//! Privileges that the worker's role lacks. They are looked for before anything is claimed or paid for; the error says
//! what to grant.

use sea_orm::sqlx::Row as _;

use super::columns::Columns;
use crate::config::{Destination as DestinationConfig, DestinationTable};
use crate::worker::batch::stop_reason::StopReason;
use crate::worker::connection::{Database, On as _};
use crate::worker::queue::key_sql::{KeySql, Sql, statement};

/// A privilege on a table, or on a column of it.
#[derive(Debug)]
pub(crate) struct Privilege {
    schema: String,
    table: String,
    privilege: &'static str,
    column: Option<String>,
    is_any: bool,
}

impl Privilege {
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

    /// On any column, which is enough to lock rows. The error names this one.
    pub(crate) fn of_any(mut self, column: &str) -> Self {
        self.is_any = true;
        self.of(column)
    }
}

/// The privileges that are needed on the vectorizer's tables.
pub(super) fn wanted(columns: &Columns<'_>, key_sql: &KeySql) -> Vec<Privilege> {
    let Columns { vectorizer, relation } = columns;
    let source = |privilege| Privilege::on(&relation.schema, &relation.name, privilege);
    let mut privileges = vec![source("select")];
    match &vectorizer.config.destination {
        DestinationConfig::Column(column) => privileges.push(source("update").of(&column.embedding_column)),
        DestinationConfig::Table(DestinationTable {
            target_schema: Some(schema),
            target_table: Some(table),
            ..
        }) => {
            let column = if relation.is_view {
                "xmin"
            } else {
                &key_sql.keys[0].name
            };
            privileges.push(source("update").of_any(column));
            privileges.extend(["select", "insert", "delete"].map(|privilege| Privilege::on(schema, table, privilege)));
        }
        DestinationConfig::Table(_) | DestinationConfig::Other(_) => {}
    }
    if let Some(schema) = &vectorizer.queue_schema {
        let queue = vectorizer.queue_table.iter();
        privileges.extend(
            queue.flat_map(|table| {
                ["select", "update", "delete"].map(|privilege| Privilege::on(schema, table, privilege))
            }),
        );
        // a row that is embedded after all stops being a dead letter
        let failed = vectorizer.queue_failed_table.iter();
        privileges.extend(
            failed.flat_map(|table| {
                ["select", "insert", "delete"].map(|privilege| Privilege::on(schema, table, privilege))
            }),
        );
    }
    privileges
}

// Names are looked up in the system catalogs: to_regclass needs a privilege on the schema. A table that is missing is
// another error.
const MISSING: &str = "
with wanted as (
    select n.oid as schema, c.oid as relation, n.nspname, c.relname, w.privilege, w.col, w.is_any
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bool[]) as w (nspname, relname, privilege, col,
    is_any)
    join pg_catalog.pg_namespace n on n.nspname = w.nspname
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.relname
), missing as (
    select distinct format('grant usage on schema %I to %I', nspname, current_user) as statement, 1 as place
    from wanted where not has_schema_privilege(schema, 'usage')
    union all
    select format('grant %s on %I.%I to %I'
        , string_agg(privilege || coalesce(' (' || quote_ident(col) || ')', ''), ', '), nspname, relname,
        current_user), 2
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
///
/// # Errors
///
/// The statements that grant them, or why they cannot be looked up.
pub(crate) async fn check(pool: &Database, wanted: &[Privilege]) -> Result<(), StopReason> {
    let each = |text: fn(&Privilege) -> String| wanted.iter().map(text).collect::<Vec<_>>();
    let missing = statement(&Sql::from(MISSING))
        .bind(each(|privilege| privilege.schema.clone()))
        .bind(each(|privilege| privilege.table.clone()))
        .bind(each(|privilege| privilege.privilege.to_owned()))
        .bind(
            wanted
                .iter()
                .map(|privilege| privilege.column.clone())
                .collect::<Vec<_>>(),
        )
        .bind(wanted.iter().map(|privilege| privilege.is_any).collect::<Vec<_>>())
        .any_on(pool)
        .await?;
    let Some(missing) = missing else { return Ok(()) };
    let (role, grants): (String, String) = (missing.try_get(0)?, missing.try_get(1)?);
    Err(StopReason::Configuration(format!(
        "role {role} lacks privileges that a worker needs: run `{grants}` as the owner"
    )))
}
