//! Whose `ai` schema a database has.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};

use super::CatalogError;

/// What a database has of the schema `ai`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Nothing of ours or pgai's. `schema` says whether there is a schema of that name.
    Absent { schema: bool },
    /// It is ours, of this version.
    Ours(i32),
    /// It is pgai's, of this version.
    Pgai(String),
}

#[derive(FromQueryResult)]
#[expect(clippy::struct_excessive_bools, reason = "a row of answers, not a state")]
struct Found {
    schema: bool,
    ours: bool,
    library: bool,
    vectorizers: bool,
    extension: Option<String>,
    unreadable: Option<String>,
}

/// Refuses other databases.
pub(super) fn check_backend<C: ConnectionTrait>(db: &C) -> Result<(), CatalogError> {
    match db.get_database_backend() {
        DbBackend::Postgres => Ok(()),
        DbBackend::MySql => Err(CatalogError::NotPostgres("MySQL")),
        DbBackend::Sqlite => Err(CatalogError::NotPostgres("SQLite")),
        _ => Err(CatalogError::NotPostgres("another database")),
    }
}

/// Waits until no other session installs or removes the schema. The lock is held until the transaction ends.
pub(super) async fn lock<C: ConnectionTrait>(db: &C) -> Result<(), CatalogError> {
    db.execute_raw(sql(
        "SELECT pg_advisory_xact_lock(hashtextextended('pgai-sea: schema ai', 0))",
    ))
    .await?;
    Ok(())
}

pub(super) async fn presence<C: ConnectionTrait>(db: &C) -> Result<Presence, CatalogError> {
    // The system catalogs can be read without a privilege on the schema.
    let found = Found::find_by_statement(sql("SELECT n.oid IS NOT NULL AS schema,
                EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid AND relname = 'pgai_sea_migration') AS ours,
                EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid AND relname = 'pgai_lib_version') AS library,
                EXISTS (SELECT FROM pg_proc WHERE pronamespace = n.oid AND proname = 'create_vectorizer') AS \
                vectorizers,
                (SELECT extversion FROM pg_extension WHERE extname = 'ai') AS extension,
                (SELECT pg_catalog.format('GRANT USAGE ON SCHEMA ai TO %1$I; GRANT SELECT ON %2$s TO %1$I',
                        current_user,
                        pg_catalog.string_agg(pg_catalog.format('ai.%I', relname), ', ' ORDER BY relname))
                    FROM pg_class WHERE relnamespace = n.oid AND relname IN ('pgai_sea_migration', 'pgai_lib_version', \
                    'vectorizer')
                    HAVING NOT bool_and(has_schema_privilege(n.oid, 'usage') AND has_table_privilege(pg_class.oid, \
                    'select'))
                ) AS unreadable
         FROM (SELECT to_regnamespace('ai')::oid AS oid) n"))
    .one(db)
    .await?
    .ok_or_else(|| DbErr::RecordNotFound("the state of the schema ai".to_owned()))?;

    if let Some(grant) = found.unreadable {
        return Err(CatalogError::NoPrivilege {
            role: scalar(db, "SELECT current_user::text").await?,
            what: "read the schema ai",
            grant,
        });
    }
    if found.ours {
        let version = scalar::<C, Option<i32>>(db, "SELECT max(version) FROM ai.pgai_sea_migration").await?;
        return Ok(Presence::Ours(version.unwrap_or(0)));
    }
    let pgai = if found.library {
        let version = "SELECT version FROM ai.pgai_lib_version WHERE name = 'ai'";
        Some(scalar::<C, String>(db, version).await?)
    } else {
        found.extension.clone()
    };
    match pgai {
        None => Ok(Presence::Absent { schema: found.schema }),
        Some(found) if !serves(&found) => Err(CatalogError::UnsupportedPgai { found }),
        Some(extension) if !found.vectorizers => Err(CatalogError::NoVectorizers { extension }),
        Some(version) => Ok(Presence::Pgai(version)),
    }
}

/// The schema of pgvector, if the search path does not lead to it.
#[cfg(feature = "migration")]
pub(crate) async fn hidden_pgvector<C: ConnectionTrait>(db: &C) -> Result<Option<String>, DbErr> {
    let row = db
        .query_one_raw(sql("SELECT n.nspname::text FROM pg_catalog.pg_extension e
             JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
             JOIN pg_catalog.pg_type t ON t.typnamespace = n.oid AND t.typname = 'vector'
             WHERE e.extname = 'vector' AND NOT pg_catalog.pg_type_is_visible(t.oid)"))
        .await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}

/// Whether this crate can call the SQL of this version of pgai.
fn serves(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    matches!((parts.next(), parts.next()), (Some(Some(0)), Some(Some(10..=12))))
}

pub(super) fn sql(text: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, text)
}

/// The first column of the one row that a query returns.
pub(super) async fn scalar<C: ConnectionTrait, T: sea_orm::TryGetable>(db: &C, text: &str) -> Result<T, DbErr> {
    db.query_one_raw(sql(text))
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("no row from: {text}")))?
        .try_get_by_index(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pgai_from_0_10_to_0_12_serves() {
        for version in ["0.10.0", "0.11.2", "0.12.1", "0.12", "0.12.0-dev"] {
            assert!(serves(version), "{version}");
        }
        for version in ["0.9.2", "0.13.0", "1.12.0", "0", "", "dev"] {
            assert!(!serves(version), "{version}");
        }
    }
}
