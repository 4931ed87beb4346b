//! Embeddings whose row was deleted by a transaction that did not see them. On pgai's catalog its triggers leave them.

use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs, on_catalog};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, IsolationLevel, TransactionTrait};

use super::support::{Gate, assert_in_sync, posts, run, soon, start, vectorizer, worker};

/// A transaction whose snapshot is older than whatever is committed from now on.
async fn old_snapshot(test: &TestDatabase) -> Result<DatabaseTransaction, DbErr> {
    let writer = test
        .db
        .begin_with_config(Some(IsolationLevel::RepeatableRead), None)
        .await?;
    writer.execute_unprepared("select * from posts").await?;
    Ok(writer)
}

const STORED: &str = "select count(distinct id) from posts_embedding_store";

#[tokio::test]
async fn a_single_run_removes_them() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 5) i")
            .await?;
        let gate = Gate::new();
        let writer = old_snapshot(&test).await?;
        run(&test, &gate).await;
        writer
            .execute_unprepared("delete from posts where id = 1; update posts set id = 6 where id = 2")
            .await?;
        writer.commit().await?;
        let sent = gate.texts().len();
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        // the others were left alone
        assert!(gate.texts().len() <= sent + 1, "{:?}", &gate.texts()[sent..]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_runs_on_removes_them() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text'), (2, 'T', 'other')")
            .await?;
        let gate = Gate::new();
        let writer = old_snapshot(&test).await?;
        run(&test, &gate).await;
        writer.execute_unprepared("delete from posts where id = 1").await?;
        writer.commit().await?;
        let running = start(worker(&test, &gate));
        soon(async || test.value::<i64>(STORED).await.unwrap() == 1).await;
        running.stop().await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// Several slices, and from anywhere in the store.
#[tokio::test]
async fn they_are_found_wherever_they_are() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute(
            "insert into posts select i, 'T', 'text ' || i from generate_series(1, 25000) i;
             insert into posts_embedding_store (id, chunk_seq, chunk, embedding)
             select i, 0, 'T: text ' || i, array_fill(1, array[8])::vector from generate_series(1, 25000) i",
        )
        .await?;
        let queue: String = test
            .value("select format('ai._vectorizer_q_%s', id) from ai.vectorizer")
            .await?;
        test.execute(&format!(
            "truncate {queue}; alter table posts disable trigger user; delete from posts where id % 100 = 0"
        ))
        .await?;
        let gate = Gate::new();
        let found = match test.catalog {
            // here nothing leaves any
            pgai_sea_tests::Catalog::Ours => 25_000,
            _ => 24_750,
        };
        run(&test, &gate).await;
        assert_eq!(test.value::<i64>(STORED).await?, found);
        assert!(gate.texts().is_empty());
        Ok(())
    })
    .await;
}

/// No trigger of either catalog sees them go.
#[tokio::test]
async fn rows_that_go_with_their_partition() {
    on_both_catalogs(async |test| {
        test.execute(
            "create table posts (id int primary key, title text not null, body text) partition by range (id);
             create table posts_0 partition of posts for values from (0) to (10);
             create table posts_1 partition of posts for values from (10) to (20);
             create table posts_2 partition of posts for values from (20) to (30);
             create table posts_3 partition of posts for values from (30) to (40);
             insert into posts select i, 'T', 'text ' || i from generate_series(0, 39) i",
        )
        .await?;
        vectorizer(&test, "posts", "body", "$title: $chunk", "").await?;
        let gate = Gate::new();
        run(&test, &gate).await;
        let sent = gate.texts().len();
        test.execute("truncate posts_1; alter table posts detach partition posts_2; drop table posts_3")
            .await?;
        run(&test, &gate).await;
        assert_eq!(test.value::<i64>(STORED).await?, 10);
        assert_in_sync(&test).await;
        assert_eq!(gate.texts().len(), sent);
        Ok(())
    })
    .await;
}

/// A truncate that cannot empty the store at once deletes what it sees, which is not all where the snapshot is older:
/// it has to be tried again.
#[tokio::test]
async fn a_truncate_that_does_not_see_them_is_refused_while_they_are_read() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test).await?;
        let gate = Gate::new();
        let writer = old_snapshot(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 5) i")
            .await?;
        run(&test, &gate).await;
        let reader = test.db.begin().await?;
        reader.execute_unprepared("select from posts_embedding_store").await?;
        let refused = writer.execute_unprepared("truncate posts").await.unwrap_err();
        assert!(refused.to_string().contains("readers of the embeddings"), "{refused}");
        writer.rollback().await?;
        assert_in_sync(&test).await;
        // at read committed it is not, and neither where nobody reads
        test.execute("truncate posts").await?;
        reader.commit().await?;
        assert_in_sync(&test).await;
        let writer = old_snapshot(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text')").await?;
        run(&test, &gate).await;
        writer.execute_unprepared("truncate posts").await?;
        writer.commit().await?;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}
