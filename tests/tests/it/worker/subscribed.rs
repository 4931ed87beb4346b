//! A source that another database fills, by logical replication: what applies it fires triggers of rows and of
//! truncates, and only those told to.

use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_own_server};

use super::support::{Gate, assert_in_sync, posts, queued, soon, start, worker};

/// Both databases have the same rows.
async fn arrives(publisher: &TestDatabase, subscriber: &TestDatabase) {
    const ROWS: &str = "select coalesce(string_agg(p::text, ' ' order by id), '') from posts p";
    let published: String = publisher.value(ROWS).await.unwrap();
    soon(async || subscriber.value::<String>(ROWS).await.unwrap() == published).await;
}

/// And the subscriber's embeddings are those of its rows.
async fn follows(publisher: &TestDatabase, subscriber: &TestDatabase) {
    arrives(publisher, subscriber).await;
    // what the subscription has committed is in the queue
    soon(async || queued(subscriber).await == 0).await;
    assert_in_sync(subscriber).await;
}

#[tokio::test]
async fn what_is_replicated_is_embedded() {
    on_own_server(Catalog::Ours, async |subscriber, server| -> TestResult {
        subscriber.execute("alter system set wal_level = logical").await?;
        server.stop().await;
        server.start().await;
        soon(async || subscriber.value::<i32>("select 1").await.is_ok()).await;
        let publisher = server.database("publisher", Catalog::Bare).await;
        publisher
            .execute(
                "create table posts (id int primary key, title text, body text, likes int not null default 0);
                 insert into posts select i, 'T', 'there before ' || i from generate_series(1, 20) i;
                 create publication posts for table posts",
            )
            .await?;
        // on one server a subscription cannot make its slot, as it would wait for its own transaction
        publisher
            .execute("select pg_create_logical_replication_slot('posts', 'pgoutput')")
            .await?;
        posts(&subscriber).await?;
        for trigger in ["insert", "update", "delete", "truncate"] {
            subscriber
                .execute(&format!(
                    "alter table posts enable always trigger _vectorizer_src_trg_1_{trigger}"
                ))
                .await?;
        }
        subscriber.execute("select ai.refresh_vectorizer('tested')").await?;
        let gate = Gate::new();
        let running = start(worker(&subscriber, &gate));
        subscriber
            .execute(&format!(
                "create subscription posts connection '{}' publication posts with (create_slot = false, slot_name = \
                    'posts')",
                publisher.url
            ))
            .await?;
        follows(&publisher, &subscriber).await;

        publisher
            .execute(
                "insert into posts select i, 'T', 'new ' || i from generate_series(21, 200) i;
                 update posts set body = 'edited ' || id where id % 3 = 0; update posts set likes = 7 where id % 5 = 0",
            )
            .await?;
        follows(&publisher, &subscriber).await;
        publisher
            .execute(
                "begin; update posts set id = id + 1000 where id % 7 = 0; delete from posts where id % 4 = 0; \
                commit",
            )
            .await?;
        follows(&publisher, &subscriber).await;
        let report = running.stop().await;
        assert!(report.rows() >= 200, "{report:?}");

        // with nobody to empty the queue
        publisher.execute("update posts set likes = likes + 1").await?;
        arrives(&publisher, &subscriber).await;
        assert_eq!(queued(&subscriber).await, 0, "another column's update is queued");
        publisher.execute("truncate posts").await?;
        arrives(&publisher, &subscriber).await;
        assert_in_sync(&subscriber).await;
        assert_eq!(
            subscriber
                .value::<i64>("select count(*) from posts_embedding_store")
                .await?,
            0
        );
        subscriber.execute("drop subscription posts").await?;
        Ok(())
    })
    .await;
}
