//! When an index is built, how far it is, and what a change of its kind does.

use pgai_sea::catalog::IndexStatus;
use pgai_sea_tests::{Catalog, TestResult, on_catalog};

use super::indexing::{INDEXES, indexed, insert, waits_for};
use super::support::{DIMENSIONS, Gate, run, soon, start, vectorizer, worker};

#[tokio::test]
async fn status_says_how_much_of_the_table_a_build_has_read() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        indexed(
            &test,
            "ai.indexing_hnsw(min_rows => 30, m => 64, ef_construction => 600)",
        )
        .await?;
        test.execute(&format!(
            "insert into posts_embedding_store (id, chunk_seq, chunk, embedding)
             select i, 0, repeat('c', 500), (select array_agg(random()) from generate_series(1, {DIMENSIONS})
                 where i > 0)::vector from generate_series(1, 1500) i"
        ))
        .await?;
        let running = start(worker(&test, &Gate::new()));
        let build = async || {
            let status = pgai_sea::catalog::status(&test.db, "tested").await.unwrap();
            status.index_build.and_then(|build| build.percent)
        };
        soon(async || build().await.is_some_and(|percent| (1..100).contains(&percent))).await;
        soon(async || waits_for(&test).await.unwrap() == Some(IndexStatus::Built)).await;
        running.stop().await;
        Ok(())
    })
    .await;
}

/// A large load is written without an index, which is then built in one piece: also where the queue is empty in between
/// and there are rows enough.
#[tokio::test]
async fn rows_that_were_there_are_all_embedded_first() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        test.execute(
            "create table posts (id int primary key, title text, body text);
             insert into posts select i, 'T', 'text ' || i from generate_series(1, 60) i; analyze posts",
        )
        .await?;
        let more = ", indexing => ai.indexing_hnsw(min_rows => 5), enqueue_existing => false";
        vectorizer(&test, "posts", "body", "$title: $chunk", more).await?;
        test.execute("select ai.backfill_vectorizer('tested')").await?;
        test.execute(&format!(
            "insert into posts_embedding_store (id, chunk_seq, chunk, embedding)
             select i, 0, '', array_fill(1, array[{DIMENSIONS}])::vector from generate_series(101, 105) i"
        ))
        .await?;
        assert_eq!(waits_for(&test).await?, Some(IndexStatus::WaitsForBackfill));
        test.execute("delete from posts_embedding_store").await?;
        // a few rows each second, so that the queue is empty most of the time
        let running = start(worker(&test, &Gate::new()).backfill_rows_per_second(10));
        soon(async || !test.values::<String>(INDEXES).await.unwrap().is_empty()).await;
        let stored: i64 = test.value("select count(*) from posts_embedding_store").await?;
        assert_eq!(stored, 60);
        running.stop().await;
        Ok(())
    })
    .await;
}

/// The index of bits is another one, and the one before is left to whoever drops it.
#[tokio::test]
async fn a_vectorizer_in_use_is_changed_to_bits_and_back() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        indexed(&test, "ai.indexing_hnsw(min_rows => 5)").await?;
        insert(&test, 1, 10).await?;
        let gate = Gate::new();
        assert!(run(&test, &gate).await.vectorizers[0].index_built);
        let to = async |indexing: &str| {
            let change = format!("select ai.change_vectorizer('tested', indexing => {indexing})");
            assert_eq!(test.value::<i32>(&change).await.unwrap(), 1, "in place");
        };
        to("ai.indexing_binary(ai.indexing_hnsw(min_rows => 5))").await;
        assert_eq!(waits_for(&test).await?, Some(IndexStatus::Due));
        assert!(run(&test, &gate).await.vectorizers[0].index_built);
        assert_eq!(waits_for(&test).await?, Some(IndexStatus::Built));
        let indexes: Vec<String> = test.values(INDEXES).await?;
        assert_eq!(indexes.len(), 2);
        let over = format!("((binary_quantize(embedding))::bit({DIMENSIONS})) bit_hamming_ops");
        let is_it = |index: &String| index.contains("_vectorizer_1_hnsw_binary") && index.contains(&over);
        assert!(indexes.iter().any(is_it), "{indexes:?}");
        assert!(!run(&test, &gate).await.vectorizers[0].index_built);
        test.execute("drop index _vectorizer_1_hnsw").await?;
        to("ai.indexing_hnsw(min_rows => 5)").await;
        assert!(run(&test, &gate).await.vectorizers[0].index_built);

        // of the next generation the worker builds it, when the vectors are there
        to("ai.indexing_binary(ai.indexing_hnsw(min_rows => 5))").await;
        test.execute("drop index _vectorizer_1_hnsw").await?;
        let change = format!(
            "select ai.change_vectorizer('tested', embedding => ai.embedding_ollama('gate', {}))",
            DIMENSIONS + 1
        );
        assert_eq!(test.value::<i32>(&change).await?, 2);
        let copied = "select count(*) from pg_indexes
            where tablename = 'posts_embedding_store_new' and indexdef ~ 'hnsw'";
        assert_eq!(test.value::<i64>(copied).await?, 0);
        test.execute(
            "update ai.vectorizer_generation g set made_by = ai._vectorizer_identity(v.config), backfill = null,
                 anew_since = null
             from ai.vectorizer v where v.id = g.vectorizer_id and v.id = 2",
        )
        .await?;
        let unready = "select ai._vectorizer_unready(g) from ai.vectorizer_generation g where g.vectorizer_id = 2";
        let unready: String = test.value(unready).await?;
        let said = "its index is not there yet: ";
        assert!(
            unready.starts_with(said) && unready.contains("binary_quantize"),
            "{unready}"
        );
        Ok(())
    })
    .await;
}
