//! What it does when nothing goes wrong.

use pgai_sea_tests::on_both_catalogs;

use super::support::{Gate, assert_in_sync, posts, queued, run};

#[tokio::test]
async fn rows_are_embedded_and_edits_and_deletes_follow() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute(
            "insert into posts values (1, 'One', 'some words that make up several chunks'), (2, 'Two', 'a few'),
                (3, 'Empty', ''), (4, 'Null', null), (5, 'Blank', '   ')",
        )
        .await?;
        let gate = Gate::new();
        let report = run(&test, &gate).await;
        assert_eq!(report.rows(), 5, "{report:?}");
        assert_in_sync(&test).await;

        test.execute(
            "update posts set body = 'other words', title = null where id = 2; delete from posts where id = 1",
        )
        .await?;
        test.execute("update posts set body = '' where id = 4; update posts set id = 22 where id = 2")
            .await?;
        run(&test, &gate).await;
        assert_in_sync(&test).await;

        let asked = gate.calls().len();
        assert_eq!(run(&test, &gate).await.rows(), 0);
        assert_eq!(gate.calls().len(), asked);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_unchanged_chunk_keeps_its_embedding() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        let words: Vec<String> = (0..200).map(|i| format!("word{i:03}")).collect();
        test.execute(&format!("insert into posts values (1, 'T', '{}')", words.join(" ")))
            .await?;
        let gate = Gate::new();
        run(&test, &gate).await;
        let chunks = gate.texts().len();
        assert!(chunks > 50);
        test.execute("update posts set body = replace(body, 'word100', 'changed')")
            .await?;
        let report = run(&test, &gate).await;
        let sent = gate.texts().len() - chunks;
        assert!((1..=2).contains(&sent), "{sent} texts sent");
        assert_eq!(report.counts().chunks_kept, (chunks - sent) as u64);
        assert_in_sync(&test).await;

        // one more at the front: all others move
        test.execute("update posts set body = 'quiteanewfrontword! ' || body")
            .await?;
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        // a column that the template names changes every text; one that it does not name, none
        let before = gate.texts().len();
        test.execute("update posts set likes = 1").await?;
        run(&test, &gate).await;
        assert_eq!(gate.texts().len(), before);
        test.execute("update posts set title = 'New'").await?;
        run(&test, &gate).await;
        assert!(gate.texts().len() > before + 50);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn equal_texts_are_sent_once_and_requests_keep_to_the_limits() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'the same' from generate_series(1, 30) i")
            .await?;
        test.execute("insert into posts select i, 'T', 'text' || i from generate_series(31, 50) i")
            .await?;
        // the gate fails the test if it is sent more than 7
        let gate = Gate::with_inputs(7);
        run(&test, &gate).await;
        assert_eq!(gate.texts().len(), 21);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn many_edits_of_a_row_are_one_piece_of_work() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'x')").await?;
        for i in 0..300 {
            test.execute(&format!("update posts set body = 'edit {i}'")).await?;
        }
        assert!(queued(&test).await > 50);
        let gate = Gate::new();
        assert_eq!(run(&test, &gate).await.rows(), 1);
        assert_eq!(gate.texts(), ["T: edit 299"]);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_batch_of_deleted_rows_is_not_an_empty_queue() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 60) i")
            .await?;
        test.execute("delete from posts where id <= 55").await?;
        let report = run(&test, &Gate::new()).await;
        assert_eq!(report.chunks_written(), 5, "{report:?}");
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}
