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

    // They go at once, as they use one another.
    let functions: Option<String> = scalar(
        &transaction,
        "SELECT string_agg(DISTINCT to_regprocedure(f)::text, ', ')
         FROM (SELECT functions FROM ai.pgai_sea_migration ORDER BY version DESC LIMIT 1) m CROSS JOIN \
         unnest(m.functions) f",
    )
    .await?;
    // They use the functions.
    let policies: Option<String> = scalar(
        &transaction,
        "SELECT string_agg(format('DROP POLICY %I ON %s', p.polname, p.polrelid::regclass), '; ')
         FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = 'ai'::regnamespace",
    )
    .await?;
    transaction.execute_unprepared(&policies.unwrap_or_default()).await?;
    transaction
        .execute_unprepared("DROP VIEW ai.vectorizer_status, ai.vectorizer_errors")
        .await?;
    if let Some(functions) = functions {
        transaction
            .execute_unprepared(&format!("DROP FUNCTION {functions}"))
            .await?;
    }
    transaction
        .execute_unprepared(
            "DROP TABLE ai._vectorizer_errors, ai.vectorizer_worker_process, ai.vectorizer_worker_progress,
                 ai.vectorizer_worker_usage, ai.vectorizer_worker_role, ai.vectorizer_worker_wait, ai.pgai_lib_version,
                 ai.pgai_sea_migration, ai.vectorizer",
        )
        .await?;

    let ours = "SELECT obj_description('ai'::regnamespace, 'pg_namespace') IS NOT DISTINCT FROM \
                'vectorizers, installed by pgai-sea'
         AND NOT EXISTS (SELECT FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass
             AND refobjid = 'ai'::regnamespace)";
    if scalar(&transaction, ours).await? {
        transaction.execute_unprepared("DROP SCHEMA ai").await?;
    }
    path.restore(&transaction).await?;
    transaction.commit().await?;
    Ok(())
}
