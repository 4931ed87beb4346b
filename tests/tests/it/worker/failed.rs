//! Rows that were given up, and waiting for rows.

use std::time::{Duration, Instant};

use pgai_sea::catalog;
use pgai_sea::catalog::{WaitError, wait_until_embedded};
use pgai_sea_tests::{TestDatabase, on_both_catalogs};
use tokio::process::Command;

use super::support::{Gate, assert_in_sync, posts, queued, run, soon, vectorizer, worker};

/// Posts 1 to 3, of which the second is a dead letter.
async fn with_dead_letter(test: &TestDatabase, gate: &std::sync::Arc<Gate>) -> Result<(), sea_orm::DbErr> {
    posts(test).await?;
    test.execute("insert into posts values (1, 'T', 'a'), (2, 'T', 'poison'), (3, 'T', 'c')")
        .await?;
    gate.refuse("poison");
    soon(async || {
        worker(test, gate).run_once().await.unwrap();
        queued(test).await == 0
    })
    .await;
    Ok(())
}

async fn pgai_sea(test: &TestDatabase, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(arguments)
        .args(["-d", &test.url])
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn they_are_listed_with_their_reason_and_retried() {
    on_both_catalogs(async |test| {
        let gate = Gate::new();
        with_dead_letter(&test, &gate).await?;
        let vectorizer = catalog::vectorizer(&test.db, "tested").await?;
        let failed = catalog::failed(&test.db, &vectorizer, 10).await?;
        let [letter] = failed.as_slice() else {
            panic!("{failed:?}")
        };
        assert_eq!(
            (letter.key["id"].as_str(), letter.step.as_str()),
            (Some("2"), "embedding")
        );
        assert!(letter.reason.as_ref().unwrap().contains("not this one"), "{letter:?}");
        assert!(catalog::failed(&test.db, &vectorizer, 0).await?.is_empty());

        let listed = pgai_sea(&test, &["failed", "list"]).await;
        assert!(listed.starts_with("tested  id=2  embedding failed"), "{listed}");
        assert!(
            listed.contains("not this one") && listed.lines().count() == 1,
            "{listed}"
        );
        let json = pgai_sea(&test, &["failed", "list", "--json", "--vectorizer", "tested"]).await;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&json["vectorizer"], &json["key"]["id"]),
            (&"tested".into(), &"2".into())
        );

        // the provider has changed its mind
        gate.refuse("nothing that there is");
        let retried = pgai_sea(&test, &["failed", "retry", "--vectorizer", "tested"]).await;
        assert_eq!(retried, "tested: 1 rows queued again\n");
        assert_eq!(queued(&test).await, 1);
        assert_eq!(catalog::failed_count(&test.db, &vectorizer).await?, Some(0));
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        assert_eq!(catalog::retry_failed(&test.db, &vectorizer).await?, 0);
        assert_eq!(pgai_sea(&test, &["failed", "list"]).await, "no row was given up\n");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_edit_that_is_embedded_takes_the_dead_letter_away() {
    on_both_catalogs(async |test| {
        let gate = Gate::new();
        with_dead_letter(&test, &gate).await?;
        let vectorizer = catalog::vectorizer(&test.db, "tested").await?;
        // given up once more, it is one dead letter still
        test.execute("update posts set body = 'poison again' where id = 2")
            .await?;
        soon(async || {
            run(&test, &gate).await;
            queued(&test).await == 0
        })
        .await;
        assert_eq!(catalog::failed_count(&test.db, &vectorizer).await?, Some(1));
        test.execute("update posts set body = 'harmless' where id = 2").await?;
        run(&test, &gate).await;
        assert_eq!(catalog::failed_count(&test.db, &vectorizer).await?, Some(0));
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_writer_waits_for_its_row() {
    on_both_catalogs(async |test| {
        let gate = Gate::new();
        with_dead_letter(&test, &gate).await?;
        let wait = async |id: i32, time| wait_until_embedded(&test.db, "tested", id, Duration::from_millis(time)).await;
        wait(1, 0).await?;
        // one that never was
        wait(99, 0).await?;
        let error = wait(2, 5_000).await.unwrap_err();
        assert!(
            matches!(&error, WaitError::DeadLetter { step, .. } if step == "embedding"),
            "{error}"
        );

        test.execute("update posts set body = 'new' where id = 1").await?;
        let started = Instant::now();
        let error = wait(1, 300).await.unwrap_err();
        assert!(matches!(error, WaitError::TimedOut { attempts: 0, .. }), "{error}");
        assert!(started.elapsed() >= Duration::from_millis(300));

        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = worker(&test, &gate);
        let running = tokio::spawn(async move { running.run_until(stopped).await });
        wait(1, 20_000).await?;
        test.execute("update posts set body = 'newer' where id = 1").await?;
        wait(1, 20_000).await?;
        let chunk: String = test
            .value("select chunk from posts_embedding_store where id = 1")
            .await?;
        assert_eq!(chunk, "T: newer");
        stop.send(()).ok();
        running.await??;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn keys_of_several_columns_are_tuples() {
    on_both_catalogs(async |test| {
        test.execute("create table things (a int, b text, body text, primary key (a, b))")
            .await?;
        vectorizer(&test, "things", "body", "$chunk", "").await?;
        test.execute("insert into things values (1, 'x', 'text'), (1, 'y', 'text')")
            .await?;
        let none = Duration::ZERO;
        let error = wait_until_embedded(&test.db, "tested", (1, "x"), none)
            .await
            .unwrap_err();
        assert!(matches!(error, WaitError::TimedOut { .. }), "{error}");
        let error = wait_until_embedded(&test.db, "tested", 1, none).await.unwrap_err();
        assert!(error.to_string().contains("the columns a, b, 1 values"), "{error}");
        run(&test, &Gate::new()).await;
        wait_until_embedded(&test.db, "tested", (1, "x"), none).await?;
        Ok(())
    })
    .await;
}
