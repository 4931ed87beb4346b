//! Workers that are killed, again and again, at any moment, while others write and the server restarts.

use std::process::Stdio;
use std::time::Duration;

use pgai_sea_tests::providers::{Fault, Provider, embedding_of};
use pgai_sea_tests::{Random, TestDatabase, TestResult, on_own_servers, rounds, seed};
use sea_orm::{DbErr, RuntimeErr, SqlErr};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::support::{DIMENSIONS, assert_in_sync};

/// Kills on each catalog, in CI; see [`rounds`].
const ROUNDS: u64 = 40;
/// In so many rounds the server is restarted once.
const RESTART: u64 = 12;
/// Workers at any time.
const WORKERS: usize = 4;
/// More than the rounds of CI take.
const PATIENCE: Duration = Duration::from_mins(4);
const SEED: u64 = 0x0005_eed0_f4d0_0d1e;

fn worker(test: &TestDatabase, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(["worker", "-d", &test.url, "--lease", "1s", "--poll-interval", "20ms"])
        .args(["--log-level", "error"])
        .args(more)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// One thing that an application does.
fn write(random: &mut Random, round: u64) -> String {
    let id = random.below(60);
    let text = format!(
        "text {round}, {} {} words long",
        random.bits(),
        "and more ".repeat(usize::try_from(random.below(8)).unwrap())
    );
    match random.below(50) {
        0 => "truncate posts".to_owned(),
        1..=5 => format!("delete from posts where id = {id}"),
        6..=10 => format!("update posts set id = {} where id = {id}", random.below(60)),
        11..=13 => format!("update posts set title = 'Title {round}' where id = {id}"),
        14 => format!("update posts set body = null where id = {id}"),
        15..=17 => format!("update posts set body = '{text}' where id between {id} and {id} + 10"),
        40 => "truncate notes".to_owned(),
        41 => format!("delete from notes where id = {id}"),
        42 => format!("update notes set id = {} where id = {id}", random.below(60)),
        43 => format!("update notes set body = null where id = {id}"),
        44 => format!("update notes set body = '{text}' where id between {id} and {id} + 10"),
        45..=49 => {
            format!(
                "insert into notes (id, body) values ({id}, '{text}') on conflict (id) do update set body = \
                    excluded.body"
            )
        }
        _ => format!(
            "insert into posts values ({id}, 'T', '{text}') on conflict (id) do update set body = excluded.body"
        ),
    }
}

/// Whether the connection was lost, or ended by a server that shuts down.
fn is_broken(error: &DbErr) -> bool {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => match error.as_database_error() {
            Some(error) => error.code().is_some_and(|code| code.starts_with("57P")),
            None => true,
        },
        DbErr::ConnectionAcquire(_) => true,
        _ => false,
    }
}

/// Writes until told to stop.
async fn writer(test: TestDatabase, seed: u64, stop: watch::Receiver<bool>) -> Result<u64, DbErr> {
    let mut random = Random::new(seed);
    let mut round = 0;
    while !*stop.borrow() {
        round += 1;
        let Err(error) = test.execute(&write(&mut random, round)).await else {
            sleep(Duration::from_millis(random.below(8))).await;
            continue;
        };
        // moving onto a taken key is the writer's own mistake
        if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
            continue;
        }
        // and a restart is nobody's
        if !is_broken(&error) {
            return Err(error);
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(round)
}

/// What a provider does on a bad day.
fn fault(random: &mut Random) -> Fault {
    match random.below(4) {
        0 => Fault::TooManyRequests(None),
        1 => Fault::ServerError,
        2 => Fault::Truncated,
        _ => Fault::Delay(Duration::from_millis(random.below(200))),
    }
}

/// Every note has the vector of its text, or none where it has no text.
async fn assert_notes(test: &TestDatabase) -> TestResult {
    let queue: String = test
        .value("select format('%I.%I', queue_schema, queue_table) from ai.vectorizer where name = 'notes'")
        .await?;
    assert_eq!(test.value::<i64>(&format!("select count(*) from {queue}")).await?, 0);
    let notes = "select jsonb_build_array(id, body, embedding::text)::text from notes order by id";
    for note in test.values::<String>(notes).await? {
        let (id, body, embedding): (i32, Option<String>, Option<String>) = serde_json::from_str(&note)?;
        let embedding: Option<Vec<f32>> = embedding.map(|text| serde_json::from_str(&text)).transpose()?;
        let expected = body.map(|body| embedding_of("gate", &body, DIMENSIONS));
        assert_eq!(embedding, expected, "note {id}");
    }
    Ok(())
}

#[tokio::test]
async fn nothing_is_lost_doubled_or_stale() {
    let (rounds, seed) = (rounds(ROUNDS), seed(SEED));
    on_own_servers(async |test, server| {
        let provider = Provider::start();
        provider.install("gate", DIMENSIONS);
        provider.always(Fault::Delay(Duration::from_millis(4)));
        test.execute(&format!(
            "create table posts (id int primary key, title text, body text);
                 select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body'),
                    embedding => ai.embedding_ollama('gate', {DIMENSIONS}, base_url => '{url}'),
                    chunking => ai.chunking_character_text_splitter(chunk_size => 20, chunk_overlap => 4, separator => \
                    ' '),
                    formatting => ai.formatting_python_template('$title: $chunk'),
                    processing => ai.processing_default(batch_size => 3, concurrency => 2));
                 create table notes (id int primary key, body text);
                 select ai.create_vectorizer('notes', name => 'notes', loading => ai.loading_column('body'),
                    embedding => ai.embedding_ollama('gate', {DIMENSIONS}, base_url => '{url}'),
                    chunking => ai.chunking_none(), destination => ai.destination_column('embedding'),
                    processing => ai.processing_default(batch_size => 3, concurrency => 2))",
            url = provider.ollama_url()
        ))
        .await?;
        let (stop, stopped) = watch::channel(false);
        let writers: Vec<_> = (1..=2)
            .map(|n| tokio::spawn(writer(test.clone(), seed.wrapping_add(n), stopped.clone())))
            .collect();

        let mut random = Random::new(seed);
        let mut at_work = 0;
        let mut workers: Vec<Child> = (0..WORKERS).map(|_| worker(&test, &[])).collect();
        timeout(PATIENCE * u32::try_from(rounds / ROUNDS)?, async {
            for round in 0..rounds {
                let before = provider.requests().len();
                if random.below(3) == 0 {
                    provider.next(fault(&mut random));
                }
                // in the middle of the work, unless leases and waits keep all of them from any
                let begun = timeout(Duration::from_secs(5), provider.wait_for_requests(before + 1)).await;
                at_work += u64::from(begun.is_ok());
                sleep(Duration::from_micros(random.below(40_000))).await;
                if round % RESTART == RESTART - 1 {
                    server.stop().await;
                    server.start().await;
                }
                let victim = usize::try_from(random.below(WORKERS as u64)).unwrap();
                let mut killed = std::mem::replace(&mut workers[victim], worker(&test, &[]));
                assert!(killed.try_wait().unwrap().is_none(), "the worker ended by itself");
                killed.kill().await.unwrap();
            }
        })
        .await?;
        for mut worker in workers {
            worker.kill().await?;
        }
        stop.send_replace(true);
        for writer in writers {
            assert!(writer.await?? > 100);
        }
        assert!(at_work > rounds / 2, "in {at_work} of {rounds} rounds there was work");

        let ended = timeout(PATIENCE, worker(&test, &["--once"]).wait()).await??;
        assert!(ended.success());
        assert_in_sync(&test).await;
        assert_notes(&test).await?;
        // neither a kill nor a restart nor a provider's bad day is a row's attempt
        let charged = "select count(*) from ai.vectorizer_errors where details ? 'key'";
        assert_eq!(test.value::<i64>(charged).await?, 0);
        Ok(())
    })
    .await;
}
