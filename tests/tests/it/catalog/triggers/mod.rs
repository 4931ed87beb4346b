//! What queues a row, and what deletes embeddings. Where pgai does the same, on its catalog as well.

mod deletes;
mod updates;

use pgai_sea_tests::{TestDatabase, on_both_catalogs};
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::{BLOG, embed, embedded, take, vectorize};

/// A blog of three posts, embedded, with an empty queue.
async fn blog(test: &TestDatabase) -> Result<i32, sea_orm::DbErr> {
    test.execute(BLOG).await?;
    test.execute("insert into blog select i, 'title ' || i, 'content ' || i from generate_series(1, 3) i")
        .await?;
    let id = vectorize(
        test,
        "blog",
        ", formatting => ai.formatting_python_template('$title: $chunk')",
    )
    .await?;
    take(test, id).await?;
    embed(test).await?;
    Ok(id)
}

#[tokio::test]
async fn rows_that_are_there_are_queued_unless_they_should_not_be() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog select i, 't', 'c' from generate_series(1, 3) i")
            .await?;
        let id = vectorize(&test, "blog", "").await?;
        assert_eq!(take(&test, id).await?, [1, 2, 3]);
        let other = ", enqueue_existing => false, destination => ai.destination_table('other')";
        let id = vectorize(&test, "blog", other).await?;
        assert!(take(&test, id).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_insert_queues_its_rows() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute("insert into blog values (4, 't', 'c')").await?;
        test.execute("insert into blog select i, 't', 'c' from generate_series(5, 7) i")
            .await?;
        test.execute("insert into blog select 8, 't', 'c' where false").await?;
        assert_eq!(take(&test, id).await?, [4, 5, 6, 7]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn on_conflict_merge_copy_and_cascades() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute(
            "insert into blog values (3, 't', 'again'), (4, 't', 'c') on conflict (id) do update set content \
            = excluded.content",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [3, 4]);
        test.execute("insert into blog values (3, 't', 'c') on conflict do nothing")
            .await?;
        assert!(take(&test, id).await?.is_empty());
        test.execute(
            "merge into blog using (values (1, 'merged'), (2, null), (5, 'new')) n (id, content) on blog.id = n.id
             when matched and n.content is null then delete
             when matched then update set content = n.content
             when not matched then insert values (n.id, 't', n.content)",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1, 5]);
        assert_eq!(embedded(&test).await?, [1, 3]);
        test.execute(r"copy blog (id, content) from program 'printf ''6\tc\n7\tc\n'''")
            .await?;
        assert_eq!(take(&test, id).await?, [6, 7]);
        test.execute(
            "create table author (name text primary key);
             insert into author values ('a'), ('b');
             alter table blog add author text references author on delete cascade on update cascade;
             update blog set author = case when id < 4 then 'a' else 'b' end",
        )
        .await?;
        take(&test, id).await?;
        test.execute("delete from author where name = 'a'").await?;
        assert!(embedded(&test).await?.is_empty());
        assert_eq!(test.value::<i64>("select count(*) from blog").await?, 4);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn several_vectorizers_of_one_table() {
    on_both_catalogs(async |test| {
        let first = blog(&test).await?;
        let more = ", destination => ai.destination_table('titles'), formatting => \
            ai.formatting_python_template('$title $chunk')";
        let second: i32 = test
            .value(&format!(
                "select ai.create_vectorizer('blog', loading => ai.loading_column('title'),
                     embedding => ai.embedding_ollama('model', 4){more})"
            ))
            .await?;
        take(&test, second).await?;
        test.execute("update blog set title = 'new' where id = 1; delete from blog where id = 2")
            .await?;
        assert_eq!(take(&test, first).await?, [1]);
        assert_eq!(take(&test, second).await?, [1]);
        assert_eq!(embedded(&test).await?, [1, 3]);
        test.execute(&format!("select ai.drop_vectorizer({second}, drop_all => true)"))
            .await?;
        test.execute("insert into blog values (9, 't', 'c')").await?;
        assert_eq!(take(&test, first).await?, [9]);
        Ok(())
    })
    .await;
}

/// A worker holds the key's row, and has not committed: who writes does not wait.
#[tokio::test]
async fn a_writer_does_not_wait_for_a_worker() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute("update blog set content = 'x'").await?;
        let worker = test.db.begin().await?;
        worker
            .execute_unprepared(&format!("select * from ai._vectorizer_q_{id} for update"))
            .await?;
        test.execute(
            "begin; set local lock_timeout = '1s'; update blog set content = 'y'; insert into blog values (4, \
            't', 'c'); commit",
        )
        .await?;
        worker.commit().await?;
        assert_eq!(take(&test, id).await?, [1, 1, 2, 2, 3, 3, 4]);
        Ok(())
    })
    .await;
}
