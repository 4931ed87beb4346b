//! Installing the `ai` schema.

use std::fmt;

use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionSession, TransactionTrait};

use super::CatalogError;
use super::presence::{Presence, lock, presence, scalar, sql};
use super::schema::{FUNCTIONS, REFRESH, TABLES, VERSION};
use crate::sql::quote_identifier;

/// What [`install`] found, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Installed {
    /// There was no `ai` schema of vectorizers: now there is.
    Installed {
        /// Of this version.
        version: i32,
    },
    /// It was there, of an earlier version. Vectorizers were kept.
    Upgraded {
        /// What it was.
        from: i32,
        /// What it is now.
        to: i32,
    },
    /// It was there, of this version.
    AlreadyInstalled {
        /// The version.
        version: i32,
    },
    /// pgai's own schema is there and serves: nothing was changed.
    PgaiPresent {
        /// pgai's version.
        version: String,
    },
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed { version } => write!(f, "installed the schema ai, version {version}"),
            Self::Upgraded { from, to } => write!(f, "upgraded the schema ai from version {from} to {to}"),
            Self::AlreadyInstalled { version } => write!(f, "the schema ai is there already, version {version}"),
            Self::PgaiPresent { version } => write!(f, "pgai {version} is there and is used as it is"),
        }
    }
}

/// Brings the `ai` schema, or an earlier version of it up to this one; pgai's own is left as it is.
///
/// All in one transaction, inside of the caller's if there is one. Two that install at once end well: one waits for the
/// other. pgvector is added where it is missing.
///
/// # Errors
///
/// A [`CatalogError`] that says what to do: rights that are missing, pgvector missing, a version of pgai that does not serve.
/// Nothing is left behind then.
pub async fn install<C: ConnectionTrait + TransactionTrait>(db: &C) -> Result<Installed, CatalogError> {
    let transaction = db.begin().await?;
    lock(&transaction).await?;
    let installed = match presence(&transaction).await? {
        Presence::Pgai(version) => Installed::PgaiPresent { version },
        Presence::Ours(VERSION) => Installed::AlreadyInstalled { version: VERSION },
        Presence::Ours(found) if found > VERSION => {
            return Err(CatalogError::TooNew { found, known: VERSION });
        }
        Presence::Ours(from) => {
            check_owners(&transaction).await?;
            run(&transaction, Some(from)).await?;
            Installed::Upgraded { from, to: VERSION }
        }
        Presence::Absent { schema } => {
            check_privilege(&transaction, schema).await?;
            check_free(&transaction).await?;
            create_vector(&transaction).await?;
            create_schema(&transaction, schema).await?;
            run(&transaction, None).await?;
            Installed::Installed { version: VERSION }
        }
    };
    transaction.commit().await?;
    Ok(installed)
}

/// Runs what a schema of version `from` lacks, or an empty one.
async fn run<C: ConnectionTrait>(db: &C, from: Option<i32>) -> Result<(), CatalogError> {
    let search_path: String = scalar(db, "SELECT current_setting('search_path')").await?;
    // one function's result is pgvector's type; everything else is written with its schema
    let vector: String = scalar(
        db,
        "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'",
    )
    .await?;
    set_search_path(db, &format!("pg_catalog, {}, pg_temp", quote_identifier(&vector))).await?;

    let brought: Vec<String> = scalar(
        db,
        "SELECT coalesce(array_agg(f), '{}') FROM ai.pgai_sea_migration m CROSS JOIN unnest(m.functions) f",
    )
    .await?;
    let others: Vec<String> = functions(db)
        .await?
        .into_iter()
        .filter(|f| !brought.contains(f))
        .collect();
    // To replace one would leave it to its owner, who could change what the schema's users run. One that is called as ours with
    // other arguments may be what they call.
    if let Some(other) = others.iter().find(|f| own_names().any(|own| own == name_of(f))) {
        return Err(CatalogError::Occupied {
            name: format!("function {other}"),
        });
    }
    for (_, tables) in TABLES.iter().filter(|(version, _)| Some(*version) > from) {
        db.execute_unprepared(tables).await?;
    }
    let replaced: Vec<&str> = brought.iter().map(|f| name_of(f)).collect();
    for functions in FUNCTIONS {
        db.execute_unprepared(&create_unless(functions, &replaced)).await?;
    }
    if from.is_some() {
        db.execute_unprepared(REFRESH).await?;
    }
    let brings: Vec<String> = functions(db)
        .await?
        .into_iter()
        .filter(|f| !others.contains(f))
        .collect();
    db.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO ai.pgai_sea_migration (version, functions) VALUES ($1, $2)",
        [VERSION.into(), brings.into()],
    ))
    .await?;
    set_search_path(db, &search_path).await?;
    Ok(())
}

const CREATE: &str = "create or replace function ai.";

/// What the functions that this version brings are called.
fn own_names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS
        .iter()
        .flat_map(|sql| sql.split(CREATE).skip(1))
        .map(first_name)
}

/// Replaces the functions of these names, and no others: what someone makes by another's name at this moment is an error then.
fn create_unless(sql: &str, replaced: &[&str]) -> String {
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
fn name_of(function: &str) -> &str {
    first_name(function.strip_prefix("ai.").unwrap_or(function))
}

async fn set_search_path<C: ConnectionTrait>(db: &C, search_path: &str) -> Result<(), CatalogError> {
    db.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT set_config('search_path', $1, true)",
        [search_path.into()],
    ))
    .await?;
    Ok(())
}

/// The functions in the schema, with their arguments: `ai.chunking_none()`.
async fn functions<C: ConnectionTrait>(db: &C) -> Result<Vec<String>, CatalogError> {
    Ok(scalar(
        db,
        "SELECT coalesce(array_agg(p.oid::regprocedure::text), '{}') FROM pg_proc p
         WHERE p.pronamespace = 'ai'::regnamespace AND p.prorettype <> 'trigger'::regtype",
    )
    .await?)
}

/// Asked beforehand: an error in the middle would say which statement failed, and not what to grant.
async fn check_privilege<C: ConnectionTrait>(db: &C, schema: bool) -> Result<(), CatalogError> {
    let (may, what, grant) = if schema {
        (
            "SELECT has_schema_privilege('ai', 'create')",
            "create functions and tables in the schema ai",
            "SELECT format('GRANT CREATE, USAGE ON SCHEMA ai TO %I', current_user)",
        )
    } else {
        (
            "SELECT has_database_privilege(current_database(), 'create')",
            "create a schema in this database",
            "SELECT format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user)",
        )
    };
    if scalar(db, may).await? {
        return Ok(());
    }
    Err(CatalogError::NoPrivilege {
        role: scalar(db, "SELECT current_user::text").await?,
        what,
        grant: scalar(db, grant).await?,
    })
}

/// Making anew what is there takes its owners' rights: the schema's, and those of the tables with triggers and of the functions
/// that these call.
async fn check_owners<C: ConnectionTrait>(db: &C) -> Result<(), CatalogError> {
    let grant: Option<String> = scalar(
        db,
        r"SELECT CASE WHEN count(*) > 0
             THEN format('GRANT %s TO %I', string_agg(DISTINCT quote_ident(r.rolname), ', '), current_user) END
         FROM (
             SELECT c.relowner FROM pg_class c WHERE c.relnamespace = 'ai'::regnamespace AND c.relname = 'pgai_sea_migration'
             UNION ALL
             SELECT o.owner FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
             CROSS JOIN LATERAL (VALUES (c.relowner), (p.proowner)) o (owner)
             WHERE p.proname ~ '^_vectorizer_src_trg_\d+$'
         ) o (owner)
         JOIN pg_roles r ON r.oid = o.owner
         WHERE NOT pg_has_role(r.oid, 'usage')",
    )
    .await?;
    match grant {
        None => Ok(()),
        Some(grant) => Err(CatalogError::NoPrivilege {
            role: scalar(db, "SELECT current_user::text").await?,
            what: "upgrade the schema ai and its vectorizers' triggers",
            grant,
        }),
    }
}

/// A schema `ai` of the user's own may stay, if what is in it does not collide.
async fn check_free<C: ConnectionTrait>(db: &C) -> Result<(), CatalogError> {
    let name = db
        .query_one_raw(sql(
            "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace('ai')
             AND relname IN ('vectorizer', 'vectorizer_status', 'vectorizer_errors', '_vectorizer_errors',
                 'vectorizer_worker_process', 'vectorizer_worker_progress', 'vectorizer_worker_usage')
             UNION ALL
             SELECT proname::text FROM pg_proc WHERE pronamespace = to_regnamespace('ai')
             AND proname IN ('create_vectorizer', 'drop_vectorizer')
             LIMIT 1",
        ))
        .await?;
    match name {
        Some(row) => Err(CatalogError::Occupied {
            name: row.try_get_by_index(0)?,
        }),
        None => Ok(()),
    }
}

async fn create_vector<C: ConnectionTrait>(db: &C) -> Result<(), CatalogError> {
    if scalar(db, "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')").await? {
        return Ok(());
    }
    db.execute_unprepared("CREATE EXTENSION vector")
        .await
        .map_err(CatalogError::NoVector)?;
    Ok(())
}

/// The schema, and in it the table that makes it ours.
async fn create_schema<C: ConnectionTrait>(db: &C, schema: bool) -> Result<(), CatalogError> {
    if !schema {
        db.execute_unprepared("CREATE SCHEMA ai").await?;
    }
    db.execute_unprepared(
        "CREATE TABLE ai.pgai_sea_migration
         ( version int PRIMARY KEY
         , applied_at timestamptz NOT NULL DEFAULT now()
         , functions text[] NOT NULL
         );",
    )
    .await?;
    // a schema that was there before stays when ours goes
    if !schema {
        db.execute_unprepared("COMMENT ON SCHEMA ai IS 'vectorizers, installed by pgai-sea'")
            .await?;
    }
    Ok(())
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
