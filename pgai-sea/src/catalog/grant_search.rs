//! The rights of roles that search.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::{CatalogError, Vectorizer, VectorizerRef, has_catalog};
use crate::config::Destination;
use crate::sql::{qualified, quote_identifier};

/// Lets roles search what a vectorizer embeds: they may read the row of `ai.vectorizer`, which says what the model is,
/// the store, its view, and the queue, which says whether a hit waits to be embedded anew. They need `select` on the
/// source by themselves.
///
/// Under row-level security they see the chunks of the rows that they see. `grant_to` is for workers, who see and write
/// all chunks.
///
/// ```no_run
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), pgai_sea::catalog::CatalogError> {
/// pgai_sea::catalog::grant_search(&db, "public_blog_posts_embedding_store", &["website"]).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is no such vectorizer, and the database's, above all where this role may not
/// grant something.
pub async fn grant_search<C: ConnectionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
    roles: &[&str],
) -> Result<(), CatalogError> {
    let reference = vectorizer.into();
    if !has_catalog(db).await? {
        return Err(CatalogError::NotFound(reference.to_string()));
    }
    let vectorizer = super::vectorizer(db, reference).await?;
    for role in roles {
        for (has, grant) in grants(&vectorizer) {
            if !is_granted(db, role, &has).await? {
                let grant = format!("GRANT {grant} TO {}", quote_identifier(role));
                db.execute_unprepared(&grant).await?;
            }
        }
    }
    Ok(())
}

/// Quoted names of schemas and relations.
enum Object {
    Schema(String),
    Relation(String),
}

/// What is needed, and what grants it.
fn grants(vectorizer: &Vectorizer) -> Vec<(Object, String)> {
    let mut relations = vec![("ai", "vectorizer"), ("ai", "vectorizer_generation")];
    if let Destination::Table(table) = &vectorizer.config.destination {
        let store = table.target_schema.as_deref().zip(table.target_table.as_deref());
        let view = table.view_schema.as_deref().zip(table.view_name.as_deref());
        relations.extend([store, view].into_iter().flatten());
    }
    let queue = vectorizer
        .queue_schema
        .as_deref()
        .zip(vectorizer.queue_table.as_deref());
    relations.extend(queue);
    let mut grants = Vec::new();
    for (schema, name) in relations {
        let (schema, relation) = (quote_identifier(schema), qualified(schema, name));
        grants.push((Object::Schema(schema.clone()), format!("USAGE ON SCHEMA {schema}")));
        grants.push((Object::Relation(relation.clone()), format!("SELECT ON {relation}")));
    }
    grants
}

/// Whether there is nothing to do: the role has the right, or pgai's catalog has no such table.
async fn is_granted<C: ConnectionTrait>(db: &C, role: &str, object: &Object) -> Result<bool, DbErr> {
    let (sql, name) = match object {
        Object::Schema(name) => (
            "SELECT pg_catalog.has_schema_privilege($1, $2::regnamespace, 'usage')",
            name,
        ),
        Object::Relation(name) => (
            "SELECT coalesce(pg_catalog.has_table_privilege($1, pg_catalog.to_regclass($2), 'select'), true)",
            name,
        ),
    };
    let asked = Statement::from_sql_and_values(DbBackend::Postgres, sql, [role.into(), name.into()]);
    let row = db.query_one_raw(asked).await?;
    row.map_or(Ok(true), |row| row.try_get_by_index(0))
}
