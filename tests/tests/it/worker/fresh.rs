//! A fresh edit does not wait behind a backfill.

use pgai_sea_tests::{TestResult, on_both_catalogs};

use super::support::{Gate, assert_in_sync, posts, queued, soon, start, worker};

const BACKLOG: i64 = 6_000;

#[tokio::test]
async fn rows_that_come_during_a_backfill_are_searchable_before_its_end() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        test.execute(&format!(
            "insert into posts select i, 'T', 'text ' || i from generate_series(1, {BACKLOG}) i"
        ))
        .await?;
        let gate = Gate::new();
        let running = start(worker(&test, &gate));
        gate.wait_for(2).await;
        gate.hold();
        // a new row, an edit of one that is still to be done, and a key that changes
        test.execute(&format!(
            "insert into posts values (100000, 'T', 'new');
             update posts set body = 'edited' where id = {BACKLOG};
             update posts set id = -1 where id = {}",
            BACKLOG - 1
        ))
        .await?;
        let fresh = "select count(*) from posts_embedding_store where chunk in ('T: new', 'T: edited') or id = -1";
        // request by request, however fast the backfill would go
        soon(async || {
            gate.admit();
            test.value::<i64>(fresh).await.unwrap() == 3
        })
        .await;
        let left = queued(&test).await;
        gate.release();
        assert!(left > BACKLOG / 4, "{left} rows of the backfill were left");
        // the backfill goes on, and everything else that comes does too
        test.execute("update posts set body = body || '.' where id % 50 = 0")
            .await?;
        soon(async || queued(&test).await == 0).await;
        running.stop().await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// Batches of one row: the backlog has its turn all the same.
#[tokio::test]
async fn what_keeps_coming_does_not_hold_up_a_backfill() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        test.execute(
            "update ai.vectorizer set config = jsonb_set(config, '{processing,batch_size}', '2');
             insert into posts select i, 'T', 'text ' || i from generate_series(1, 200) i",
        )
        .await?;
        let gate = Gate::new();
        let running = start(worker(&test, &gate));
        gate.wait_for(2).await;
        let done = "select count(distinct id) from posts_embedding_store";
        let mut edit = 0;
        while test.value::<i64>(done).await? < 200 {
            edit += 1;
            test.execute(&format!(
                "update posts set body = 'edit {edit}' where id = 1 + {edit} % 5"
            ))
            .await?;
        }
        soon(async || queued(&test).await == 0).await;
        running.stop().await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}
