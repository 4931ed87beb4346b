//! Switching vectorizers off and on, and changing what is scheduled.

use pgai_sea::catalog::{VectorizerRef, vectorizer};
use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs, on_catalog};
use sea_orm::{DbErr, TransactionTrait};

async fn create(test: &TestDatabase) -> Result<i32, DbErr> {
    test.execute("create table posts (id int primary key, body text)")
        .await?;
    SchemaManager::new(&test.db)
        .create_vectorizer(
            CreateVectorizer::new("posts")
                .name("posts")
                .loading(Loading::column("body"))
                .embedding(Embedding::ollama("m", 3)),
        )
        .await
}

#[tokio::test]
async fn by_name_and_by_id_with_and_without_a_transaction() {
    on_both_catalogs(async |test| {
        let id = create(&test).await?;
        for reference in [VectorizerRef::from(id), VectorizerRef::from("posts")] {
            let manager = SchemaManager::new(&test.db);
            manager.disable_vectorizer_schedule(reference.clone()).await?;
            assert!(vectorizer(&test.db, id).await?.disabled, "{reference}");
            let transaction = test.db.begin().await?;
            SchemaManager::new(&transaction)
                .enable_vectorizer_schedule(reference.clone())
                .await?;
            assert!(vectorizer(&test.db, id).await?.disabled, "not before the commit");
            transaction.commit().await?;
            assert!(!vectorizer(&test.db, id).await?.disabled, "{reference}");
        }
        Ok(())
    })
    .await;
}

/// pgai's own functions say nothing about a name that they do not know.
#[tokio::test]
async fn an_unknown_vectorizer_is_an_error() {
    for catalog in [Catalog::Ours, Catalog::Pgai, Catalog::Bare] {
        on_catalog(catalog, async |test| {
            let manager = SchemaManager::new(&test.db);
            for (reference, message) in [
                (VectorizerRef::from("none"), "there is no vectorizer \"none\""),
                (VectorizerRef::from(77), "there is no vectorizer 77"),
            ] {
                let errors = [
                    manager.enable_vectorizer_schedule(reference.clone()).await,
                    manager.disable_vectorizer_schedule(reference.clone()).await,
                    manager
                        .set_scheduling(reference.clone(), Scheduling::none(), Indexing::none())
                        .await,
                ];
                for error in errors {
                    let error = error.unwrap_err().to_string();
                    assert!(error.contains(message), "{error}");
                }
            }
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn schedule_and_index_are_replaced() {
    on_catalog(Catalog::Ours, async |test| {
        let id = create(&test).await?;
        let manager = SchemaManager::new(&test.db);
        let hnsw = Indexing::hnsw().min_rows(10).opclass("vector_ip_ops");
        manager
            .set_scheduling("posts", Scheduling::none(), hnsw.clone())
            .await?;
        let config = vectorizer(&test.db, id).await?.config;
        let Some(Indexing::Hnsw(stored)) = config.indexing else {
            panic!("{config:?}")
        };
        assert_eq!((stored.min_rows, stored.opclass), (hnsw.min_rows, hnsw.opclass));
        manager.set_scheduling(id, Scheduling::none(), Indexing::none()).await?;
        assert_eq!(
            vectorizer(&test.db, id).await?.config.indexing,
            Some(Indexing::none().into())
        );

        let refused = manager
            .set_scheduling(id, Scheduling::none(), Indexing::hnsw().m(1))
            .await;
        assert_eq!(
            refused.unwrap_err().to_string(),
            format!("Migration Error: vectorizer {id}: `m`: 1 is not between 2 and 100")
        );
        Ok(())
    })
    .await;
}

/// The database's own answer: pgai's function calls `delete_job` of timescaledb, ours takes no such schedule.
#[tokio::test]
async fn what_the_database_refuses_changes_nothing() {
    on_both_catalogs(async |test| {
        let id = create(&test).await?;
        let before = vectorizer(&test.db, id).await?;
        let refused = SchemaManager::new(&test.db)
            .set_scheduling(id, Scheduling::timescaledb(), Indexing::hnsw())
            .await;
        let message = refused.unwrap_err().to_string();
        let why = ["timescaledb", "delete_job"].map(|what| message.contains(what));
        assert!(why.contains(&true), "{message}");
        assert_eq!(vectorizer(&test.db, id).await?, before);
        Ok(())
    })
    .await;
}
