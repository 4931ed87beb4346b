//! Indexes over the embeddings.

use std::time::Duration;

use pgai_sea::catalog::IndexStatus;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::support::{DIMENSIONS, Gate, assert_in_sync, posts, run, soon, vectorizer, worker};

/// The store's HNSW indexes, valid or not.
pub(super) const INDEXES: &str = "select indisvalid::text || ' ' || pg_get_indexdef(indexrelid) from pg_index
    where pg_get_indexdef(indexrelid) like '%USING hnsw%' order by 1";

/// `posts` with this indexing. pgai's own function refuses one that it has no scheduler for; stored, it is as good as
/// ours.
pub(super) async fn indexed(test: &TestDatabase, indexing: &str) -> Result<(), sea_orm::DbErr> {
    if test.catalog == Catalog::Ours {
        test.execute("create table posts (id int primary key, title text, body text)")
            .await?;
        return vectorizer(
            test,
            "posts",
            "body",
            "$title: $chunk",
            &format!(", indexing => {indexing}"),
        )
        .await;
    }
    posts(test).await?;
    test.execute(&format!(
        "update ai.vectorizer set config = jsonb_set(config, '{{indexing}}', {indexing})"
    ))
    .await
}

pub(super) async fn insert(test: &TestDatabase, from: i32, to: i32) -> Result<(), sea_orm::DbErr> {
    test.execute(&format!(
        "insert into posts (id, title, body) select i, 'T', 'text ' || i from generate_series({from}, {to}) i"
    ))
    .await
}

#[tokio::test]
async fn it_is_built_once_when_there_are_rows_enough() {
    on_both_catalogs(async |test| {
        indexed(
            &test,
            "ai.indexing_hnsw(min_rows => 30, opclass => 'vector_ip_ops', m => 8, ef_construction => \
            32)",
        )
        .await?;
        insert(&test, 1, 29).await?;
        let gate = Gate::new();
        let report = run(&test, &gate).await;
        assert!(!report.vectorizers[0].index_built);
        assert!(test.values::<String>(INDEXES).await?.is_empty());
        insert(&test, 30, 40).await?;
        // several workers at the same moment
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let worker = worker(&test, &gate);
                tokio::spawn(async move { worker.run_once().await })
            })
            .collect();
        let mut built = 0;
        for worker in workers {
            let report = worker.await??;
            assert_eq!(report.errors().count(), 0, "{report:?}");
            built += usize::from(report.vectorizers[0].index_built);
        }
        assert_eq!(built, 1);
        let indexes: Vec<String> = test.values(INDEXES).await?;
        let [index] = indexes.as_slice() else {
            panic!("{indexes:?}")
        };
        for part in [
            "true ",
            "vector_ip_ops",
            "m='8'",
            "ef_construction='32'",
            "posts_embedding_store",
        ] {
            assert!(index.contains(part), "{index}");
        }
        // pgai's own function takes it for the index that it would have built
        if test.catalog == Catalog::Pgai {
            let exists = "select ai._vectorizer_vector_index_exists('public', 'posts_embedding_store', \
                config->'indexing') from ai.vectorizer";
            assert!(test.value::<bool>(exists).await?);
        }
        assert!(!run(&test, &gate).await.vectorizers[0].index_built);
        assert_eq!(test.values::<String>(INDEXES).await?, indexes);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// The queue is never empty, and a transaction that the build has to wait for holds up nobody else.
#[tokio::test]
async fn writers_and_worker_go_on_meanwhile() {
    on_both_catalogs(async |test| {
        indexed(
            &test,
            "ai.indexing_hnsw(min_rows => 5, create_when_queue_empty => false)",
        )
        .await?;
        insert(&test, 1, 10).await?;
        let reader = test.db.begin().await?;
        reader
            .execute_unprepared("delete from posts_embedding_store where false")
            .await?;
        let gate = Gate::with_inputs(1);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = worker(&test, &gate);
        let running = tokio::spawn(async move { running.run_until(stopped).await });
        let begun = async || !test.values::<String>(INDEXES).await.unwrap().is_empty();
        let mut next = 11;
        while !begun().await {
            insert(&test, next, next + 4).await?;
            next += 5;
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(next < 20_000, "no build began");
        }
        // the build waits for the reader; an insert, an edit, a delete and the worker wait for nobody
        insert(&test, 100_000, 100_000).await?;
        test.execute("update posts set body = 'new' where id = 1; delete from posts where id = 2")
            .await?;
        let embedded = "select count(*) from posts_embedding_store where id = 100000 or (id = 1 and chunk = 'T: new')";
        soon(async || test.value::<i64>(embedded).await.unwrap() == 2).await;
        assert!(test.values::<String>(INDEXES).await?[0].starts_with("false"));
        reader.commit().await?;
        soon(async || test.values::<String>(INDEXES).await.unwrap()[0].starts_with("true")).await;
        soon(async || super::support::queued(&test).await == 0).await;
        stop.send(()).ok();
        running.await??;
        assert_eq!(test.values::<String>(INDEXES).await?.len(), 1);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_a_killed_build_left_is_replaced() {
    on_both_catalogs(async |test| -> TestResult {
        indexed(&test, "ai.indexing_hnsw(min_rows => 5)").await?;
        insert(&test, 1, 10).await?;
        let gate = Gate::new();
        let writer = test.db.begin().await?;
        writer
            .execute_unprepared("delete from posts_embedding_store where false")
            .await?;
        let running = worker(&test, &gate);
        let running = tokio::spawn(async move { running.run_once().await });
        soon(async || test.values::<String>(INDEXES).await.unwrap().len() == 1).await;
        test.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and \
            query ilike 'create index%' and pid <> pg_backend_pid()",
        )
        .await?;
        let report = running.await??;
        // rows are done all the same, and it is said what is missing
        assert_eq!(report.rows(), 10);
        let errors: Vec<_> = report.errors().collect();
        assert!(errors.iter().any(|(_, error)| error.contains("index")), "{errors:?}");
        writer.commit().await?;
        assert!(test.values::<String>(INDEXES).await?[0].starts_with("false"));

        assert!(run(&test, &gate).await.vectorizers[0].index_built);
        let indexes: Vec<String> = test.values(INDEXES).await?;
        assert!(
            matches!(indexes.as_slice(), [index] if index.starts_with("true")),
            "{indexes:?}"
        );
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_index_on_a_column_of_the_source() {
    on_both_catalogs(async |test| {
        test.execute(&format!(
            "create table things (id int primary key, body text);
             select ai.create_vectorizer('things', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', {DIMENSIONS}), chunking => ai.chunking_none(),
                destination => ai.destination_column('embedding'));
             update ai.vectorizer set config = jsonb_set(config, '{{indexing}}', ai.indexing_hnsw(min_rows => 3));
             insert into things select i, 'text ' || i from generate_series(1, 5) i"
        ))
        .await?;
        let gate = Gate::new();
        assert!(run(&test, &gate).await.vectorizers[0].index_built);
        let indexes: Vec<String> = test.values(INDEXES).await?;
        assert!(
            indexes[0].contains("ON public.things USING hnsw (embedding"),
            "{indexes:?}"
        );
        Ok(())
    })
    .await;
}

/// pgvectorscale is not there, so this build has to fail.
#[tokio::test]
async fn an_index_that_cannot_be_built_is_said_and_holds_up_nothing() {
    on_both_catalogs(async |test| {
        indexed(&test, "ai.indexing_diskann(min_rows => 1)").await?;
        insert(&test, 1, 10).await?;
        let gate = Gate::new();
        let report = run(&test, &gate).await;
        assert_eq!(report.rows(), 10);
        let errors: Vec<_> = report.errors().collect();
        assert!(
            matches!(errors.as_slice(), [(_, error)] if error.contains("diskann")),
            "{errors:?}"
        );
        let recorded = "select count(*) from ai.vectorizer_errors where message = 'index cannot be built'";
        assert_eq!(test.value::<i64>(recorded).await?, 1);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// A column of the application's own may be of a type that operator classes for `vector` do not fit.
#[tokio::test]
async fn a_column_of_half_precision_has_its_index() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(&format!(
            "create table posts (id int primary key, body text, e halfvec({DIMENSIONS}));
             insert into posts select i, 'text ' || i from generate_series(1, 3) i;
             select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', {DIMENSIONS}), chunking => ai.chunking_none(),
                destination => ai.destination_column('e'), indexing => ai.indexing_hnsw(min_rows => 1, opclass => \
                'vector_ip_ops'))"
        ))
        .await?;
        assert!(run(&test, &Gate::new()).await.vectorizers[0].index_built);
        let indexes: Vec<String> = test.values(INDEXES).await?;
        let [index] = indexes.as_slice() else {
            panic!("{indexes:?}")
        };
        assert!(index.contains("(e halfvec_ip_ops)"), "{index}");
        Ok(())
    })
    .await;
}

/// Where the application's table has partitions, each has its index, and the table one over them.
#[tokio::test]
async fn a_column_of_a_partitioned_table_has_its_index() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(&format!(
            "create table posts (id int primary key, body text, e vector({DIMENSIONS})) partition by range (id);
             create table posts_low partition of posts for values from (0) to (3);
             create table posts_high partition of posts for values from (3) to (100);
             insert into posts select i, 'text ' || i from generate_series(1, 5) i;
             select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', {DIMENSIONS}), chunking => ai.chunking_none(),
                destination => ai.destination_column('e'), indexing => ai.indexing_hnsw(min_rows => 1))"
        ))
        .await?;
        let report = run(&test, &Gate::new()).await;
        assert!(report.vectorizers[0].index_built, "{report:?}");
        let embedded: i64 = test.value("select count(*) from posts where e is not null").await?;
        assert_eq!(embedded, 5);
        let indexed: Vec<String> = test
            .values(
                "select i.indrelid::regclass::text from pg_index i join pg_class c on c.oid = i.indexrelid
                 join pg_am m on m.oid = c.relam and m.amname = 'hnsw'
                 where i.indisvalid
                     and (c.relkind = 'I' or exists (select from pg_inherits p where p.inhrelid = c.oid))
                 order by 1",
            )
            .await?;
        assert_eq!(indexed, ["posts", "posts_high", "posts_low"]);
        assert!(!run(&test, &Gate::new()).await.vectorizers[0].index_built, "once");
        Ok(())
    })
    .await;
}

/// A row that fails again and again waits for minutes between its attempts, and the index does not.
#[tokio::test]
async fn rows_that_wait_for_another_attempt_do_not_hold_it_up() {
    on_both_catalogs(async |test| {
        indexed(&test, "ai.indexing_hnsw(min_rows => 5)").await?;
        insert(&test, 1, 10).await?;
        test.execute("update posts set body = 'poison' where id = 3").await?;
        let gate = Gate::new();
        gate.refuse("poison");
        let report = worker(&test, &gate)
            .retry_delay(Duration::from_mins(5))
            .run_once()
            .await?;
        assert_eq!(report.rows(), 9, "{report:?}");
        assert!(report.waiting() > 0, "{report:?}");
        assert!(report.vectorizers[0].index_built, "{report:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_queue_that_is_never_empty_is_not_waited_for_without_end() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        indexed(&test, "ai.indexing_hnsw(min_rows => 200)").await?;
        insert(&test, 1, 2_000).await?;
        let gate = Gate::new();
        let running = super::support::start(worker(&test, &gate));
        soon(async || super::support::queued(&test).await == 0).await;
        // an edit every few milliseconds
        let writer = test.clone();
        let writing = tokio::spawn(async move {
            for edit in 0.. {
                let id = edit % 2_000 + 1;
                writer
                    .execute(&format!("update posts set body = 'edit {edit}' where id = {id}"))
                    .await
                    .ok();
            }
        });
        soon(async || !test.values::<String>(INDEXES).await.unwrap().is_empty()).await;
        writing.abort();
        running.stop().await;
        Ok(())
    })
    .await;
}

pub(super) async fn waits_for(test: &TestDatabase) -> Result<Option<IndexStatus>, pgai_sea::catalog::CatalogError> {
    Ok(pgai_sea::catalog::status(&test.db, "tested").await?.index)
}

#[tokio::test]
async fn status_says_what_it_waits_for() {
    on_both_catalogs(async |test| -> TestResult {
        indexed(&test, "ai.indexing_hnsw(min_rows => 12)").await?;
        assert_eq!(waits_for(&test).await?, Some(IndexStatus::WaitsForRows(12)));
        insert(&test, 1, 12).await?;
        assert_eq!(waits_for(&test).await?, Some(IndexStatus::WaitsForRows(12)));
        let said = tokio::process::Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
            .args(["status", "-d", &test.url])
            .output()
            .await?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains("its index waits for 12 embeddings"), "{said}");
        // as if a worker had been here, and there was one more to do
        test.execute(&format!(
            "insert into posts_embedding_store (id, chunk_seq, chunk, embedding)
             select i, 0, '', array_fill(1, array[{DIMENSIONS}])::vector from generate_series(1, 12) i;
             delete from ai._vectorizer_q_1 where id > 1"
        ))
        .await?;
        assert_eq!(waits_for(&test).await?, Some(IndexStatus::WaitsForQueue));
        // one that has failed and waits for another attempt holds nothing up
        test.execute("update ai._vectorizer_q_1 set loading_retries = 1, loading_retry_after = now() + interval '1 h'")
            .await?;
        assert_eq!(waits_for(&test).await?, Some(IndexStatus::Due));
        run(&test, &Gate::new()).await;
        assert_eq!(waits_for(&test).await?, Some(IndexStatus::Built));
        test.execute("update ai.vectorizer set config = config - 'indexing'")
            .await?;
        assert_eq!(waits_for(&test).await?, None);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn status_says_how_far_a_build_is() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        indexed(&test, "ai.indexing_hnsw(min_rows => 30)").await?;
        insert(&test, 1, 40).await?;
        let gate = Gate::new();
        run(&test, &gate).await;
        test.execute("drop index _vectorizer_1_hnsw").await?;
        let writer = test.db.begin().await?;
        writer
            .execute_unprepared("lock table posts_embedding_store in row exclusive mode")
            .await?;
        let running = super::support::start(worker(&test, &gate));
        let build = async || pgai_sea::catalog::status(&test.db, "tested").await.unwrap().index_build;
        soon(async || {
            build()
                .await
                .is_some_and(|build| build.phase == "waiting for writers before build")
        })
        .await;
        writer.commit().await?;
        let built = async || pgai_sea::catalog::status(&test.db, "tested").await.unwrap().index;
        soon(async || built().await == Some(IndexStatus::Built) && build().await.is_none()).await;
        running.stop().await;
        Ok(())
    })
    .await;
}
