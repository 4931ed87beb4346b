//! Databases that do not hold every character, and those that hold any bytes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pgai_sea::catalog::{self, VectorizerState};
use pgai_sea::document::Documents;
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};
use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::embedding_of;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use tokio::process::Command;

use super::support::{DIMENSIONS, Gate, assert_in_sync, posts, queued, run, soon, start, vectorizer, worker};

/// Characters that neither LATIN1 nor EUC_JP has, and one that no text in PostgreSQL has.
const SAID: &str = "\u{201a}not\u{2019} this \u{1f980} one\0";
/// As the database keeps it.
const KEPT: &str = r"\u{201a}not\u{2019} this \u{1f980} one";

/// Refuses texts with `poison`, is down for texts with `storm`, and says so in any characters.
#[derive(Debug)]
struct Eloquent;

#[async_trait]
impl Embedder for Eloquent {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        if texts.iter().any(|text| text.contains("storm")) {
            return Err(EmbedError::Unavailable {
                provider: "eloquent",
                status: 503,
                message: SAID.to_owned(),
                retry_after: None,
            });
        }
        if texts.iter().any(|text| text.contains("poison")) {
            return Err(EmbedError::Refused {
                provider: "eloquent",
                status: 400,
                message: SAID.to_owned(),
            });
        }
        let vectors = texts.iter().map(|text| embedding_of("gate", text, DIMENSIONS));
        Ok(Embeddings::new(vectors.collect()))
    }
}

fn eloquent(test: &TestDatabase) -> Worker {
    Worker::new(test.db.clone())
        .embedder("ollama", "gate", Arc::new(Eloquent))
        .poll_interval(Duration::from_millis(50))
        .retry_delay(Duration::from_millis(1))
}

async fn pgai_sea(test: &TestDatabase, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(arguments)
        .args(["-d", &test.url])
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs the body in a database of this encoding.
async fn in_encoding(
    test: &TestDatabase,
    encoding: &str,
    body: impl AsyncFn(&TestDatabase) -> TestResult,
) -> TestResult {
    let other = test.of_encoding(encoding).await?;
    let outcome = body(&other).await;
    other.drop().await?;
    outcome
}

#[tokio::test]
async fn what_a_provider_says_is_kept_in_any_encoding() {
    on_both_catalogs(async |test| {
        for (encoding, text) in [
            ("LATIN1", "Gr\u{fc}\u{df}e"),
            ("EUC_JP", "\u{65e5}\u{672c}\u{8a9e}"),
            ("SQL_ASCII", "\u{65e5}"),
        ] {
            in_encoding(&test, encoding, async |test| {
                posts(test).await?;
                test.execute(&format!(
                    "insert into posts values (1, '{text}', '{text}'), (2, 'T', 'poison'), (3, 'T', '{text} ..')"
                ))
                .await?;
                soon(async || {
                    let report = eloquent(test).run_once().await.unwrap();
                    assert_eq!(report.errors().count(), 0, "{report:?}");
                    queued(test).await == 0
                })
                .await;
                let chunks = "select chunk from posts_embedding_store order by id";
                let chunks: Vec<String> = test.values(chunks).await?;
                assert_eq!(chunks, [format!("{text}: {text}"), format!("T: {text} ..")]);
                let failed = catalog::failed(&test.db, "tested", 10).await?;
                let reason = failed[0].reason.as_deref().unwrap_or_default();
                let kept = if encoding == "SQL_ASCII" {
                    SAID.trim_end_matches('\0')
                } else {
                    KEPT
                };
                assert!(failed.len() == 1 && reason.contains(kept), "{failed:?}");

                // what stops the whole vectorizer is said, and the worker is known to live
                let running = start(eloquent(test));
                test.execute("update posts set body = 'storm' where id = 1").await?;
                let error = async || catalog::status(&test.db, "tested").await.unwrap().error;
                soon(async || error().await.is_some_and(|error| error.message.contains(kept))).await;
                test.execute("update posts set body = 'calm' where id = 1").await?;
                soon(async || queued(test).await == 0).await;
                running.stop().await;
                let last = "select last_error_message from ai.vectorizer_worker_process order by started desc limit 1";
                assert!(test.value::<String>(last).await?.contains(kept));
                let said = pgai_sea(test, &["status"]).await;
                assert!(said.contains("in sync"), "{said}");
                let said = pgai_sea(test, &["check"]).await;
                assert!(!said.contains("repair"), "{said}");
                let said = pgai_sea(test, &["errors"]).await;
                assert!(said.contains(kept), "{said}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    })
    .await;
}

/// Keys and edits too, with everything that a worker does with a key.
#[tokio::test]
async fn keys_may_have_any_characters_of_the_encoding() {
    on_both_catalogs(async |test| {
        for (encoding, key) in [
            ("LATIN1", "'a\u{e9}\\b'"),
            ("EUC_JP", "'\u{65e5}\u{672c}\\\\'"),
            ("SQL_ASCII", "'\u{65e5}\\303'"),
            // no client could read this one
            ("SQL_ASCII", r"convert_from('\x5ce9ff'::bytea, 'SQL_ASCII')"),
        ] {
            in_encoding(&test, encoding, async |test| {
                test.execute("create table words (word text, n int, body text, primary key (word, n))")
                    .await?;
                vectorizer(test, "words", "body", "$chunk", "").await?;
                test.execute(&format!(
                    "insert into words select w, i, 'text ' || i from generate_series(1, 3) i,
                        (values ('plain'), ({key})) k (w)"
                ))
                .await?;
                let gate = Gate::new();
                let in_sync = async || {
                    let report = run(test, &gate).await;
                    assert_eq!(report.errors().count(), 0, "{report:?}");
                    let differ = "select count(*) from words w full join words_embedding_store s using (word, n)
                        where w.body is distinct from s.chunk";
                    assert_eq!(
                        (queued(test).await, test.value::<i64>(differ).await.unwrap()),
                        (0, 0),
                        "{key}"
                    );
                };
                in_sync().await;
                test.execute("update words set body = 'new ' || n where n < 3; delete from words where n = 3")
                    .await?;
                in_sync().await;
                // one that is given up is listed, tried again, and edited
                gate.refuse("poison");
                test.execute(&format!(
                    "update words set body = 'poison' where n = 2 and word = {key}"
                ))
                .await?;
                soon(async || {
                    run(test, &gate).await;
                    queued(test).await == 0
                })
                .await;
                assert_eq!(catalog::failed(&test.db, "tested", 10).await?.len(), 1, "{key}");
                let said = pgai_sea(test, &["failed", "list"]).await;
                assert!(said.contains("n=2") && said.contains("embedding failed"), "{said}");
                let said = pgai_sea(test, &["errors"]).await;
                assert!(said.contains("n=2"), "{key}: {said}");
                assert_eq!(catalog::retry_failed(&test.db, "tested").await?, 1);
                gate.refuse("nothing that there is");
                in_sync().await;
                Ok(())
            })
            .await?;
        }
        Ok(())
    })
    .await;
}

/// Rows in the background, and a look at the row after each.
#[tokio::test]
async fn a_backfill_passes_keys_that_are_no_utf_8() {
    on_catalog(Catalog::Ours, async |test| {
        in_encoding(&test, "SQL_ASCII", async |test| {
            test.execute(
                r"create table words (word text primary key, body text);
                 insert into words
                     select convert_from(decode(lpad(to_hex(i), 2, '0'), 'hex'), 'SQL_ASCII'), 'text ' || i
                     from generate_series(1, 255) i",
            )
            .await?;
            vectorizer(test, "words", "body", "$chunk", ", enqueue_existing => false").await?;
            test.execute("select ai.backfill_vectorizer(id) from ai.vectorizer")
                .await?;
            let report = run(test, &Gate::new()).await;
            assert_eq!((report.rows(), report.errors().count()), (255, 0), "{report:?}");
            Ok(())
        })
        .await
    })
    .await;
}

/// However many there are, and wherever they stand.
#[tokio::test]
async fn rows_that_are_no_text_do_not_hold_up_those_behind_them() {
    on_both_catalogs(async |test| {
        in_encoding(&test, "SQL_ASCII", async |test| {
            posts(test).await?;
            test.execute(
                r"insert into posts select i, 'T', case when i <= 300 then convert_from('\xe9'::bytea, 'SQL_ASCII')
                     else 'text ' || i end from generate_series(1, 310) i",
            )
            .await?;
            let report = run(test, &Gate::new()).await;
            assert_eq!((report.rows(), report.errors().count()), (10, 0), "{report:?}");
            let reason: String = test
                .value("select details->>'error_reason' from ai.vectorizer_errors limit 1")
                .await?;
            assert!(reason.contains("SQL_ASCII") && reason.contains("correct"), "{reason}");
            Ok(())
        })
        .await
    })
    .await;
}

/// The text of a document comes from outside, and the database need not have its characters.
#[tokio::test]
async fn a_document_that_cannot_be_stored_is_one_dead_letter() {
    on_both_catalogs(async |test| {
        in_encoding(&test, "LATIN1", async |test| {
            test.execute("create table posts (id int primary key, title text, body bytea)")
                .await?;
            vectorizer(test, "posts", "body", "$title: $chunk", "").await?;
            let document = "insert into posts select 1, 'T', convert_to('arrow ', 'UTF8') || '\\xe28692'::bytea";
            test.execute(document).await?;
            let documents = Documents::in_child(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
            let reading = || worker(test, &Gate::new()).documents(documents.clone());
            // alone, and before anything else was written
            let report = reading().run_once().await?;
            assert_eq!(
                (report.counts().dead_letters, report.errors().count(), report.waiting()),
                (1, 0, 0),
                "{report:?}"
            );
            test.execute(
                "insert into posts select i, 'T', convert_to('text ' || i, 'UTF8') from generate_series(2, 9) i",
            )
            .await?;
            test.execute("update posts set title = 'new' where id = 1").await?;
            let report = reading().run_once().await?;
            assert_eq!((report.rows(), report.counts().dead_letters), (8, 1), "{report:?}");
            let failed = catalog::failed(&test.db, "tested", 10).await?;
            let reason = failed[0].reason.as_deref().unwrap_or_default();
            assert!(
                failed.len() == 1 && failed[0].step == "writing" && reason.contains("LATIN1"),
                "{failed:?}"
            );
            assert_eq!(
                catalog::status(&test.db, "tested").await?.state,
                VectorizerState::InSync
            );
            Ok(())
        })
        .await
    })
    .await;
}

/// A template that the database cannot hold is refused before anything is made.
#[tokio::test]
async fn a_template_that_cannot_be_stored_is_refused() {
    on_both_catalogs(async |test| {
        in_encoding(&test, "LATIN1", async |test| {
            test.execute("create table posts (id int primary key, body text)")
                .await?;
            let refused = vectorizer(test, "posts", "body", "\u{2192} $chunk", "")
                .await
                .unwrap_err();
            assert!(refused.to_string().contains("LATIN1"), "{refused}");
            assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 0);
            vectorizer(test, "posts", "body", "\u{bb} $chunk", "").await?;
            test.execute("insert into posts values (1, 'caf\u{e9}')").await?;
            worker(test, &Gate::new()).run_once().await?;
            assert_in_sync(test).await;
            Ok(())
        })
        .await
    })
    .await;
}
