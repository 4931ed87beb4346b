//! A failover: a standby takes the primary's place while workers and writers go on.

use std::process::Stdio;
use std::time::Duration;

use pgai_sea_tests::providers::{Fault, Provider};
use pgai_sea_tests::{Catalog, OwnServer, Random, TestDatabase, TestResult, on_own_server, seed};
use sea_orm::DbErr;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::support::{DIMENSIONS, assert_in_sync, queued, soon};

const PATIENCE: Duration = Duration::from_mins(2);
const SEED: u64 = 0x0fa1_1000;

fn worker(test: &TestDatabase) -> Child {
    Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args([
            "worker",
            "-d",
            &test.url,
            "--lease",
            "2s",
            "--poll-interval",
            "50ms",
            "--log-level",
            "error",
        ])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Inserts and edits, again where the server does not take it; returns how much it wrote.
async fn writer(test: TestDatabase, seed: u64, stop: watch::Receiver<bool>) -> Result<u64, DbErr> {
    let mut random = Random::new(seed);
    let mut written = 0;
    while !*stop.borrow() {
        let (id, text) = (random.below(300), random.bits());
        let write = format!(
            "insert into posts (id, title, body) values ({id}, 'T', 'text {text} of this row')
             on conflict (id) do update set body = excluded.body"
        );
        match test.execute(&write).await {
            Ok(()) => written += 1,
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
        sleep(Duration::from_millis(random.below(6))).await;
    }
    Ok(written)
}

async fn posts(test: &TestDatabase) -> Result<Provider, DbErr> {
    let provider = Provider::start();
    provider.install("gate", DIMENSIONS);
    provider.always(Fault::Delay(Duration::from_millis(5)));
    test.execute(&format!(
        "create table posts (id int primary key, title text, body text);
         select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body'),
            embedding => ai.embedding_ollama('gate', {DIMENSIONS}, base_url => '{}'),
            chunking => ai.chunking_character_text_splitter(chunk_size => 20, chunk_overlap => 4, separator => ' '),
            formatting => ai.formatting_python_template('$title: $chunk'),
            processing => ai.processing_default(batch_size => 5, concurrency => 2))",
        provider.ollama_url()
    ))
    .await?;
    Ok(provider)
}

/// Four workers and two writers, through `fail_over`. What was written is embedded at the end, exactly once.
async fn through(catalog: Catalog, fail_over: impl AsyncFn(&TestDatabase, &OwnServer)) {
    on_own_server(catalog, async |test, server| -> TestResult {
        let provider = posts(&test).await?;
        server.add_standby().await;
        let seed = seed(SEED);
        let mut workers: Vec<Child> = (0..4).map(|_| worker(&test)).collect();
        let (stop, stopped) = watch::channel(false);
        let writers: Vec<_> = (1..=2)
            .map(|n| tokio::spawn(writer(test.clone(), seed.wrapping_add(n), stopped.clone())))
            .collect();
        provider.wait_for_requests(20).await;
        fail_over(&test, server).await;
        let before = provider.requests().len();
        timeout(PATIENCE, provider.wait_for_requests(before + 20)).await?;
        stop.send_replace(true);
        for writer in writers {
            assert!(writer.await?? > 50);
        }
        soon(async || queued(&test).await == 0).await;
        for worker in &mut workers {
            assert!(worker.try_wait()?.is_none(), "a worker ended by itself");
            worker.kill().await?;
        }
        assert_in_sync(&test).await;
        // nobody's fault
        let charged = "select count(*) from ai.vectorizer_errors where details ? 'key'";
        assert_eq!(test.value::<i64>(charged).await?, 0);
        Ok(())
    })
    .await;
}

/// The primary goes, and the standby is promoted before anybody is let through to it.
#[tokio::test]
async fn a_standby_that_is_promoted_takes_over() {
    through(Catalog::Ours, async |_, server| {
        server.lose_primary().await;
        server.promote().await;
        server.switch().await;
    })
    .await;
}

/// Sessions reach the standby while it still recovers, where nothing can be written, and stay when it is promoted.
#[tokio::test]
async fn sessions_that_began_on_a_standby_do_not_stay_read_only() {
    futures::future::join_all(Catalog::BOTH.map(|catalog| {
        through(catalog, async |test, server| {
            server.lose_primary().await;
            server.switch().await;
            soon(async || {
                // what workers send there is refused, and they end such sessions soon
                let sessions = "select count(*) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid() and pg_is_in_recovery()";
                test.value::<i64>(sessions).await.is_ok_and(|sessions| sessions > 0)
            })
            .await;
            sleep(Duration::from_secs(2)).await;
            server.promote().await;
        })
    }))
    .await;
}
