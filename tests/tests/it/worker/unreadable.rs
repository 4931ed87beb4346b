//! Rows that cannot be read.

use std::time::Duration;

use pgai_sea_tests::{TestDatabase, TestResult, on_both_catalogs};

use super::support::{Gate, assert_in_sync, posts, queued, run, soon, start, worker};

async fn dead(test: &TestDatabase) -> Vec<String> {
    let table: String = test
        .value("select format('%I.%I', queue_schema, queue_failed_table) from ai.vectorizer where name = 'tested'")
        .await
        .unwrap();
    test.values(&format!("select id || ' ' || failure_step from {table} order by id"))
        .await
        .unwrap()
}

/// A byte that is no text, which a database of bytes takes.
const BAD: &str = r"convert_from('\xe9'::bytea, 'SQL_ASCII')";

#[tokio::test]
async fn bytes_that_are_no_text_hold_up_no_other_row() {
    on_both_catalogs(async |test| {
        let bytes = test.of_bytes().await?;
        let outcome = unreadable(&bytes).await;
        bytes.drop().await?;
        outcome
    })
    .await;
}

async fn unreadable(test: &TestDatabase) -> TestResult {
    posts(test).await?;
    test.execute(&format!(
        "insert into posts select i, 'T', case i when 13 then {BAD} else 'text ' || i end from generate_series(1, 30) i"
    ))
    .await?;
    let gate = Gate::new();
    let patient = worker(test, &gate).retry_delay(Duration::from_secs(20));
    let report = patient.run_once().await?;
    assert_eq!(report.errors().count(), 0, "{report:?}");
    assert_eq!(
        (report.rows(), report.vectorizers[0].counts.deferred),
        (29, 1),
        "{report:?}"
    );
    let reason = "select details->>'error_reason' from ai.vectorizer_errors";
    let reason: String = test.value(reason).await?;
    assert!(reason.contains("invalid byte sequence"), "{reason}");

    test.execute("update ai._vectorizer_q_1 set loading_retry_after = null")
        .await?;
    soon(async || {
        run(test, &gate).await;
        queued(test).await == 0
    })
    .await;
    assert_eq!(dead(test).await, ["13 loading"]);
    test.execute("update posts set body = 'mended' where id = 13").await?;
    run(test, &gate).await;
    assert_in_sync(test).await;

    // spoilt while it is being embedded, and mended
    gate.hold();
    test.execute("update posts set body = 'new ' || id").await?;
    let running = start(worker(test, &gate).retry_delay(Duration::from_millis(100)));
    gate.wait_for(gate.calls().len().max(1)).await;
    test.execute(&format!("update posts set body = {BAD} where id = 13"))
        .await?;
    gate.release();
    let others = "select count(*) from posts_embedding_store where chunk like 'T: new %' and id <> 13";
    soon(async || test.value::<i64>(others).await.unwrap() == 29).await;
    test.execute("update posts set body = 'mended again' where id = 13")
        .await?;
    soon(async || queued(test).await == 0).await;
    assert_in_sync(test).await;
    running.stop().await;
    Ok(())
}

/// What cannot be read of any row is not the rows' fault.
#[tokio::test]
async fn where_nothing_can_be_read_no_row_is_charged() {
    on_both_catalogs(async |test| {
        let bytes = test.of_bytes().await?;
        let outcome: TestResult = async {
            posts(&bytes).await?;
            bytes
                .execute(&format!(
                    "insert into posts select i, 'T', {BAD} from generate_series(1, 3) i"
                ))
                .await?;
            let report = run(&bytes, &Gate::new()).await;
            assert_eq!(
                (report.vectorizers[0].counts.deferred, report.errors().count()),
                (0, 1),
                "{report:?}"
            );
            Ok(())
        }
        .await;
        bytes.drop().await?;
        outcome
    })
    .await;
}
