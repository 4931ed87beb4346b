//! Who waits for whom, and who never does.

use std::sync::atomic::{AtomicBool, Ordering};

use pgai_sea_tests::{Catalog, TestDatabase, on_catalog};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, TransactionTrait};

use super::{BLOG, embed, embedded, take, until_waiting, vectorize};

const SOURCES: [&str; 2] = [
    BLOG,
    "create table blog (id int primary key, title text, content text, views int default 0) partition by range (id);
     create table blog_part partition of blog for values from (0) to (100000)",
];

/// What pgai's worker does before it asks the provider: the key's lock is taken, and the embeddings are gone, but for
/// others.
async fn working(test: &TestDatabase, vectorizer: i32, ids: &[i32]) -> Result<DatabaseTransaction, DbErr> {
    let worker = test.db.begin().await?;
    for id in ids {
        worker
            .execute_unprepared(&format!(
                "select pg_advisory_xact_lock({vectorizer}, hashtext(concat_ws('|', 'id', {id})));
                 delete from blog_embedding_store where id = {id}"
            ))
            .await?;
    }
    Ok(worker)
}

#[tokio::test]
async fn a_delete_and_a_change_of_the_key_do_not_wait_for_pgai_s_worker() {
    for source in SOURCES {
        on_catalog(Catalog::Ours, async |test| {
            test.execute(source).await?;
            test.execute("insert into blog select i, 't', 'c' from generate_series(1, 400) i")
                .await?;
            let id = vectorize(&test, "blog", "").await?;
            take(&test, id).await?;
            embed(&test).await?;
            // a delete of one row, of a few, of many, and a change
            let worker = working(&test, id, &[1, 3, 300, 20]).await?;
            test.execute(
                "begin; set local lock_timeout = '2s'; delete from blog where id = 1; delete from blog where id in (2, \
                    3, 4);
                 delete from blog where id > 200; update blog set id = id + 100000 - 50000 where id in (20, 21); \
                 commit",
            )
            .await?;
            worker
                .execute_unprepared(
                    "insert into blog_embedding_store (id, chunk_seq, chunk, embedding) values (1, 0, 'stale', \
                        '[1,2,3]')",
                )
                .await?;
            worker.commit().await?;
            let mut queued = take(&test, id).await?;
            queued.dedup();
            for key in [1, 3, 300, 20, 50020, 50021] {
                assert!(queued.contains(&key), "{key} of {queued:?}");
            }
            assert!(!queued.contains(&21), "{queued:?}");
            let left = embedded(&test).await?;
            assert_eq!((left.len(), left[0], left[1]), (1 + 200 - 6, 1, 5), "{left:?}");
            Ok(())
        })
        .await;
    }
}

/// What is not worked on is deleted, and leaves nothing to do.
#[tokio::test]
async fn a_delete_beside_another_vectorizer_s_worker_queues_nothing() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog select i, 't', 'c' from generate_series(1, 400) i")
            .await?;
        let id = vectorize(&test, "blog", "").await?;
        take(&test, id).await?;
        embed(&test).await?;
        let worker = working(&test, id + 1, &[1, 300]).await?;
        worker.rollback().await?;
        let worker = test.db.begin().await?;
        worker
            .execute_unprepared(&format!("select pg_advisory_xact_lock({id} + 1, 5)"))
            .await?;
        test.execute(
            "delete from blog where id < 5; delete from blog where id > 200; update blog set id = 1 where id = 5",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1]);
        assert_eq!(embedded(&test).await?.len(), 195);
        worker.rollback().await?;
        Ok(())
    })
    .await;
}

/// Nobody else's lock on a source row is in the way of those who write to other rows.
#[tokio::test]
async fn a_source_row_that_a_worker_holds_does_not_hold_up_edits_of_it() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog select i, 't', 'c' from generate_series(1, 3) i")
            .await?;
        let id = vectorize(&test, "blog", "").await?;
        take(&test, id).await?;
        let worker = test.db.begin().await?;
        worker
            .execute_unprepared(&format!(
                "select from ai._vectorizer_src_{id} where id = 1 for key share"
            ))
            .await?;
        test.execute(
            "begin; set local lock_timeout = '2s'; update blog set content = 'd' where id = 1; delete from blog where \
                id = 2;
             update blog set id = 30 where id = 3; commit",
        )
        .await?;
        worker.rollback().await?;
        assert_eq!(take(&test, id).await?, [1, 30]);
        Ok(())
    })
    .await;
}

/// A worker that has locked source rows, and records that they failed, beside who drops the vectorizer or refreshes it.
#[tokio::test]
async fn a_worker_that_records_a_failure_is_waited_for() {
    for action in ["drop", "refresh"] {
        on_catalog(Catalog::Ours, async |test| {
            test.execute(BLOG).await?;
            test.execute("insert into blog values (1, 't', 'c')").await?;
            let id = vectorize(&test, "blog", "").await?;
            // whose new name the refresh writes where the worker reads
            test.execute("alter table blog rename id to post").await?;
            let worker = test.db.begin().await?;
            worker
                .execute_unprepared(&format!(
                    "select from ai._vectorizer_src_{id} where id = 1 for key share"
                ))
                .await?;
            let other = test.clone();
            let acting = tokio::spawn(async move {
                match action {
                    "drop" => {
                        other
                            .execute(&format!("select ai.drop_vectorizer({id}, drop_all => true)"))
                            .await
                    }
                    _ => other.execute(&format!("select ai.refresh_vectorizer({id})")).await,
                }
            });
            until_waiting(&test, 1).await?;
            worker
                .execute_unprepared(&format!(
                    "insert into ai._vectorizer_errors (id, message) values ({id}, 'm')"
                ))
                .await?;
            worker.commit().await?;
            acting.await??;
            Ok(())
        })
        .await;
    }
}

/// Rows that are written while a vectorizer is created, or dropped, are neither missed nor refused.
#[tokio::test]
async fn writers_while_a_vectorizer_comes_and_goes() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let writing = AtomicBool::new(true);
        let writers = futures::future::try_join_all((0..3).map(|writer| {
            let (test, writing) = (&test, &writing);
            async move {
                let mut row = writer;
                while writing.load(Ordering::Relaxed) {
                    test.execute(&format!(
                        "insert into blog values ({row}, 't', 'c'), ({row} + 1000000, 't', 'c');
                         delete from blog where id = {row} + 1000000"
                    ))
                    .await?;
                    row += 3;
                }
                Ok::<(), DbErr>(())
            }
        }));
        let changing = async {
            let outcome = async {
                for _ in 0..6 {
                    let id = vectorize(&test, "blog", "").await?;
                    let missed: i64 = test
                        .value(&format!(
                            "select count(*) from blog b where not exists (select from ai._vectorizer_q_{id} q where \
                                q.id = b.id)"
                        ))
                        .await?;
                    assert_eq!(missed, 0);
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    test.execute(&format!("select ai.drop_vectorizer({id}, drop_all => true)"))
                        .await?;
                }
                Ok::<(), DbErr>(())
            }
            .await;
            writing.store(false, Ordering::Relaxed);
            outcome
        };
        let (written, changed) = tokio::join!(writers, changing);
        written?;
        changed?;
        Ok(())
    })
    .await;
}
