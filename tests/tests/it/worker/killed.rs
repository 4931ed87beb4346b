//! Workers that are killed, again and again, at any moment, while others write.

use std::process::Stdio;
use std::time::Duration;

use pgai_sea_tests::providers::{Fault, Provider};
use pgai_sea_tests::{Random, TestDatabase, on_both_catalogs};
use sea_orm::{DbErr, SqlErr};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::support::{DIMENSIONS, assert_in_sync};

/// Kills, on each catalog.
const ROUNDS: usize = 50;
/// Workers at any time.
const WORKERS: usize = 4;
/// More than all rounds take.
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
    match random.below(40) {
        0 => "truncate posts".to_owned(),
        1..=5 => format!("delete from posts where id = {id}"),
        6..=10 => format!("update posts set id = {} where id = {id}", random.below(60)),
        11..=13 => format!("update posts set title = 'Title {round}' where id = {id}"),
        14 => format!("update posts set body = null where id = {id}"),
        15..=17 => format!("update posts set body = '{text}' where id between {id} and {id} + 10"),
        _ => format!(
            "insert into posts values ({id}, 'T', '{text}') on conflict (id) do update set body = excluded.body"
        ),
    }
}

/// Writes until told to stop.
async fn writer(test: TestDatabase, seed: u64, stop: watch::Receiver<bool>) -> Result<u64, DbErr> {
    let mut random = Random::new(seed);
    let mut round = 0;
    while !*stop.borrow() {
        round += 1;
        match test.execute(&write(&mut random, round)).await {
            // moving onto a taken key is the writer's own mistake
            Err(error) if !matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => return Err(error),
            _ => sleep(Duration::from_millis(random.below(8))).await,
        }
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

#[tokio::test]
async fn nothing_is_lost_doubled_or_stale() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        provider.install("gate", DIMENSIONS);
        provider.always(Fault::Delay(Duration::from_millis(4)));
        test.execute(&format!(
            "create table posts (id int primary key, title text, body text);
             select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', {DIMENSIONS}, base_url => '{}'),
                chunking => ai.chunking_character_text_splitter(chunk_size => 20, chunk_overlap => 4, separator => ' '),
                formatting => ai.formatting_python_template('$title: $chunk'),
                processing => ai.processing_default(batch_size => 3, concurrency => 2))",
            provider.ollama_url()
        ))
        .await?;
        let (stop, stopped) = watch::channel(false);
        let writers: Vec<_> = (1..=2)
            .map(|n| tokio::spawn(writer(test.clone(), SEED + n, stopped.clone())))
            .collect();

        let mut random = Random::new(SEED);
        let mut at_work = 0;
        let mut workers: Vec<Child> = (0..WORKERS).map(|_| worker(&test, &[])).collect();
        timeout(PATIENCE, async {
            for _ in 0..ROUNDS {
                let before = provider.requests().len();
                if random.below(3) == 0 {
                    provider.next(fault(&mut random));
                }
                // in the middle of the work, unless leases and waits keep all of them from any
                let begun = timeout(Duration::from_secs(5), provider.wait_for_requests(before + 1)).await;
                at_work += usize::from(begun.is_ok());
                sleep(Duration::from_micros(random.below(40_000))).await;
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
        assert!(at_work > ROUNDS / 2, "in {at_work} of {ROUNDS} rounds there was work");

        let ended = timeout(PATIENCE, worker(&test, &["--once"]).wait()).await??;
        assert!(ended.success());
        assert_in_sync(&test).await;
        // neither a kill nor a provider's bad day is a row's attempt
        let charged = "select count(*) from ai.vectorizer_errors where details ? 'key'";
        assert_eq!(test.value::<i64>(charged).await?, 0);
        Ok(())
    })
    .await;
}
