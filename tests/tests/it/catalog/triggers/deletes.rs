//! Deletes and truncates take the embeddings along.

use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::{ConnectionTrait, IsolationLevel, TransactionTrait};

use super::blog;
use crate::catalog::{embed, embedded, take};

#[tokio::test]
async fn a_delete_takes_the_embeddings_along() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute("delete from blog where id = 2").await?;
        assert_eq!(embedded(&test).await?, [1, 3]);
        test.execute("delete from blog").await?;
        assert!(embedded(&test).await?.is_empty());
        assert!(take(&test, id).await?.is_empty());
        Ok(())
    })
    .await;
}

/// Statements of a few rows and of many are planned apart; both in one session.
#[tokio::test]
async fn deletes_of_a_few_and_of_many_rows() {
    on_both_catalogs(async |test| {
        blog(&test).await?;
        test.execute(
            "insert into blog select i, 't', 'c' from generate_series(4, 1000) i; truncate blog_embedding_store",
        )
        .await?;
        embed(&test).await?;
        test.execute("delete from blog where id <= 3; delete from blog where id > 500; delete from blog where id <= 7")
            .await?;
        let left = embedded(&test).await?;
        assert_eq!((left.len(), left.first(), left.last()), (493, Some(&8), Some(&500)));
        Ok(())
    })
    .await;
}

/// Beyond read committed a delete may not see embeddings that were committed meanwhile: the key is left to the worker.
#[tokio::test]
async fn a_delete_by_an_old_snapshot_queues_the_key() {
    on_catalog(Catalog::Ours, async |test| {
        let id = blog(&test).await?;
        test.execute("truncate blog_embedding_store").await?;
        for (level, queued) in [
            (IsolationLevel::ReadCommitted, vec![]),
            (IsolationLevel::RepeatableRead, vec![2, 3, 30]),
            (IsolationLevel::Serializable, vec![1, 30, 31]),
        ] {
            let snapshot = test.db.begin_with_config(Some(level), None).await?;
            snapshot.execute_unprepared("select count(*) from blog").await?;
            let (deleted, from, to) = match level {
                IsolationLevel::RepeatableRead => (2, 3, 30),
                IsolationLevel::Serializable => (1, 30, 31),
                _ => (0, 0, 0),
            };
            snapshot
                .execute_unprepared(&format!("delete from blog where id = {deleted}"))
                .await?;
            snapshot
                .execute_unprepared(&format!("update blog set id = {to} where id = {from}"))
                .await?;
            snapshot.commit().await?;
            assert_eq!(take(&test, id).await?, queued, "{level:?}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_truncate_empties_store_and_queue() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute("insert into blog values (4, 't', 'c'); truncate blog")
            .await?;
        assert!(embedded(&test).await?.is_empty());
        assert!(take(&test, id).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn source_and_store_may_be_truncated_by_one_statement() {
    on_catalog(Catalog::Ours, async |test| {
        let id = blog(&test).await?;
        test.execute(&format!("truncate blog, blog_embedding_store, ai._vectorizer_q_{id}"))
            .await?;
        assert!(embedded(&test).await?.is_empty());
        test.execute("insert into blog values (1, 't', 'c'); truncate blog, blog_embedding_store")
            .await?;
        assert!(take(&test, id).await?.is_empty());
        Ok(())
    })
    .await;
}

/// Someone reads the store, and someone holds a row of the queue: a truncate waits for neither.
#[tokio::test]
async fn a_truncate_waits_for_no_reader_and_no_worker() {
    on_catalog(Catalog::Ours, async |test| {
        let id = blog(&test).await?;
        test.execute("insert into blog values (4, 't', 'c'), (5, 't', 'c')")
            .await?;
        let other = test.db.begin().await?;
        other
            .execute_unprepared(&format!("select from ai._vectorizer_q_{id} where id = 4 for update"))
            .await?;
        other
            .execute_unprepared("select count(*) from blog_embedding_store")
            .await?;
        test.execute("begin; set local lock_timeout = '2s'; truncate blog; commit")
            .await?;
        other.commit().await?;
        assert!(embedded(&test).await?.is_empty());
        assert_eq!(take(&test, id).await?, [4]);
        Ok(())
    })
    .await;
}

/// Such a store cannot be truncated; what refers to it decides what becomes of its rows.
#[tokio::test]
async fn a_truncate_where_a_table_of_the_user_s_refers_to_the_store() {
    on_catalog(Catalog::Ours, async |test| {
        let id = blog(&test).await?;
        test.execute(
            "create table notes (chunk uuid references blog_embedding_store on delete set null); insert into \
            notes select embedding_uuid from blog_embedding_store; truncate blog",
        )
        .await?;
        assert!(embedded(&test).await?.is_empty());
        assert!(take(&test, id).await?.is_empty());
        assert_eq!(
            test.value::<i64>("select count(*) from notes where chunk is null")
                .await?,
            3
        );
        Ok(())
    })
    .await;
}
