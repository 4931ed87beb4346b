//! What others do while a text is being embedded.

use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::{ConnectionTrait, IsolationLevel, SqlErr, TransactionTrait};
use tokio::task::JoinHandle;

use super::support::{Gate, assert_exact, assert_in_sync, posts, queued, run, soon, worker};
use pgai_sea_tests::{TestDatabase, TestResult};

/// Runs `meanwhile` while the worker waits for its vectors; then everything must end right.
async fn while_embedding(meanwhile: impl AsyncFn(&TestDatabase) -> TestResult) {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute(
            "insert into posts select i, 'T' || i, 'a text with some words ' || i from generate_series(1, 20) i",
        )
        .await?;
        let gate = Gate::new();
        // an older embedding is there already
        run(&test, &gate).await;
        test.execute("update posts set body = 'a new text for row ' || id")
            .await?;
        let before = gate.calls().len();
        gate.hold();
        let working = start(&test, &gate);
        gate.wait_for(before + 1).await;
        meanwhile(&test).await?;
        gate.release();
        working.await?;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

fn start(test: &TestDatabase, gate: &std::sync::Arc<Gate>) -> JoinHandle<()> {
    let worker = worker(test, gate);
    tokio::spawn(async move {
        worker.run_once().await.unwrap();
    })
}

#[tokio::test]
async fn an_edit() {
    while_embedding(async |test| {
        Ok(test
            .execute("update posts set body = 'edited meanwhile' where id <= 5")
            .await?)
    })
    .await;
}

#[tokio::test]
async fn an_edit_of_a_column_that_the_template_names() {
    while_embedding(async |test| {
        Ok(test
            .execute("update posts set title = 'retitled' where id <= 5")
            .await?)
    })
    .await;
}

#[tokio::test]
async fn a_delete() {
    while_embedding(async |test| Ok(test.execute("delete from posts where id <= 5").await?)).await;
}

#[tokio::test]
async fn a_changed_key() {
    while_embedding(async |test| Ok(test.execute("update posts set id = id + 100 where id <= 5").await?)).await;
}

#[tokio::test]
async fn keys_that_change_places() {
    while_embedding(async |test| {
        test.execute("update posts set id = -id where id in (1, 2)").await?;
        Ok(test
            .execute("update posts set id = case id when -1 then 2 else 1 end where id < 0")
            .await?)
    })
    .await;
}

#[tokio::test]
async fn a_truncate() {
    while_embedding(async |test| Ok(test.execute("truncate posts").await?)).await;
}

#[tokio::test]
async fn a_delete_and_an_insert_of_the_same_key() {
    while_embedding(async |test| {
        test.execute("delete from posts where id = 1").await?;
        Ok(test
            .execute("insert into posts values (1, 'Again', 'quite another text')")
            .await?)
    })
    .await;
}

#[tokio::test]
async fn no_transaction_is_open() {
    while_embedding(async |test| {
        // claims come and go meanwhile: one that was kept open would be there all the time
        let open = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in \
                    transaction%'";
        soon(async || test.value::<i64>(open).await.unwrap() == 0).await;
        Ok(())
    })
    .await;
}

/// A writer whose transaction is still open when the worker writes, for each kind of write.
#[tokio::test]
async fn a_writer_in_the_middle_of_it() {
    for write in [
        "update posts set body = 'edited' where id <= 5",
        "delete from posts where id <= 5",
        "update posts set id = id + 100 where id <= 5",
    ] {
        on_both_catalogs(async |test| {
            posts(&test).await?;
            test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 20) i")
                .await?;
            let gate = Gate::new();
            gate.hold();
            let working = start(&test, &gate);
            gate.wait_for(1).await;
            let writer = test.db.begin().await?;
            writer.execute_unprepared(write).await?;
            gate.release();
            // the other fifteen are not held up
            for _ in 0..100 {
                let done: i64 = test
                    .value("select count(distinct id) from posts_embedding_store")
                    .await?;
                if done >= 15 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            let done: i64 = test
                .value("select count(distinct id) from posts_embedding_store")
                .await?;
            assert!(done >= 15, "{done} rows done");
            assert!(queued(&test).await > 0 || write.starts_with("update posts set body"));
            writer.commit().await?;
            working.await?;
            run(&test, &gate).await;
            assert_in_sync(&test).await;
            // what was embedded while the writer held it was not embedded again
            assert_eq!(gate.texts().iter().filter(|text| *text == "T: text 7").count(), 1);
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_worker_that_dies_while_embedding() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 20) i")
            .await?;
        let gate = Gate::new();
        gate.hold();
        let dying = worker(&test, &gate).lease(std::time::Duration::from_secs(2));
        let dying = tokio::spawn(async move { dying.run_once().await });
        gate.wait_for(1).await;
        dying.abort();
        gate.release();
        let started = std::time::Instant::now();
        run(&test, &gate).await;
        assert!(started.elapsed() < std::time::Duration::from_mins(1));
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_lease_is_kept_while_a_request_takes_long() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 5) i")
            .await?;
        let gate = Gate::new();
        gate.hold();
        let slow = worker(&test, &gate).lease(std::time::Duration::from_secs(3));
        let slow = tokio::spawn(async move { slow.run_once().await });
        gate.wait_for(1).await;
        let other = start(&test, &gate);
        // the time passes to which it had leased them at first
        let leased: String = test
            .value("select max(loading_retry_after)::text from ai._vectorizer_q_1")
            .await?;
        let passed = format!("select clock_timestamp() > '{leased}'::timestamptz + interval '1 second'");
        soon(async || test.value(&passed).await.unwrap()).await;
        assert_eq!(gate.calls().len(), 1, "another worker took what was leased");
        gate.release();
        assert_eq!(slow.await??.rows(), 5);
        other.await?;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_writes_nothing() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'the text')").await?;
        let gate = Gate::new();
        gate.hold();
        let slow = start(&test, &gate);
        gate.wait_for(1).await;
        // as if it had slept through its lease and another worker had done it
        let queue: String = test
            .value("select format('%I.%I', queue_schema, queue_table) from ai.vectorizer")
            .await?;
        test.execute(&format!("delete from {queue}")).await?;
        gate.release();
        slow.await?;
        let stored: i64 = test.value("select count(*) from posts_embedding_store").await?;
        assert_eq!(stored, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn several_workers_and_steady_writers() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 300) i")
            .await?;
        let gate = Gate::with_inputs(10);
        let workers: Vec<_> = (0..4).map(|_| start(&test, &gate)).collect();
        for round in 0..60 {
            let id = round * 7 % 300 + 1;
            let sql = match round % 5 {
                0 | 1 => format!(
                    "update posts set body = 'round {round} of ' || id where id between {id} and {id} + \
                    5"
                ),
                2 => format!("delete from posts where id = {id}"),
                3 => format!("update posts set id = id + 1000 where id = {id}"),
                _ => format!(
                    "insert into posts values ({id}, 'New', 'round {round}') on conflict (id) do update set \
                    title = 'Upserted'"
                ),
            };
            // moving onto a taken key is the writer's own mistake
            match test.execute(&sql).await {
                Err(error) if !matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        for worker in workers {
            worker.await?;
        }
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        assert_exact(&test).await;
        Ok(())
    })
    .await;
}

/// Its snapshot is older than the embeddings, so it cannot delete them; pgai's own trigger leaves them for ever.
#[tokio::test]
async fn a_delete_that_does_not_see_the_embeddings() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text'), (2, 'T', 'other')")
            .await?;
        let writer = test
            .db
            .begin_with_config(Some(IsolationLevel::RepeatableRead), None)
            .await?;
        writer.execute_unprepared("select * from posts").await?;
        let gate = Gate::new();
        run(&test, &gate).await;
        writer
            .execute_unprepared("delete from posts where id = 1; update posts set id = 3 where id = 2")
            .await?;
        writer.commit().await?;
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}
