//! Beside pgai's worker, whose transaction stays open from its claim to its write.

use pgai_sea_tests::on_both_catalogs;
use pgai_sea_tests::providers::embedding_of;
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::support::{CLAIM, DIMENSIONS, Gate, assert_in_sync, posts, soon, statements, worker};

#[tokio::test]
async fn what_pgais_worker_holds_is_left_alone() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 10) i")
            .await?;
        let (id, queue): (i32, String) = (
            test.value("select id from ai.vectorizer").await?,
            test.value("select format('%I.%I', queue_schema, queue_table) from ai.vectorizer")
                .await?,
        );
        // its claim of the first three rows, as it stands in its log
        let theirs = test.db.begin().await?;
        theirs
            .execute_unprepared(&format!(
                "with selected as (select id from {queue} where id <= 3 for update skip locked),
                 locked as (select id, pg_try_advisory_xact_lock({id}, hashtext(concat_ws('|', 'id', id))) as locked
                     from (select distinct id from selected) ids),
                 deleted as (delete from {queue} w using locked l where l.locked and w.id = l.id)
                 select 1 from locked"
            ))
            .await?;
        // an edit of a row that it is embedding: its queue row is free, its key is not
        test.execute("update posts set body = 'edited' where id = 2").await?;
        let gate = Gate::new();
        let ours = worker(&test, &gate);
        let ours = tokio::spawn(async move { ours.run_once().await });
        soon(async || gate.texts().len() == 7).await;
        let stored = "select count(*) from posts_embedding_store";
        soon(async || test.value::<i64>(stored).await.unwrap() == 7).await;
        statements(&test, CLAIM, 5).await;
        let mut sent = gate.texts();
        sent.sort();
        assert_eq!(sent.len(), 7, "{sent:?}");
        assert!(!ours.is_finished(), "the edited row is still to be done");

        // it writes what it read before the edit
        for row in 1..=3 {
            let text = format!("T: text {row}");
            let vector = format!("{:?}", embedding_of("gate", &text, DIMENSIONS));
            theirs
                .execute_unprepared(&format!(
                    "insert into posts_embedding_store (id, chunk_seq, chunk, embedding) values ({row}, 0, '{text}', \
                        '{vector}')"
                ))
                .await?;
        }
        theirs.commit().await?;
        ours.await??;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}
