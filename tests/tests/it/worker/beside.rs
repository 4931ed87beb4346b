//! Beside pgai's worker, whose transaction stays open from its claim to its write.

use pgai_sea_tests::providers::embedding_of;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, TransactionTrait};

use super::support::{CLAIM, DIMENSIONS, Gate, assert_in_sync, posts, run, soon, statements, vectorizer, worker};

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

/// Keys whose text is another one in a session with this setting, and so is the number of their lock.
const KEYS: [(&str, &str, &str); 6] = [
    (
        "timestamptz",
        "'2026-01-01 12:00:00+00'::timestamptz + i * interval '1 hour'",
        "timezone = 'Europe/Berlin'",
    ),
    ("date", "date '2026-01-01' + i", "datestyle = 'German'"),
    ("interval", "i * interval '1 day 01:00'", "intervalstyle = 'iso_8601'"),
    (
        "bytea",
        "decode(lpad(i::text, 2, '0'), 'hex')",
        "bytea_output = 'escape'",
    ),
    ("float8", "i / 3::float8", "extra_float_digits = -10"),
    (
        "tstzrange",
        "tstzrange('2026-01-01', timestamptz '2026-01-02' + i * interval '1 h')",
        "timezone = 'Asia/Tokyo'",
    ),
];

/// `events`, five rows with such a key, which is `of`.
async fn events(test: &TestDatabase, sql_type: &str, key: &str) -> Result<(), DbErr> {
    test.execute(&format!(
        "create table events (of {sql_type} primary key, n int, title text, body text);
         insert into events select {key}, i, 'T', 'text ' || i from generate_series(1, 5) i"
    ))
    .await?;
    vectorizer(test, "events", "body", "$title: $chunk", "").await
}

/// Its claim of the first row, in a session with the setting.
async fn claims_the_first(test: &TestDatabase, setting: &str) -> Result<DatabaseTransaction, DbErr> {
    let theirs = test.db.begin().await?;
    theirs
        .execute_unprepared(&format!(
            "set local {setting};
             with selected as (select of from ai._vectorizer_q_1 where of = (select of from events where n = 1) for \
             update skip locked),
             locked as (select of, pg_try_advisory_xact_lock(1, hashtext(concat_ws('|', 'of', of))) as locked
                 from (select distinct of from selected) ids),
             deleted as (delete from ai._vectorizer_q_1 w using locked l where l.locked and w.of = l.of)
             select 1 from locked"
        ))
        .await?;
    Ok(theirs)
}

/// It writes what it read.
async fn writes_the_first(theirs: DatabaseTransaction) -> Result<(), DbErr> {
    let vector = format!("{:?}", embedding_of("gate", "T: text 1", DIMENSIONS));
    theirs
        .execute_unprepared(&format!(
            "insert into events_embedding_store (of, chunk_seq, chunk, embedding)
             select of, 0, 'T: text 1', '{vector}' from events where n = 1"
        ))
        .await?;
    theirs.commit().await
}

#[tokio::test]
async fn what_it_holds_is_left_alone_whatever_the_text_of_a_key_depends_on() {
    for (sql_type, key, setting) in KEYS {
        on_both_catalogs(async |test| -> TestResult {
            events(&test, sql_type, key).await?;
            let theirs = claims_the_first(&test, setting).await?;
            // the text goes: whoever writes now leaves nothing that would be in the way of a stale chunk
            test.execute("update events set body = '' where n = 1").await?;
            let gate = Gate::new();
            let ours = worker(&test, &gate);
            let ours = tokio::spawn(async move { ours.run_once().await });
            let stored = "select count(*) from events_embedding_store";
            soon(async || test.value::<i64>(stored).await.unwrap() == 4).await;
            statements(&test, CLAIM, 5).await;
            assert!(!ours.is_finished(), "{sql_type}: the edited row is still to be done");
            writes_the_first(theirs).await?;
            ours.await??;
            assert_in_sync(&test).await;
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_it_takes_from_a_claim_of_ours_is_its_own() {
    for (sql_type, key, setting) in &KEYS[..2] {
        on_both_catalogs(async |test| -> TestResult {
            events(&test, sql_type, key).await?;
            let gate = Gate::new();
            gate.hold();
            let ours = worker(&test, &gate).lease(std::time::Duration::from_secs(2));
            let ours = tokio::spawn(async move { ours.run_once().await });
            gate.wait_for(1).await;
            // a later row of a key that is being embedded leads to it
            test.execute("update events set body = '' where n = 1").await?;
            let theirs = claims_the_first(&test, setting).await?;
            gate.release();
            let stored = "select count(*) from events_embedding_store";
            soon(async || test.value::<i64>(stored).await.unwrap() == 4).await;
            theirs.rollback().await?;
            ours.await??;
            assert_in_sync(&test).await;
            Ok(())
        })
        .await;
    }
}

/// A row that is deleted while pgai's worker embeds it is queued, so that what it writes goes again.
#[tokio::test]
async fn a_row_that_is_deleted_meanwhile_leaves_nothing() {
    for (sql_type, key, setting) in KEYS {
        on_catalog(Catalog::Ours, async |test| -> TestResult {
            events(&test, sql_type, key).await?;
            let first = "select of::text from events where n = 1";
            let first: String = test.value(first).await?;
            let theirs = claims_the_first(&test, setting).await?;
            test.execute("delete from events where n = 1").await?;
            let vector = format!("{:?}", embedding_of("gate", "T: text 1", DIMENSIONS));
            theirs
                .execute_unprepared(&format!(
                    "reset all; insert into events_embedding_store (of, chunk_seq, chunk, embedding)
                     values ('{first}', 0, 'T: text 1', '{vector}')"
                ))
                .await?;
            theirs.commit().await?;
            run(&test, &Gate::new()).await;
            assert_in_sync(&test).await;
            Ok(())
        })
        .await;
    }
}
