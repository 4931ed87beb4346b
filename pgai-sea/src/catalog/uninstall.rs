//! Removing the `ai` schema.

use sea_orm::{ConnectionTrait, TransactionSession, TransactionTrait};

use super::CatalogError;
use super::presence::{Presence, check_backend, lock, presence, scalar};
use super::search_path;

/// Removes what [`install`](super::install) installed.
///
/// pgvector stays, and so does what others keep in the schema, and the schema itself if it was there before.
///
/// # Errors
///
/// [`CatalogError::InUse`] while vectorizers exist, [`CatalogError::NotOurs`] for pgai's own schema or none, and the
/// database's own error when something of the user's depends on what would go.
pub async fn uninstall<C: ConnectionTrait + TransactionTrait>(db: &C) -> Result<(), CatalogError> {
    let transaction = db.begin().await?;
    check_backend(&transaction)?;
    let path = search_path::pin(&transaction).await?;
    lock(&transaction).await?;
    if !matches!(presence(&transaction).await?, Presence::Ours(_)) {
        return Err(CatalogError::NotOurs);
    }
    transaction
        .execute_unprepared("LOCK TABLE ai.vectorizer IN ACCESS EXCLUSIVE MODE")
        .await?;
    let vectorizers: Vec<String> = scalar(
        &transaction,
        "SELECT coalesce(array_agg(name::text ORDER BY id), '{}') FROM ai.vectorizer",
    )
    .await?;
    if !vectorizers.is_empty() {
        return Err(CatalogError::InUse { vectorizers });
    }

    for statement in statements(&transaction).await? {
        transaction.execute_unprepared(&statement).await?;
    }
    path.restore(&transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// What removes the schema, once there are no vectorizers.
pub(super) async fn statements<C: ConnectionTrait>(db: &C) -> Result<Vec<String>, CatalogError> {
    // they use the functions
    let policies = "SELECT coalesce(array_agg(format('DROP POLICY %I ON %s', p.polname, p.polrelid::regclass)), '{}')
         FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = 'ai'::regnamespace
         AND (c.relname IN ('vectorizer', 'vectorizer_generation', 'vectorizer_document', 'vectorizer_batch', \
         '_vectorizer_errors') \
         OR c.relname ^@ 'vectorizer_worker_')";
    let mut statements: Vec<String> = scalar(db, policies).await?;
    statements.push("DROP VIEW ai.vectorizer_status, ai.vectorizer_errors".to_owned());
    // they go at once, as they use one another
    let functions = "SELECT string_agg(DISTINCT to_regprocedure(f)::text, ', ')
         FROM (SELECT functions FROM ai.pgai_sea_migration ORDER BY version DESC LIMIT 1) m CROSS JOIN \
         unnest(m.functions) f";
    if let Some(functions) = scalar::<C, Option<String>>(db, functions).await? {
        statements.push(format!("DROP FUNCTION {functions}"));
    }
    statements.push(TABLES.to_owned());
    statements.push(SCHEMA.to_owned());
    Ok(statements)
}

const TABLES: &str = "DROP TABLE ai._vectorizer_errors, ai.vectorizer_worker_process, ai.vectorizer_worker_progress, \
     ai.vectorizer_worker_usage, ai.vectorizer_worker_role, ai.vectorizer_worker_wait, ai.vectorizer_document, \
     ai.vectorizer_worker_spending, ai.vectorizer_batch, \
     ai.pgai_lib_version, ai.pgai_sea_migration, ai.vectorizer_generation, ai.vectorizer";

/// The schema goes if it was made by an install and nothing of others is in it.
const SCHEMA: &str = "DO $$ BEGIN
    IF obj_description('ai'::regnamespace, 'pg_namespace') IS NOT DISTINCT FROM 'vectorizers, installed by pgai-sea'
       AND NOT EXISTS (SELECT FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass
           AND refobjid = 'ai'::regnamespace)
    THEN
        DROP SCHEMA ai;
    END IF;
END $$";
