//! `pgai-sea worker` as a process: pgai's flags and environment variables, logs.

use std::process::{Output, Stdio};
use std::time::Duration;

use pgai_sea_tests::providers::{Fault, Provider};
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_own_server};
use sea_orm::DbErr;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

#[cfg(unix)]
use super::sigterm::terminate;

/// More than any of this takes.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

fn pgai_sea() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
    command.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(super) fn worker(test: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = pgai_sea();
    command.args(["worker", "-d", &test.url]).args(arguments);
    command
}

pub(super) async fn ended(child: Child) -> Output {
    timeout(PATIENCE, child.wait_with_output())
        .await
        .expect("it does not end")
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Two tables of three rows, each with a vectorizer, and the provider of both.
pub(super) async fn tables(test: &TestDatabase) -> Result<Provider, DbErr> {
    let provider = Provider::start();
    provider.install("model", 8);
    for table in ["one", "other"] {
        test.execute(&format!(
            "create table {table} (id int primary key, body text);
             insert into {table} select i, 'text ' || i from generate_series(1, 3) i;
             select ai.create_vectorizer('{table}', name => '{table}', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('model', 8, base_url => '{}'))",
            provider.ollama_url()
        ))
        .await?;
    }
    Ok(provider)
}

pub(super) async fn embedded(test: &TestDatabase) -> Result<(i64, i64), DbErr> {
    let rows = async |table: &str| {
        test.value(&format!("select count(*) from {table}_embedding_store"))
            .await
    };
    Ok((rows("one").await?, rows("other").await?))
}

#[tokio::test]
async fn pgai_s_environment_variables_say_it_all() {
    on_both_catalogs(async |test| -> TestResult {
        let _provider = tables(&test).await?;
        let id: i32 = test.value("select id from ai.vectorizer where name = 'other'").await?;
        let run = async |ids: &str| {
            let mut command = pgai_sea();
            command
                .arg("worker")
                .env("PGAI_VECTORIZER_WORKER_DB_URL", &test.url)
                .env("PGAI_VECTORIZER_WORKER_VECTORIZER_IDS", ids)
                .env("PGAI_VECTORIZER_WORKER_POLL_INTERVAL", "300")
                .env("PGAI_VECTORIZER_WORKER_CONCURRENCY", "2")
                .env("PGAI_VECTORIZER_WORKER_ONCE", "1")
                .env("PGAI_VECTORIZER_WORKER_LOG_LEVEL", "WARNING");
            ended(command.spawn().unwrap()).await
        };
        let output = run(&id.to_string()).await;
        assert!(output.status.success(), "{output:?}");
        assert_eq!(embedded(&test).await?, (0, 3));
        // several, as click and as people separate them
        test.execute("update other set body = 'new'").await?;
        let output = run(&format!("{id} one")).await;
        assert!(output.status.success(), "{output:?}");
        assert_eq!(embedded(&test).await?, (3, 3));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn it_goes_on_after_an_error_or_exits_as_told() {
    on_both_catalogs(async |test| -> TestResult {
        let provider = tables(&test).await?;
        provider.always(Fault::ServerError);
        let stopped = ended(worker(&test, &["--exit-on-error"]).spawn()?).await;
        assert_eq!(stopped.status.code(), Some(1), "{stopped:?}");
        let reason = said(&stopped);
        assert!(
            reason.contains("pgai-sea: vectorizer one")
                || reason.contains(
                    "pgai-sea: vectorizer \
            other"
                ),
            "{reason}"
        );
        assert!(reason.contains("500"), "{reason}");
        // nothing is charged, and nothing is held back
        let due = "select count(*) from ai._vectorizer_q_1 where loading_retries = 0 and coalesce(loading_retry_after, \
            now()) <= clock_timestamp()";
        assert_eq!(test.value::<i64>(due).await?, 3);

        let mut patient = worker(&test, &["--exit-on-error", "false"]).spawn()?;
        let asked = provider.requests().len();
        provider.wait_for_requests(asked + 3).await;
        assert!(patient.try_wait()?.is_none(), "it ended by itself");
        provider.always(None);
        timeout(PATIENCE, async {
            while embedded(&test).await.unwrap() != (3, 3) {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await?;
        patient.kill().await?;

        // a configuration that cannot work
        test.execute(
            "update one set body = 'new'; update ai.vectorizer set config = config - 'embedding' where name = \
            'one'",
        )
        .await?;
        for (arguments, code) in [
            (["--once"].as_slice(), 1),
            (&["--once", "--exit-on-error=true"], 1),
            (&["--once", "--exit-on-error", "false"], 0),
            (&["--exit-on-error", "true"], 1),
        ] {
            let output = ended(worker(&test, arguments).spawn()?).await;
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
            assert!(said(&output).contains("one"), "{arguments:?}: {output:?}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn logs_are_lines_of_json_if_wanted() {
    on_both_catalogs(async |test| -> TestResult {
        let provider = tables(&test).await?;
        provider.next(Fault::TooManyRequests(None));
        let output = ended(worker(&test, &["--once", "--json", "--log-level", "DEBUG"]).spawn()?).await;
        assert!(output.status.success(), "{output:?}");
        let logs: Vec<serde_json::Value> = said(&output)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        let warning = logs.iter().find(|log| log["level"] == "WARN").expect("a warning");
        assert!(
            warning["fields"]["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("429")),
            "{warning}"
        );
        assert!(
            logs.iter()
                .any(|log| log["level"] == "DEBUG" && log["span"]["vectorizer"] == "one"),
            "{logs:?}"
        );
        Ok(())
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_that_is_not_there_yet_is_waited_for() {
    on_own_server(Catalog::Ours, async |test, server| -> TestResult {
        let _provider = tables(&test).await?;
        server.cut();
        let refused = ended(worker(&test, &["--once"]).spawn()?).await;
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        let mut running = worker(&test, &[]).spawn()?;
        let before = server.connections();
        timeout(PATIENCE, async {
            while server.connections() < before + 3 {
                sleep(Duration::from_millis(100)).await;
            }
        })
        .await?;
        assert!(running.try_wait()?.is_none(), "it did not wait");
        server.mend().await;
        timeout(PATIENCE, async {
            while embedded(&test).await.ok() != Some((3, 3)) {
                sleep(Duration::from_millis(100)).await;
            }
        })
        .await?;
        terminate(&mut running).await?;
        let output = ended(running).await;
        assert!(output.status.success(), "{}", said(&output));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_single_run_that_leaves_rows_is_no_success() {
    on_both_catalogs(async |test| -> TestResult {
        let provider = tables(&test).await?;
        assert!(ended(worker(&test, &["--once"]).spawn()?).await.status.success());
        provider.refuse("poison");
        test.execute("update one set body = 'poison' where id = 2").await?;
        for (arguments, code) in [
            (["--once", "--exit-on-error", "false"].as_slice(), 0),
            // and while it is not time for the next attempt
            (&["--once"], 1),
        ] {
            let output = ended(worker(&test, arguments).spawn()?).await;
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
            let summary = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(summary.contains("1 rows wait for their next attempt"), "{summary}");
            assert!(said(&output).contains("one: 1 rows failed and wait"), "{output:?}");
        }
        test.execute("update ai._vectorizer_q_1 set loading_retries = 100, loading_retry_after = null")
            .await?;
        let output = ended(worker(&test, &["--once"]).spawn()?).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("1 rows given up"),
            "{output:?}"
        );
        assert!(said(&output).contains("pgai-sea failed list"), "{output:?}");
        // nothing is left to do
        let output = ended(worker(&test, &["--once"]).spawn()?).await;
        assert!(output.status.success(), "{output:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_vectorizer_that_there_is_not_is_said() {
    on_both_catalogs(async |test| -> TestResult {
        let _provider = tables(&test).await?;
        for arguments in [["--once", "-i", "oen"].as_slice(), &["--exit-on-error", "-i", "oen"]] {
            let output = ended(worker(&test, arguments).spawn()?).await;
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(said(&output).contains("there is no vectorizer \"oen\""), "{output:?}");
        }
        let mut patient = worker(&test, &["-i", "oen", "-i", "one"]).spawn()?;
        let mut lines = BufReader::new(patient.stderr.take().expect("a pipe")).lines();
        let warned = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("WARN") && line.contains("there is no vectorizer \"oen\"") {
                    return;
                }
            }
            panic!("it said nothing");
        };
        timeout(PATIENCE, warned).await?;
        // it serves what there is
        timeout(PATIENCE, async {
            while embedded(&test).await.unwrap() != (3, 0) {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await?;
        patient.kill().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn times_that_would_make_it_spin_are_refused() {
    for (arguments, least) in [
        (["--lease", "0"], "1s"),
        (["--lease", "500ms"], "1s"),
        (["--poll-interval", "0"], "10ms"),
    ] {
        let output = pgai_sea().arg("worker").args(arguments).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = said(&output);
        assert!(
            said.contains(arguments[0]) && said.contains(&format!("{least} at least")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn status_is_a_table_or_json() {
    on_both_catalogs(async |test| -> TestResult {
        let provider = tables(&test).await?;
        let run = async |arguments: &[&str]| {
            let output = pgai_sea()
                .args(["status", "-d", &test.url])
                .args(arguments)
                .output()
                .await
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let worked = ended(worker(&test, &["--once", "-i", "one"]).spawn()?).await;
        assert!(worked.status.success(), "{worked:?}");
        let table = run(&[]).await;
        let line = |name: &str| {
            table
                .lines()
                .find(|line| line.split_whitespace().nth(1) == Some(name))
                .map(str::to_owned)
        };
        let one = line("one").expect(&table);
        assert!(one.contains("3/3, 100%") && one.ends_with("in sync"), "{table}");
        let other = line("other").expect(&table);
        assert!(
            other.contains("0/3, 0%") && other.ends_with("waiting") && other.contains("unknown"),
            "{table}"
        );
        let json: Vec<serde_json::Value> = run(&["--json"])
            .await
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            json[0]["coverage"]["embedded"],
            serde_json::json!({"rows": 3, "exact": true})
        );
        assert_eq!(json[1]["pending"], serde_json::json!({"rows": 3, "exact": true}));
        assert!(
            json[1]["oldest_pending"].is_string() && json[1]["seconds_left"].is_null(),
            "{json:?}"
        );
        // 8 dimensions cost nothing, tokens do
        let tokens: usize = provider.texts().iter().map(|text| text.len().div_ceil(4)).sum();
        let counted = match test.catalog {
            pgai_sea_tests::Catalog::Ours => serde_json::json!(tokens),
            _ => serde_json::Value::Null,
        };
        assert_eq!(json[0]["input_tokens"], counted);
        Ok(())
    })
    .await;
}
