//! A connection whose prepared statements are of a table as it was.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use sea_orm::entity::prelude::*;
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, TransactionTrait};

use super::notes::{create, note, vector};

/// The one connection of a pool, which remembers its statements.
async fn warm(test: &TestDatabase) -> Result<DatabaseConnection, DbErr> {
    let options = ConnectOptions::new(test.url.clone())
        .max_connections(1)
        .sqlx_logging(false)
        .to_owned();
    Database::connect(options).await
}

/// The nearest notes, by a search for hits with their rows, by one for chunks, and by a hybrid one.
async fn found(db: &impl ConnectionTrait) -> Result<Vec<Vec<i32>>, SearchError> {
    let search = || note::embeddings::Entity::search(vector(7).to_vec()).limit(3);
    let with_source = search().with_source().all(db).await?;
    let chunks = search().all(db).await?;
    let hybrid = search().hybrid(FullText::any("note")).all(db).await?;
    Ok(vec![
        with_source.iter().map(|hit| hit.source.id).collect(),
        chunks.iter().map(|hit| hit.embedding.source_key).collect(),
        hybrid.iter().map(|hit| hit.embedding.source_key).collect(),
    ])
}

#[tokio::test]
async fn a_search_goes_on_when_a_column_has_another_type() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        create(&test).await?;
        let db = warm(&test).await?;
        let before = found(&db).await?;
        // of a column that is embedded, and of one that is only returned
        for (column, sql_type) in [("body", "varchar(1000)"), ("author", "varchar(100)")] {
            test.execute(&format!(
                "select ai.release_vectorizer(1);
                 alter table notes alter {column} type {sql_type};
                 select ai.refresh_vectorizer(1)"
            ))
            .await?;
            assert_eq!(found(&db).await?, before, "{column}");
            assert_eq!(found(&db).await?, before, "{column}, again");
        }
        Ok(())
    })
    .await;
}

/// A transaction that PostgreSQL has aborted cannot be asked again: the error is the database's own.
#[tokio::test]
async fn in_a_transaction_it_is_said() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        create(&test).await?;
        let db = warm(&test).await?;
        found(&db).await?;
        test.execute(
            "select ai.release_vectorizer(1); alter table notes alter body type varchar(1000); select \
             ai.refresh_vectorizer(1)",
        )
        .await?;
        let transaction = db.begin().await?;
        let error = found(&transaction).await.unwrap_err().to_string();
        assert!(error.contains("cached plan must not change result type"), "{error}");
        transaction.rollback().await?;
        found(&db).await?;
        Ok(())
    })
    .await;
}
