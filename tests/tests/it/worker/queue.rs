//! Claims from long queues, and with few connections.

use std::time::Duration;

use pgai_sea::config::Processing;
use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea::testing::{FakeEmbedder, embed_all};
use pgai_sea_tests::on_both_catalogs;
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ConnectOptions, ConnectionTrait, Database, EntityTrait, TransactionTrait};

use crate::readme::blog_post::{self, content_embeddings};
use crate::readme::m0001_search;

use super::support::{Gate, assert_in_sync, posts, queued, run, soon, start, worker};

/// As pgai's worker holds its keys, whose rows are edited again meanwhile.
#[tokio::test]
async fn keys_that_another_worker_holds_hide_nothing_behind_them() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        let Processing::Default(processing) = pgai_sea::catalog::vectorizer(&test.db, "tested")
            .await?
            .config
            .processing
        else {
            panic!("another processing")
        };
        assert!(processing.batch_size.is_none_or(|size| size < 400));
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 1000) i")
            .await?;
        let holder = test.db.begin().await?;
        holder
            .execute_unprepared(
                "select pg_advisory_xact_lock(v.id, hashtext(concat_ws('|', 'id', i))) from ai.vectorizer v, \
                    generate_series(1, 800) i",
            )
            .await?;
        let gate = Gate::new();
        let running = start(worker(&test, &gate));
        soon(async || queued(&test).await == 800).await;
        // and rows that come while the others are still held, wherever they are put
        test.execute("vacuum ai._vectorizer_q_1; ").await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1001, 1010) i")
            .await?;
        soon(async || queued(&test).await == 800).await;
        holder.commit().await?;
        soon(async || queued(&test).await == 0).await;
        assert_in_sync(&test).await;
        running.stop().await;
        Ok(())
    })
    .await;
}

/// Whoever claims locks rows for a moment that were due when its statement began.
#[tokio::test]
async fn rows_that_are_locked_for_a_moment_are_taken_off_all_the_same() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 10) i")
            .await?;
        let gate = Gate::new();
        gate.hold();
        // longer than the test waits
        let running = start(worker(&test, &gate).lease(Duration::from_hours(1)));
        gate.wait_for(1).await;
        let passer = test.db.begin().await?;
        passer
            .execute_unprepared("select from ai._vectorizer_q_1 where id = 3 for update")
            .await?;
        gate.release();
        // until the worker has found it locked, and what it looks at then
        passer
            .execute_unprepared(
                "do $$ begin
                     while not exists (select from pg_stat_activity where datname = current_database()
                         and query like 'select distinct k.n from %retry_after = $%' and pid <> pg_backend_pid())
                     loop
                         perform pg_sleep(0.001), pg_stat_clear_snapshot();
                     end loop;
                 end $$",
            )
            .await?;
        passer.rollback().await?;
        soon(async || queued(&test).await == 0).await;
        assert_in_sync(&test).await;
        running.stop().await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn rows_that_wait_for_another_attempt_hide_nothing_behind_them() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 2000) i")
            .await?;
        test.execute(
            "update ai._vectorizer_q_1 set loading_retries = 1,
             loading_retry_after = date_trunc('milliseconds', now() + interval '1 hour') where id % 4 <> 0",
        )
        .await?;
        let gate = Gate::new();
        let report = run(&test, &gate).await;
        assert_eq!((report.rows(), report.waiting()), (500, 1500), "{report:?}");
        test.execute("update ai._vectorizer_q_1 set loading_retry_after = null")
            .await?;
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn one_connection_is_enough() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        let mut narrow = test.clone();
        let options = ConnectOptions::new(test.url.clone())
            .max_connections(1)
            .sqlx_logging(false)
            .to_owned();
        narrow.db = Database::connect(options).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 300) i")
            .await?;
        let gate = Gate::with_inputs(3);
        let worker = worker(&narrow, &gate).concurrency(4).lease(Duration::from_secs(1));
        assert_eq!(worker.run_once().await?.rows(), 300);
        let running = start(worker);
        test.execute("update posts set body = 'new ' || id").await?;
        soon(async || queued(&test).await == 0).await;
        running.stop().await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// What the driver remembers of a connection, as the names of types, is the same for whoever has it next.
#[tokio::test]
async fn an_application_reads_vectors_on_the_connection_that_the_worker_had() {
    on_both_catalogs(async |test| {
        test.execute("create table blog_posts (id serial primary key, title text not null, content text not null)")
            .await?;
        m0001_search::Migration.up(&SchemaManager::new(&test.db)).await?;
        test.execute("insert into blog_posts (title, content) values ('a', 'flour'), ('b', 'water')")
            .await?;
        let options = ConnectOptions::new(test.url.clone())
            .max_connections(1)
            .sqlx_logging(false)
            .to_owned();
        let db = Database::connect(options).await?;
        let embedder = FakeEmbedder::new(768);
        assert_eq!(embed_all(&db, &embedder).await?.rows(), 2);

        let stored = content_embeddings::Entity::find().all(&db).await?;
        assert_eq!(stored[0].embedding.as_slice().len(), 768);
        let hits = content_embeddings::Entity::search(embedder.vector("flour")).with_vectors();
        assert!(hits.all(&db).await?.iter().all(|hit| hit.embedding.embedding.is_some()));
        assert_eq!(content_embeddings::Entity::search_like(1).all(&db).await?.len(), 1);
        // and the worker on the connection that the application had
        blog_post::ActiveModel {
            title: Set("c".to_owned()),
            content: Set("salt".to_owned()),
            ..Default::default()
        }
        .insert(&db)
        .await?;
        assert_eq!(embed_all(&db, &embedder).await?.rows(), 1);
        assert_eq!(content_embeddings::Entity::find().all(&db).await?.len(), 3);
        Ok(())
    })
    .await;
}
