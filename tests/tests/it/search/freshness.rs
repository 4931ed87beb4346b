//! Hits say whether their rows wait to be embedded anew.

use pgai_sea::prelude::*;
use pgai_sea::search::Hits;
use pgai_sea_tests::{TestResult, on_both_catalogs};
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::notes::{create, note, vector};

fn waiting(hits: &Hits<Hit<i32>>) -> Vec<(i32, Option<bool>)> {
    hits.iter().map(|hit| (hit.embedding.source_key, hit.waiting)).collect()
}

#[tokio::test]
async fn a_row_that_was_edited_waits() {
    on_both_catalogs(async |test| -> TestResult {
        create(&test).await?;
        test.execute("delete from ai._vectorizer_q_1").await?;
        let search = || note::embeddings::Entity::search(vector(7)).limit(3);
        let plain = search().all(&test.db).await?;
        assert!(plain.iter().all(|hit| hit.waiting.is_none()), "not asked");
        let nearest = plain[1].embedding.source_key;
        let fresh = search().with_freshness().all(&test.db).await?;
        assert!(fresh.iter().all(|hit| hit.waiting == Some(false)));

        test.execute(&format!("update notes set body = body || '!' where id = {nearest}"))
            .await?;
        let expected: Vec<_> = plain
            .iter()
            .map(|hit| (hit.embedding.source_key, Some(hit.embedding.source_key == nearest)))
            .collect();
        let stale = || search().with_freshness();
        assert_eq!(waiting(&stale().all(&test.db).await?), expected);
        assert_eq!(waiting(&stale().exact().all(&test.db).await?), expected);
        assert_eq!(
            waiting(
                &stale()
                    .filter(sea_orm::sea_query::Expr::cust("true"))
                    .all(&test.db)
                    .await?
            ),
            expected
        );
        assert_eq!(waiting(&stale().best_per_source().all(&test.db).await?), expected);
        let only = |waiting: Option<bool>| waiting == Some(true);
        assert!(only(
            note::Entity::search(vector(7))
                .limit(3)
                .with_freshness()
                .all(&test.db)
                .await?[1]
                .waiting
        ));
        let ranked = stale().hybrid(FullText::any("zebra")).all(&test.db).await?;
        assert_eq!(ranked.iter().filter(|hit| only(hit.waiting)).count(), 1);
        let ranked = stale().diversify(1.0).all(&test.db).await?;
        assert_eq!(ranked.iter().filter(|hit| only(hit.waiting)).count(), 1);
        let json = stale().into_json().all(&test.db).await?;
        assert_eq!(json[1]["waiting"], true);

        // a reader of the tables alone is told nothing, and its transaction goes on
        let reader = format!("reader_{}", uuid::Uuid::new_v4().simple());
        test.execute(&format!(
            "create role {reader}; grant select on notes, notes_embedding_store to {reader}"
        ))
        .await?;
        let as_reader = format!("set local role {reader}");
        let transaction = test.db.begin().await?;
        transaction.execute_unprepared(&as_reader).await?;
        let closed = stale().all(&transaction).await?;
        assert!(closed.iter().all(|hit| hit.waiting.is_none()));
        assert_eq!(search().all(&transaction).await?.len(), 3);
        transaction.rollback().await?;
        // with the catalog but without the queue
        test.execute(&format!(
            "grant usage on schema ai to {reader}; grant select on ai.vectorizer to {reader}"
        ))
        .await?;
        let transaction = test.db.begin().await?;
        transaction.execute_unprepared(&as_reader).await?;
        let closed = stale().all(&transaction).await?;
        assert!(closed.iter().all(|hit| hit.waiting.is_none()));
        transaction.rollback().await?;
        test.execute(&format!("grant select on ai._vectorizer_q_1 to {reader}"))
            .await?;
        let transaction = test.db.begin().await?;
        transaction.execute_unprepared(&as_reader).await?;
        assert_eq!(waiting(&stale().all(&transaction).await?), expected);
        transaction.rollback().await?;
        test.execute(&format!("drop owned by {reader}; drop role {reader}"))
            .await?;
        Ok(())
    })
    .await;
}
