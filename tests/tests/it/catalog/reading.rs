//! Reading the catalog from Rust.

use pgai_sea::catalog::entities::{
    vectorizer_errors, vectorizer_status, vectorizer_worker_process, vectorizer_worker_progress,
};
use pgai_sea::catalog::{self, CatalogError};
use pgai_sea::config::Embedding;
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::EntityTrait;

use super::upgrade::VERSION;
use super::{BLOG, vectorize};

#[tokio::test]
async fn vectorizers_by_name_and_id() {
    on_both_catalogs(async |test| {
        test.execute("create table pairs (b int, content text, a uuid, primary key (a, b))")
            .await?;
        test.execute(BLOG).await?;
        let pairs = vectorize(&test, "pairs", "").await?;
        let blog = vectorize(&test, "blog", ", name => 'posts'").await?;

        let all = catalog::vectorizers(&test.db).await?;
        assert_eq!(all.iter().map(|v| v.id).collect::<Vec<_>>(), [pairs, blog]);
        let key: Vec<_> = all[0]
            .source_pk
            .iter()
            .map(|k| (k.attnum, k.pknum, &*k.attname, &*k.typname))
            .collect();
        assert_eq!(key, [(1, 2, "b", "integer"), (3, 1, "a", "uuid")]);

        let posts = catalog::vectorizer(&test.db, "posts").await?;
        assert_eq!(posts, catalog::vectorizer(&test.db, blog).await?);
        assert_eq!((&*posts.source_schema, &*posts.source_table), ("public", "blog"));
        assert_eq!(posts.queue_table, Some(format!("_vectorizer_q_{blog}")));
        assert_eq!(posts.queue_failed_table, Some(format!("_vectorizer_q_failed_{blog}")));
        let embedding = Embedding::openai("model", 3).api_key_name("OPENAI_API_KEY");
        assert_eq!(posts.config.embedding, embedding.into());
        assert!(!posts.disabled);

        let missing = catalog::vectorizer(&test.db, "nobody").await.unwrap_err();
        assert!(matches!(missing, CatalogError::NotFound(_)));
        assert_eq!(missing.to_string(), "there is no vectorizer \"nobody\"");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_vectorizer_that_cannot_be_read_is_named() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        vectorize(&test, "blog", ", name => 'posts'").await?;
        test.execute("update ai.vectorizer set config = config - 'embedding'")
            .await?;
        let error = catalog::vectorizers(&test.db).await.unwrap_err().to_string();
        assert!(
            error.starts_with("vectorizer \"posts\" has a config that cannot be read: "),
            "{error}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_entities_read_their_tables_and_views() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog values (1, 't', 'c')").await?;
        let id = vectorize(&test, "blog", ", name => 'posts'").await?;
        let worker: sea_orm::prelude::Uuid = test.value("select ai._worker_start('1.2.3', '5 minutes')").await?;
        test.execute(&format!(
            "select ai._worker_progress('{worker}', {id}, 0, 'refused');
             insert into ai._vectorizer_errors (id, message, details) values ({id}, 'm', '{{}}')"
        ))
        .await?;

        let status = vectorizer_status::Entity::find().one(&test.db).await?.unwrap();
        assert_eq!(
            (status.pending_items, &*status.embedding_column),
            (Some(1), "embedding")
        );
        assert_eq!(status.view.as_deref(), Some("public.blog_embedding"));
        let error = vectorizer_errors::Entity::find().one(&test.db).await?.unwrap();
        assert_eq!(
            (error.message.as_deref(), error.name.as_deref()),
            (Some("m"), Some("posts"))
        );
        assert_eq!((error.id, error.details), (id, Some(serde_json::json!({}))));
        let version: String = test
            .value("select name || ' ' || version from ai.pgai_lib_version")
            .await?;
        assert_eq!(version, "ai 0.12.1");
        if test.catalog == Catalog::Ours {
            let installed: bool = test
                .value(&format!(
                    "select version = {VERSION} and 'ai.chunking_none()' = any (functions) from ai.pgai_sea_migration"
                ))
                .await?;
            assert!(installed);
        }
        let process = vectorizer_worker_process::Entity::find_by_id(worker)
            .one(&test.db)
            .await?
            .unwrap();
        assert_eq!(
            (&*process.version, &*process.expected_heartbeat_interval),
            ("1.2.3", "00:05:00")
        );
        let progress = vectorizer_worker_progress::Entity::find_by_id(id)
            .one(&test.db)
            .await?
            .unwrap();
        assert_eq!(
            (progress.error_count, progress.last_error_process_id),
            (1, Some(worker))
        );
        Ok(())
    })
    .await;
}

/// Schema sync makes tables of the entities that it finds registered: ours are not.
#[tokio::test]
async fn schema_sync_does_not_see_the_entities() {
    on_catalog(Catalog::Bare, async |test| {
        test.db.get_schema_registry("pgai_sea::*").sync(&test.db).await?;
        let schemas: i64 = test
            .value("select count(*) from pg_namespace where nspname = 'ai'")
            .await?;
        let tables: i64 = test
            .value("select count(*) from pg_class where relname like 'vectorizer%'")
            .await?;
        assert_eq!((schemas, tables), (0, 0));
        Ok(())
    })
    .await;
}
