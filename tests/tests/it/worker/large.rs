//! Batches of large texts: a part of them at a time, so that they fit into memory and into a message. Batches for a
//! large store.

use std::sync::Arc;
use std::time::Duration;

use pgai_sea::embedder::Embedder;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, TransactionTrait};

use super::support::{Gate, assert_in_sync, posts, queued, soon, start, vectorizer, worker};

/// PostgreSQL takes a store that was never analyzed for a small one.
#[tokio::test]
async fn a_store_is_not_read_again_for_each_batch() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute(
            "alter table posts_embedding_store set (autovacuum_enabled = off);
             insert into posts select i, 'T', 'text ' || i from generate_series(1, 3000) i",
        )
        .await?;
        let mut options = ConnectOptions::new(&test.url);
        options
            .sqlx_logging(false)
            .map_sqlx_postgres_opts(|options| options.application_name("embeds"));
        let db = Database::connect(options).await?;
        let gate = Gate::new() as Arc<dyn Embedder>;
        Worker::new(db.clone())
            .embedder("ollama", "gate", gate)
            .run_once()
            .await?;
        db.close().await?;
        // what a session has read is counted at the latest when it ends
        let sessions = "select count(*) from pg_stat_activity where application_name = 'embeds' \
                        and datname = current_database()";
        soon(async || test.value::<i64>(sessions).await.unwrap() == 0).await;
        let read: i64 = test
            .value("select seq_tup_read from pg_stat_user_tables where relname = 'posts_embedding_store'")
            .await?;
        // the search for orphans reads it
        assert!(read <= 3 * 3_000, "{read} of 3,000 chunks were read");
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_batch_ends_before_its_texts_are_too_large() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute("create table posts (id int primary key, body text)")
            .await?;
        test.execute(
            "select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', 8), chunking => ai.chunking_none())",
        )
        .await?;
        // a megabyte each, and a request each
        test.execute("insert into posts select i, repeat(md5(i::text), 32768) from generate_series(1, 40) i")
            .await?;
        let gate = Gate::new();
        gate.hold();
        for _ in 0..20 {
            gate.admit();
        }
        let running = start(worker(&test, &gate));
        // what is written is no longer in memory
        let stored = "select count(*) from posts_embedding_store";
        soon(async || test.value::<i64>(stored).await.unwrap() >= 16).await;
        gate.release();
        soon(async || queued(&test).await == 0).await;
        assert_eq!(running.stop().await.rows(), 40);
        assert_eq!(gate.texts().len(), 40);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_batch_ends_before_its_chunks_are_too_many() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute("create table posts (id int primary key, body text)")
            .await?;
        vectorizer(&test, "posts", "body", "$chunk", "").await?;
        // 3,000 chunks each
        test.execute(
            "insert into posts select i, string_agg(rpad(i || '-' || j, 15, 'x'), ' ') from generate_series(1, 4) i, \
                generate_series(1, 3000) j
             group by i",
        )
        .await?;
        let gate = Gate::new();
        gate.hold();
        for _ in 0..3 {
            gate.admit();
        }
        let running = start(worker(&test, &gate));
        let stored = "select count(distinct id) from posts_embedding_store";
        soon(async || test.value::<i64>(stored).await.unwrap() == 2).await;
        gate.release();
        soon(async || queued(&test).await == 0).await;
        running.stop().await;
        assert_eq!(gate.texts().len(), 12_000);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_row_that_is_held_is_paid_for_once() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test).await?;
        let gate = Gate::new();
        gate.hold();
        let running = start(worker(&test, &gate));
        test.execute("insert into posts values (1, 'T', 'text')").await?;
        gate.wait_for(1).await;
        let holder = test.db.begin().await?;
        holder
            .execute_unprepared("select from posts where id = 1 for update")
            .await?;
        gate.release();
        // it is tried twice more: each time it is leased, and deferred
        let due = "select coalesce(max(loading_retry_after)::text, '') from ai._vectorizer_q_1";
        let due = async || test.value::<String>(due).await.unwrap();
        for _ in 0..4 {
            let before = due().await;
            soon(async || due().await != before).await;
        }
        assert_eq!(queued(&test).await, 1);
        holder.commit().await?;
        soon(async || queued(&test).await == 0).await;
        running.stop().await;
        assert_eq!(gate.texts().len(), 1);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// What the template puts around each chunk counts as much as the chunks do.
#[tokio::test]
async fn a_batch_ends_before_its_rendered_chunks_are_too_large() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test).await?;
        // of 20 characters each: 40 chunks with a megabyte around each, and for row 3 some 300
        test.execute(
            "insert into posts select i, repeat('t', 1000000),
                 (select string_agg(rpad(i || '-' || j, 18, 'x'), ' ') from generate_series(1, case i when 3 then 300 \
                 else 40 end) j)
             from generate_series(1, 3) i",
        )
        .await?;
        let gate = Gate::with_inputs(40);
        gate.hold();
        gate.admit();
        let running = start(worker(&test, &gate).retry_delay(Duration::from_mins(10)));
        gate.wait_for(1).await;
        gate.release();
        let stored = "select count(distinct id) from posts_embedding_store";
        soon(async || test.value::<i64>(stored).await.unwrap() == 2).await;
        let reason = "select details->>'error_reason' from ai.vectorizer_errors";
        soon(async || test.values::<String>(reason).await.unwrap().len() == 1).await;
        let reason: String = test.value(reason).await?;
        assert!(reason.contains("chunks have more than 256 MB"), "{reason}");
        running.stop().await;
        Ok(())
    })
    .await;
}
