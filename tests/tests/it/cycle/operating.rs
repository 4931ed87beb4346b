//! Watching and operating an installation with the command: `status`, `errors`, `pause`, `resume`, `retry`.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use pgai_sea_tests::providers::Provider;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::TransactionTrait;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// More than any of this takes.
const PATIENCE: Duration = Duration::from_mins(1);

fn pgai_sea(test: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
    command
        .args(arguments)
        .args(["-d", &test.url])
        .env("OPENAI_API_KEY", Provider::API_KEY)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn run(test: &TestDatabase, arguments: &[&str]) -> Output {
    pgai_sea(test, arguments).output().await.unwrap()
}

/// What a command that has to succeed prints.
async fn said(test: &TestDatabase, arguments: &[&str]) -> String {
    let output = run(test, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The vectorizer's object of `status --json`, and the exit code.
async fn status(test: &TestDatabase, name: &str) -> (Value, Option<i32>) {
    let output = run(test, &["status", "--json"]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    let mut lines = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let status = lines.find(|status| status["name"] == name);
    (
        status.unwrap_or_else(|| panic!("no {name}: {said}")),
        output.status.code(),
    )
}

/// Waits until it is in this state.
async fn until(test: &TestDatabase, name: &str, state: &str) -> (Value, Option<i32>) {
    let begun = Instant::now();
    loop {
        let (status, code) = status(test, name).await;
        if status["state"] == state {
            return (status, code);
        }
        assert!(begun.elapsed() < PATIENCE, "not {state}: {status}");
        sleep(Duration::from_millis(50)).await;
    }
}

fn worker(test: &TestDatabase) -> Child {
    let mut command = pgai_sea(test, &["worker", "--poll-interval", "100ms", "--log-level", "error"]);
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// A table of three rows that OpenAI's model embeds.
async fn table(test: &TestDatabase, name: &str, more: &str, provider: &Provider) -> TestResult {
    test.execute(&format!(
        "create table {name} (id int primary key, body text);
         insert into {name} select i, 'text ' || i from generate_series(1, 3) i;
         select ai.create_vectorizer('{name}', name => '{name}', loading => ai.loading_column('body', retries => 0),
            embedding => ai.embedding_openai('text-embedding-3-small', 8, base_url => '{}' {more}))",
        provider.openai_url()
    ))
    .await?;
    Ok(())
}

/// A key that is refused, one that is missing, and a table of embeddings that is gone: time alone mends none of them.
#[tokio::test]
async fn what_time_will_not_mend_is_failing() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        table(&test, "refused", "", &provider).await?;
        table(&test, "missing", ", api_key_name => 'A_KEY_THAT_NOBODY_SET'", &provider).await?;
        table(&test, "gone", "", &provider).await?;
        test.execute("alter table gone_embedding_store rename to elsewhere")
            .await?;
        let mut command = pgai_sea(&test, &["worker", "--log-level", "error"]);
        let mut running = command
            .env("OPENAI_API_KEY", "sk-of-nobody")
            .stdout(Stdio::null())
            .spawn()?;
        for (name, word) in [
            ("refused", "401"),
            ("missing", "A_KEY_THAT_NOBODY_SET"),
            ("gone", "gone_embedding_store"),
        ] {
            let (mut status, mut code) = until(&test, name, "failing").await;
            // the wait is recorded after the error
            while test.catalog == Catalog::Ours && !status["error"]["next_attempt"].is_string() {
                (status, code) = until(&test, name, "failing").await;
            }
            assert_eq!(code, Some(1), "{status}");
            let error = &status["error"];
            assert!(
                error["message"].as_str().is_some_and(|said| said.contains(word)),
                "{status}"
            );
            assert!(error["since"].is_string() && status["advice"].is_string(), "{status}");
            assert_eq!(
                error["next_attempt"].is_string(),
                test.catalog == Catalog::Ours,
                "{status}"
            );
            assert_eq!(status["pending"]["rows"], 3, "{status}");
        }
        let output = run(&test, &["status"]).await;
        let said = String::from_utf8(output.stdout)?;
        for part in ["refused is failing since 20", "what to do: ", "401"] {
            assert!(said.contains(part), "no {part} in {said}");
        }
        assert_eq!(
            said.contains("next attempt in"),
            test.catalog == Catalog::Ours,
            "{said}"
        );
        let complaint = String::from_utf8(output.stderr)?;
        assert!(complaint.contains("missing is failing"), "{complaint}");

        // mended, it goes on by itself, and is failing no longer
        running.kill().await?;
        test.execute("alter table elsewhere rename to gone_embedding_store")
            .await?;
        let mut running = worker(&test);
        until(&test, "refused", "in_sync").await;
        until(&test, "gone", "in_sync").await;
        test.execute(
            "select ai.drop_vectorizer((select id from ai.vectorizer where name = 'missing'), drop_all => true)",
        )
        .await?;
        let (status, code) = status(&test, "refused").await;
        assert_eq!((code, &status["error"]), (Some(0), &Value::Null), "{status}");
        running.kill().await?;
        Ok(())
    })
    .await;
}

/// A provider that is down for a moment, and rows that nobody serves, are no failure.
#[tokio::test]
async fn what_time_mends_is_waiting() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        table(&test, "posts", "", &provider).await?;
        let (idle, code) = status(&test, "posts").await;
        assert_eq!((idle["state"].as_str(), code), (Some("waiting"), Some(0)));
        assert!(
            idle["advice"]
                .as_str()
                .is_some_and(|said| said.contains("pgai-sea worker")),
            "{idle}"
        );

        let port = provider.port();
        drop(provider);
        let mut running = worker(&test);
        let begun = Instant::now();
        let waiting = loop {
            let (status, code) = status(&test, "posts").await;
            assert_eq!(code, Some(0), "{status}");
            if status["error"].is_object() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "{status}");
        };
        assert_eq!(waiting["state"], "waiting");
        assert!(
            waiting["error"]["message"]
                .as_str()
                .is_some_and(|said| said.contains("cannot be reached")),
            "{waiting}"
        );
        // it lasts: as if it had begun long ago
        let long = "update ai.vectorizer_worker_wait set since = since - interval '1 hour'";
        if test.catalog == Catalog::Ours {
            test.execute(long).await?;
        } else {
            test.execute("update ai._vectorizer_errors set recorded = recorded - interval '1 hour'")
                .await?;
        }
        assert_eq!(status(&test, "posts").await.0["state"], "failing");

        let provider = Provider::start_on(port);
        let (status, code) = until(&test, "posts", "in_sync").await;
        assert_eq!((code, &status["error"]), (Some(0), &Value::Null), "{status}");
        // while a request is under way
        provider.hold();
        test.execute("update posts set body = 'another'").await?;
        until(&test, "posts", "working").await;
        provider.release();
        until(&test, "posts", "in_sync").await;
        running.kill().await?;
        Ok(())
    })
    .await;
}

/// Whatever is wrong with one, the others are shown.
#[tokio::test]
async fn one_that_cannot_be_read_is_a_line_of_its_own() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        for name in ["healthy", "queue", "source", "config", "altered", "locked"] {
            table(&test, name, "", &provider).await?;
        }
        let queue = async |name: &str| {
            let sql =
                format!("select format('%I.%I', queue_schema, queue_table) from ai.vectorizer where name = '{name}'");
            test.value::<String>(&sql).await
        };
        test.execute(&format!("drop table {}", queue("queue").await?)).await?;
        test.execute(&format!(
            "alter table {} drop column queued_at",
            queue("altered").await?
        ))
        .await?;
        test.execute("drop table source cascade").await?;
        test.execute("update ai.vectorizer set config = config - 'embedding' where name = 'config'")
            .await?;
        let locking = test.db.begin().await?;
        let lock = format!("lock table {}", queue("locked").await?);
        sea_orm::ConnectionTrait::execute_unprepared(&locking, &lock).await?;

        for (name, word) in [
            ("queue", "is gone"),
            ("source", "is gone"),
            ("config", "embedding"),
            ("altered", "queued_at"),
            ("locked", "lock timeout"),
        ] {
            let (status, code) = status(&test, name).await;
            assert_eq!(
                (status["state"].as_str(), code),
                (Some("unreadable"), Some(1)),
                "{status}"
            );
            let message = status["error"]["message"].as_str();
            assert!(message.is_some_and(|said| said.contains(word)), "{status}");
        }
        let (healthy, _) = status(&test, "healthy").await;
        assert_eq!(
            (healthy["state"].as_str(), &healthy["pending"]["rows"]),
            (Some("waiting"), &3.into())
        );
        let output = run(&test, &["status"]).await;
        let said = String::from_utf8(output.stdout)?;
        assert!(
            said.lines()
                .any(|line| line.contains("healthy") && line.ends_with("waiting")),
            "{said}"
        );
        locking.rollback().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_pause_lasts_until_it_is_ended() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        table(&test, "posts", "", &provider).await?;
        let disabled = "select disabled from ai.vectorizer where name = 'posts'";
        let sql = said(&test, &["pause", "posts", "--print-sql"]).await;
        assert!(!test.value::<bool>(disabled).await?, "printing is not doing");
        test.execute(&sql).await?;
        assert!(test.value::<bool>(disabled).await?);
        let (paused, code) = status(&test, "posts").await;
        assert_eq!((paused["state"].as_str(), code), (Some("paused"), Some(0)));
        assert!(
            paused["advice"]
                .as_str()
                .is_some_and(|said| said.contains("pgai-sea resume posts"))
        );
        said(&test, &["worker", "--once"]).await;
        assert_eq!(provider.requests().len(), 0);

        said(&test, &["resume", "posts"]).await;
        said(&test, &["worker", "--once"]).await;
        assert_eq!(status(&test, "posts").await.0["state"], "in_sync");
        said(&test, &["pause", "posts"]).await;
        assert!(test.value::<bool>(disabled).await?);
        let sql = said(&test, &["resume", "posts", "--print-sql"]).await;
        test.execute(&sql).await?;
        assert!(!test.value::<bool>(disabled).await?);
        for command in ["pause", "resume", "errors", "retry"] {
            let output = run(&test, &[command, "nobody"]).await;
            let complaint = String::from_utf8(output.stderr)?;
            assert!(
                !output.status.success() && complaint.contains("no vectorizer"),
                "{complaint}"
            );
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn errors_say_which_row_why_and_what_to_do() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        table(&test, "posts", "", &provider).await?;
        table(&test, "notes", "", &provider).await?;
        test.execute("update posts set body = 'poison' where id = 2").await?;
        provider.refuse("poison");
        let output = run(&test, &["worker", "--once"]).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let text = said(&test, &["errors", "posts", "--since", "1h"]).await;
        for part in [
            "posts  id=2  embedding failed",
            "refuses",
            "what to do",
            "pgai-sea retry",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        let json: Value = serde_json::from_str(said(&test, &["errors", "--json", "--limit", "1"]).await.trim())?;
        assert_eq!(
            (json["vectorizer"].as_str(), json["key"]["id"].as_str()),
            (Some("posts"), Some("2")),
            "{json}"
        );
        assert!(json["advice"].is_string() && json["reason"].is_string(), "{json}");
        assert_eq!(said(&test, &["errors", "notes"]).await, "no errors\n");
        test.execute("update ai._vectorizer_errors set recorded = now() - interval '2 hours'")
            .await?;
        assert_eq!(said(&test, &["errors", "--since", "1h"]).await, "no errors\n");
        assert_eq!(
            said(&test, &["errors", "--since", "3h", "--json"])
                .await
                .lines()
                .count(),
            1
        );
        Ok(())
    })
    .await;
}

/// By the whole key, whatever its type: of the rows that were given up, and those that wait for their next attempt.
#[tokio::test]
async fn a_row_is_tried_again_by_its_key() {
    on_both_catalogs(async |test| {
        test.execute(
            "create type kind as enum ('a, b', 'c');
             create table parts (kind kind, code char(5), id int, body text, primary key (kind, code, id));
             select ai.create_vectorizer('parts', name => 'parts', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('m', 3));
             create table words (word text primary key, body text);
             select ai.create_vectorizer('words', name => 'words', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('m', 3));
             insert into parts select 'a, b', 'x', i from generate_series(1, 3) i;
             truncate ai._vectorizer_q_1;
             insert into ai._vectorizer_q_failed_1 (kind, code, id, failure_step)
                select 'a, b', 'x', i, 'embedding' from generate_series(1, 3) i;
             insert into ai._vectorizer_q_failed_2 (word, failure_step) values ('{\"a\": 1}', 'embedding');
             insert into ai._vectorizer_q_2 (word, loading_retries, loading_retry_after)
                select w, 2, date_trunc('milliseconds', now()) + interval '1 hour' from
                unnest(array['later', 'latest']) w;
             insert into ai._vectorizer_q_2 (word, loading_retries, loading_retry_after)
                values ('held', 1, date_trunc('milliseconds', now()) + interval '1 hour 137 microseconds')",
        )
        .await?;
        let keys = async |sql: &str| test.values::<String>(sql).await;
        let output = said(
            &test,
            &["retry", "parts", "--key", r#"{"kind": "a, b", "code": "x", "id": 2}"#],
        )
        .await;
        assert!(output.starts_with("parts: 1 rows that were given up"), "{output}");
        assert_eq!(
            keys("select concat(kind, code, id) from ai._vectorizer_q_1").await?,
            ["a, bx    2"]
        );
        // as `failed list` prints it
        let listed = said(&test, &["failed", "list", "-i", "parts", "--json", "--limit", "1"]).await;
        let listed: Value = serde_json::from_str(listed.trim())?;
        said(&test, &["retry", "parts", "--key", &listed["key"].to_string()]).await;
        assert_eq!(
            test.value::<i64>("select count(*) from ai._vectorizer_q_failed_1")
                .await?,
            1
        );
        // a text that looks like a key of several columns
        said(&test, &["retry", "words", "--key", "later", "--key", r#"{"a": 1}"#]).await;
        let due = "select word from ai._vectorizer_q_2 where loading_retry_after is null order by 1";
        assert_eq!(keys(due).await?, ["later", r#"{"a": 1}"#]);
        let output = run(&test, &["retry", "words", "--key", "unknown"]).await;
        let complaint = String::from_utf8(output.stderr)?;
        assert!(!output.status.success() && complaint.contains("unknown"), "{complaint}");
        let output = run(&test, &["retry", "parts", "--key", "7"]).await;
        let complaint = String::from_utf8(output.stderr)?;
        assert!(
            !output.status.success() && complaint.contains("kind, code, id"),
            "{complaint}"
        );
        // all that has failed, and nothing that a worker holds
        let output = said(&test, &["retry", "words"]).await;
        assert!(output.contains("1 that waited"), "{output}");
        assert_eq!(keys(due).await?, ["later", "latest", r#"{"a": 1}"#]);
        said(&test, &["retry", "parts"]).await;
        assert_eq!(
            test.value::<i64>("select count(*) from ai._vectorizer_q_failed_1")
                .await?,
            0
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn without_the_schema_a_command_says_what_to_run() {
    on_catalog(Catalog::Bare, async |test| {
        for command in [
            ["status"].as_slice(),
            &["errors"],
            &["pause", "x"],
            &["resume", "x"],
            &["retry", "x"],
        ] {
            let output = run(&test, command).await;
            let complaint = String::from_utf8(output.stderr)?;
            assert!(complaint.contains("pgai-sea install"), "{command:?}: {complaint}");
        }
        Ok(())
    })
    .await;
}
