//! Installing the `ai` schema.

use std::fmt;

use sea_orm::{ConnectionTrait, TransactionSession, TransactionTrait};

use super::CatalogError;
use super::apply::apply;
use super::presence::{Presence, check_backend, lock, presence, scalar, sql};
use super::schema::VERSION;
use super::search_path;
use super::upgrade::upgrade;
use crate::sql::quote_identifier;

/// What [`install`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Installed {
    /// It installed the schema `ai`.
    Installed {
        /// The version that was installed.
        version: i32,
    },
    /// It upgraded the schema from an earlier version. Vectorizers in use were kept, and have what new ones have.
    Upgraded {
        /// The version that was there.
        from: i32,
        /// The version that is there now.
        to: i32,
    },
    /// The schema has this version already. Nothing was changed.
    AlreadyInstalled {
        /// The version.
        version: i32,
    },
    /// pgai's own schema is there and is used. Nothing was changed.
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

/// Installs the schema `ai`, or upgrades an earlier version of it. It leaves pgai's own schema as it is.
///
/// Everything happens in one transaction, inside the caller's if there is one. Several processes may install at once:
/// one does, the others wait for it. The extension pgvector is created if it is missing.
///
/// An upgrade keeps vectorizers in use. Applications may write meanwhile: it waits for a table's writers only where it
/// changes that table's triggers, and then for a moment at a time, for as long as the connection's `lock_timeout`
/// allows.
///
/// # Errors
///
/// A [`CatalogError`] that says what to do: a missing privilege and the statement that grants it, pgvector that is not
/// available, a version of pgai that does not fit, something of the user's that an upgrade would break. The database is
/// unchanged then.
pub async fn install<C: ConnectionTrait + TransactionTrait>(db: &C) -> Result<Installed, CatalogError> {
    let transaction = db.begin().await?;
    check_backend(&transaction)?;
    let path = search_path::pin(&transaction).await?;
    lock(&transaction).await?;
    let installed = match presence(&transaction).await? {
        Presence::Pgai(version) => Installed::PgaiPresent { version },
        Presence::Ours(VERSION) => Installed::AlreadyInstalled { version: VERSION },
        Presence::Ours(found) if found > VERSION => {
            return Err(CatalogError::TooNew { found, known: VERSION });
        }
        Presence::Ours(from) => {
            check_owners(&transaction).await?;
            upgrade(&transaction, from).await?;
            Installed::Upgraded { from, to: VERSION }
        }
        Presence::Absent { schema } => {
            check_privilege(&transaction, schema).await?;
            check_free(&transaction).await?;
            create_vector(&transaction, path.schema.as_deref()).await?;
            create_schema(&transaction, schema).await?;
            apply(&transaction, 0).await?;
            Installed::Installed { version: VERSION }
        }
    };
    path.restore(&transaction).await?;
    transaction.commit().await?;
    Ok(installed)
}

/// Checks first, so that the error says what to grant instead of which statement failed.
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

/// To change what is there takes the rights of its owners: those of the schema, of the tables with triggers, of the
/// functions that these call, of queues and of views.
async fn check_owners<C: ConnectionTrait>(db: &C) -> Result<(), CatalogError> {
    let grant: Option<String> = scalar(
        db,
        r"SELECT CASE WHEN count(*) > 0
             THEN format('GRANT %s TO %I', string_agg(DISTINCT quote_ident(r.rolname), ', '), current_user) END
         FROM (
             SELECT c.relowner FROM pg_class c
             WHERE c.relnamespace = 'ai'::regnamespace AND c.relname = 'pgai_sea_migration'
             UNION ALL
             SELECT o.owner FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
             CROSS JOIN LATERAL (VALUES (c.relowner), (p.proowner)) o (owner)
             WHERE p.proname ~ '^_vectorizer_src_trg_\d+$'
             UNION ALL
             SELECT c.relowner FROM ai.vectorizer v
             CROSS JOIN LATERAL (VALUES (v.queue_schema::text, v.queue_table::text),
                 (v.queue_schema, v.queue_failed_table),
                 (v.config #>> '{destination,view_schema}', v.config #>> '{destination,view_name}')) o (schema, name)
             JOIN pg_namespace n ON n.nspname = o.schema
             JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = o.name
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

/// A schema `ai` of the user's own is used if nothing in it has a name that is needed.
async fn check_free<C: ConnectionTrait>(db: &C) -> Result<(), CatalogError> {
    let name = db
        .query_one_raw(sql(
            "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace('ai')
             AND relname IN ('vectorizer', 'vectorizer_status', 'vectorizer_errors', '_vectorizer_errors',
                 'vectorizer_worker_process', 'vectorizer_worker_progress', 'vectorizer_worker_usage',
                 'vectorizer_worker_role', 'vectorizer_worker_wait', 'vectorizer_generation',
                 'vectorizer_document', 'vectorizer_worker_spending', 'vectorizer_batch')
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

async fn create_vector<C: ConnectionTrait>(db: &C, schema: Option<&str>) -> Result<(), CatalogError> {
    if scalar(db, "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')").await? {
        return Ok(());
    }
    let schema = quote_identifier(schema.unwrap_or("public"));
    db.execute_unprepared(&format!("CREATE EXTENSION vector SCHEMA {schema}"))
        .await
        .map_err(CatalogError::NoVector)?;
    Ok(())
}

/// The table that makes the schema ours.
pub(super) const REGISTER: &str = "create table ai.pgai_sea_migration
( version int primary key
, applied_at timestamptz not null default now()
, functions text[] not null
)";

/// Marks the schema as ours to drop.
pub(super) const COMMENT: &str = "comment on schema ai is 'vectorizers, installed by pgai-sea'";

/// The schema, and in it the table that makes it ours.
async fn create_schema<C: ConnectionTrait>(db: &C, schema: bool) -> Result<(), CatalogError> {
    if !schema {
        db.execute_unprepared("CREATE SCHEMA ai").await?;
    }
    db.execute_unprepared(REGISTER).await?;
    // The comment marks the schema as ours to drop. One that was there before stays.
    if !schema {
        db.execute_unprepared(COMMENT).await?;
    }
    Ok(())
}
