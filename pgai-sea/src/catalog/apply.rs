//! Running the SQL of the schema.

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};

use super::CatalogError;
use super::presence::{scalar, sql};
use super::schema::{FUNCTIONS, LOCK, MIGRATIONS, TRIGGERS, VERSION};
use super::search_path;
use super::vectors::pgvector_schema;
use crate::sql::quote_identifier;

/// Brings a schema of version `from` to this one, or an empty schema, which is of version 0.
pub(super) async fn apply<C: ConnectionTrait>(db: &C, from: i32) -> Result<(), CatalogError> {
    let vector = pgvector_schema(db).await?;
    let brought: Vec<String> = scalar(
        db,
        "SELECT coalesce((SELECT functions FROM ai.pgai_sea_migration ORDER BY version DESC LIMIT 1), '{}')",
    )
    .await?;
    let found = functions(db).await?;
    check_others(&found, &brought)?;

    let newer = || {
        MIGRATIONS
            .iter()
            .zip(1..)
            .filter(|(_, version)| *version > from)
            .map(|(migration, _)| migration)
    };
    for migration in newer() {
        db.execute_unprepared(migration.tables).await?;
    }
    let replaced: Vec<&str> = brought.iter().map(|f| name_of(f)).collect();
    for (file, functions) in FUNCTIONS {
        // its functions return pgvector's type; everything else is written with its schema
        if *file == RETURNS_VECTOR {
            search_path::set(db, &format!("pg_catalog, {}, pg_temp", quote_identifier(&vector))).await?;
        }
        db.execute_unprepared(&create_unless(functions, &replaced)).await?;
        if *file == RETURNS_VECTOR {
            search_path::pin_again(db).await?;
        }
    }
    let made: Vec<String> = functions(db)
        .await?
        .into_iter()
        .filter(|function| !found.contains(function))
        .map(|function| function.signature)
        .collect();

    if from > 0 {
        db.execute_unprepared(LOCK).await?;
    }
    for after in newer().filter_map(|migration| migration.after) {
        db.execute_unprepared(after).await?;
    }
    if from > 0 {
        db.execute_unprepared(TRIGGERS).await?;
    }
    let stale = brought
        .into_iter()
        .filter(|function| !made.contains(function))
        .collect();
    drop_stale(db, stale).await?;

    db.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO ai.pgai_sea_migration (version, functions) VALUES ($1, $2)",
        [VERSION.into(), made.into()],
    ))
    .await?;
    Ok(())
}

/// Refuses functions of others that are called as ours. To replace one would leave it to its owner, who could change
/// what the schema's users run. One with other arguments may be what they call.
fn check_others(found: &[Function], brought: &[String]) -> Result<(), CatalogError> {
    let other = found
        .iter()
        .map(|function| &function.signature)
        .find(|signature| !brought.contains(signature) && own_names().any(|own| own == name_of(signature)));
    match other {
        None => Ok(()),
        Some(other) => Err(CatalogError::Occupied {
            name: format!("function {other}"),
        }),
    }
}

/// Drops functions that the version before brought and this one does not, or brings with other arguments. They go at
/// once, as they use one another.
async fn drop_stale<C: ConnectionTrait>(db: &C, stale: Vec<String>) -> Result<(), CatalogError> {
    let used = db
        .query_one_raw(Statement::from_sql_and_values(
            DbBackend::Postgres,
            "WITH stale AS (SELECT to_regprocedure(f) AS function FROM unnest($1::text[]) f)
             SELECT s.function::text, array_agg(DISTINCT o.type || ' ' || o.identity)
             FROM stale s
             JOIN pg_depend d ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = s.function
             LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
             CROSS JOIN LATERAL pg_identify_object(CASE WHEN r.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass END,
                 coalesce(r.ev_class, d.objid), d.objsubid) o
             WHERE NOT EXISTS (SELECT FROM stale t WHERE d.classid = 'pg_proc'::regclass AND t.function = d.objid)
             GROUP BY s.function ORDER BY 1 LIMIT 1",
            [stale.clone().into()],
        ))
        .await?;
    if let Some(row) = used {
        return Err(CatalogError::StillUsed {
            function: row.try_get_by_index(0)?,
            users: row.try_get_by_index(1)?,
        });
    }
    // those that are still there
    let stale = db
        .query_one_raw(Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT string_agg(DISTINCT to_regprocedure(f)::text, ', ') FROM unnest($1::text[]) f",
            [stale.into()],
        ))
        .await?;
    let stale: Option<String> = stale.map(|row| row.try_get_by_index(0)).transpose()?.flatten();
    if let Some(stale) = stale {
        db.execute_unprepared(&format!("DROP FUNCTION {stale}")).await?;
    }
    Ok(())
}

/// The file of functions that return pgvector's type.
pub(super) const RETURNS_VECTOR: &str = "embed";

const CREATE: &str = "create or replace function ai.";

/// What the functions that this version brings are called.
fn own_names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS
        .iter()
        .flat_map(|(_, sql)| sql.split(CREATE).skip(1))
        .map(first_name)
}

/// Replaces the functions of these names, and no others: what someone makes by another's name at this moment is an
/// error then.
pub(super) fn create_unless(sql: &str, replaced: &[&str]) -> String {
    let mut parts = sql.split(CREATE);
    let mut statements = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let replace = replaced.contains(&first_name(part));
        statements += if replace { CREATE } else { "create function ai." };
        statements += part;
    }
    statements
}

/// `create_vectorizer` of `create_vectorizer(source regclass, ..`.
fn first_name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// `chunking_none` of `ai.chunking_none()`.
pub(super) fn name_of(function: &str) -> &str {
    first_name(function.strip_prefix("ai.").unwrap_or(function))
}

/// A function in the schema.
#[derive(FromQueryResult, PartialEq, Eq)]
struct Function {
    /// With its arguments: `ai.chunking_none()`.
    signature: String,
    /// Where its row is. One that is made anew has another row.
    place: String,
}

/// The functions in the schema, without those that triggers call.
async fn functions<C: ConnectionTrait>(db: &C) -> Result<Vec<Function>, CatalogError> {
    let functions = Function::find_by_statement(sql(
        "SELECT p.oid::regprocedure::text AS signature, format('%s %s', p.oid, p.ctid) AS place FROM pg_proc p
         WHERE p.pronamespace = 'ai'::regnamespace AND p.prorettype <> 'trigger'::regtype",
    ));
    Ok(functions.all(db).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_replaces_one_of_its_own_name_alone() {
        let sql =
            "-- as ever\ncreate or replace function ai.a_b(x int) ..; create or replace function ai.c\n( y int ) ..";
        assert_eq!(
            create_unless(sql, &["a_b"]),
            "-- as ever\ncreate or replace function ai.a_b(x int) ..; create function ai.c\n( y int ) .."
        );
        assert_eq!(name_of("ai.a_b(integer)"), "a_b");
    }

    #[test]
    fn the_names_of_all_functions_are_known() {
        let names: Vec<_> = own_names().collect();
        assert!(
            names.contains(&"create_vectorizer") && names.contains(&"_worker_start"),
            "{names:?}"
        );
        assert!(names.iter().all(|name| !name.is_empty()), "{names:?}");
    }
}
