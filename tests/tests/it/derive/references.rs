//! An entity says which vectorizer is meant, whatever its name is.

use std::sync::Arc;
use std::time::Duration;

use pgai_sea::catalog::{self, CatalogError, WaitError, wait_until_embedded};
use pgai_sea::migration::prelude::*;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs};
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::column::Model;

mod note {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "notes")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 8, default, embedding = Embedding::ollama("m", 8))]
        pub body: String,
        #[vectorizer(
            dimensions = 8,
            target_table = "note_titles",
            view_name = "notes_by_title",
            embedding = Embedding::ollama("m", 8)
        )]
        pub title: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod tag {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "tags")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub word: String,
        #[vectorizer(dimensions = 8, destination = "column", embedding = Embedding::ollama("m", 8))]
        #[sea_orm(column_type = "Vector(Some(8))", nullable)]
        pub vector: Option<PgVector>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use note::{body_embeddings, title_embeddings};

/// Vectorizers with names of their own; and in another schema tables that are called the same.
async fn create(test: &TestDatabase) -> TestResult {
    let manager = SchemaManager::new(&test.db);
    for (schema, suffix) in [("public", ""), ("other", "_elsewhere")] {
        test.execute(&format!(
            "create schema if not exists {schema};
             create table {schema}.notes (id int primary key, body text not null, title text not null);
             create table {schema}.tags (id int primary key, word text not null)"
        ))
        .await?;
        for (create, name) in [
            (body_embeddings::Entity::vectorizer(), "bodies"),
            (title_embeddings::Entity::vectorizer(), "titles"),
            (tag::Entity::vectorizer(), "words"),
        ] {
            let transaction = test.db.begin().await?;
            transaction
                .execute_unprepared(&format!("set local search_path = {schema}, public"))
                .await?;
            transaction
                .query_one_raw(create.name(format!("{name}{suffix}")).statement()?)
                .await?;
            transaction.commit().await?;
        }
    }
    assert!(manager.has_vectorizer("bodies_elsewhere").await?);
    Ok(())
}

#[tokio::test]
async fn the_vectorizer_is_found_by_where_its_embeddings_go() {
    on_both_catalogs(async |test| -> TestResult {
        let manager = SchemaManager::new(&test.db);
        let missing = catalog::vectorizer(&test.db, title_embeddings::Entity)
            .await
            .unwrap_err();
        assert!(matches!(missing, CatalogError::NotFound(_)), "{missing}");
        assert_eq!(
            missing.to_string(),
            "there is no vectorizer with the table \"note_titles\""
        );
        assert!(!manager.has_vectorizer(tag::Entity).await?);
        create(&test).await?;

        for (reference, name) in [
            (VectorizerRef::from(body_embeddings::Entity), "bodies"),
            (title_embeddings::Entity.into(), "titles"),
            (tag::Entity.into(), "words"),
        ] {
            assert_eq!(catalog::vectorizer(&test.db, reference.clone()).await?.name, name);
            assert_eq!(catalog::status(&test.db, reference.clone()).await?.name, name);
            assert_eq!(catalog::failed_count(&test.db, reference.clone()).await?, Some(0));
            assert_eq!(catalog::retry_failed(&test.db, reference.clone()).await?, 0);
            assert!(manager.has_vectorizer(reference.clone()).await?);
            manager.disable_vectorizer_schedule(reference.clone()).await?;
            assert!(catalog::vectorizer(&test.db, name).await?.disabled);
            manager.enable_vectorizer_schedule(reference.clone()).await?;
            assert!(!catalog::vectorizer(&test.db, name).await?.disabled);
            if test.catalog == Catalog::Ours {
                manager.refresh_vectorizer(reference.clone()).await?;
            }
            // a schema that the entity does not name is found along the search path
            let transaction = test.db.begin().await?;
            transaction.execute_unprepared("set local search_path = other").await?;
            let elsewhere = catalog::vectorizer(&transaction, reference).await?.name;
            assert_eq!(elsewhere, format!("{name}_elsewhere"));
            transaction.rollback().await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_serves_and_a_writer_waits_for_what_an_entity_declares() {
    on_both_catalogs(async |test| -> TestResult {
        create(&test).await?;
        for schema in ["public", "other"] {
            test.execute(&format!(
                "insert into {schema}.notes values (1, 'a body', 'a title');
                 insert into {schema}.tags values (1, 'w')"
            ))
            .await?;
        }
        Worker::new(test.db.clone())
            .vectorizers([VectorizerRef::from(title_embeddings::Entity), tag::Entity.into()])
            .embedder("ollama", "m", Arc::new(Model))
            .run_once()
            .await?;
        let soon = Duration::ZERO;
        wait_until_embedded(&test.db, title_embeddings::Entity, 1, soon).await?;
        wait_until_embedded(&test.db, tag::Entity, 1, soon).await?;
        for waiting in [
            VectorizerRef::from(body_embeddings::Entity),
            "titles_elsewhere".into(),
            "words_elsewhere".into(),
        ] {
            let queued = wait_until_embedded(&test.db, waiting.clone(), 1, soon)
                .await
                .unwrap_err();
            assert!(matches!(queued, WaitError::TimedOut { .. }), "{waiting}: {queued}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_an_entity_declares_is_dropped_and_nothing_else() {
    on_both_catalogs(async |test| -> TestResult {
        create(&test).await?;
        let manager = SchemaManager::new(&test.db);
        manager
            .drop_vectorizer(DropVectorizer::new(title_embeddings::Entity).drop_all(true))
            .await?;
        manager.drop_vectorizer(DropVectorizer::new(tag::Entity)).await?;
        let left = test
            .values::<String>("select name from ai.vectorizer order by name")
            .await?;
        assert_eq!(
            left,
            ["bodies", "bodies_elsewhere", "titles_elsewhere", "words_elsewhere"]
        );
        let again = manager
            .drop_vectorizer(DropVectorizer::new(tag::Entity))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            again.contains("there is no vectorizer with the column \"vector\" of \"tags\""),
            "{again}"
        );
        Ok(())
    })
    .await;
}
