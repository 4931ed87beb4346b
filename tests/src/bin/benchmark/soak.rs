//! A soak: writers, four workers, and everything that goes wrong, for so many minutes. At the end the embeddings
//! have to be those of a vectorizer that is created then.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use pgai_sea_tests::providers::{Fault, Provider};
use pgai_sea_tests::{Catalog, OwnServer, Random, TestDatabase, TestResult, measure_on_own_server, seed};
use sea_orm::{DbErr, SqlErr};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

const WRITERS: u64 = 4;
const WORKERS: usize = 4;
/// The keys that writers write.
const KEYS: u64 = 5_000;
const DIMENSIONS: usize = 8;
/// More than it takes to embed what is left when the writers have ended.
const PATIENCE: Duration = Duration::from_mins(10);

/// Runs it on this crate's catalog, on a server with PostgreSQL's own settings for durability.
pub(crate) async fn soak(minutes: u64) {
    measure_on_own_server(Catalog::Ours, async |test, server| run(&test, server, minutes).await).await;
}

#[allow(clippy::too_many_lines, reason = "one run, from its start to its figures")]
async fn run(test: &TestDatabase, server: &OwnServer, minutes: u64) -> TestResult {
    let provider = Provider::start();
    provider.install("model", DIMENSIONS);
    provider.always(Fault::Delay(Duration::from_millis(20)));
    test.execute(&vectorizer("posts", "", &provider)).await?;
    let seed = seed(0x0050_ac00);
    let mut random = Random::new(seed);
    let mut workers: Vec<Child> = (0..WORKERS).map(|_| worker(&test.url)).collect::<Result<_, _>>()?;
    let (stop, stopped) = watch::channel(false);
    let writers: Vec<_> = (1..=WRITERS)
        .map(|n| tokio::spawn(writer(test.clone(), seed.wrapping_add(n), stopped.clone())))
        .collect();

    // the first is never killed, so that its memory can be compared
    sleep(Duration::from_secs(10)).await;
    let before = memory(&workers[0]);
    let begun = Instant::now();
    let mut faults: BTreeMap<&str, u32> = BTreeMap::new();
    while begun.elapsed() < Duration::from_secs(minutes * 60) {
        sleep(Duration::from_millis(500 + random.below(3_000))).await;
        let name = match random.below(20) {
            0 => {
                server.crash().await;
                server.start().await;
                "server crashes"
            }
            1 => {
                server.silence();
                sleep(Duration::from_millis(2_000 + random.below(10_000))).await;
                server.cut();
                server.mend().await;
                "silences of the database"
            }
            2..=3 => {
                server.cut();
                sleep(Duration::from_millis(random.below(3_000))).await;
                server.mend().await;
                "broken connections"
            }
            4..=5 => {
                provider.always(Fault::ServerError);
                sleep(Duration::from_millis(random.below(5_000))).await;
                provider.always(Fault::Delay(Duration::from_millis(20)));
                "outages of the provider"
            }
            6 => {
                provider.hold();
                sleep(Duration::from_millis(random.below(8_000))).await;
                provider.release();
                "silences of the provider"
            }
            7..=9 => {
                provider.next(Fault::TooManyRequests(Some(1)));
                "rate limits"
            }
            10..=11 => {
                provider.next(Fault::Truncated);
                "answers that broke off"
            }
            _ => {
                let victim = 1 + usize::try_from(random.below(WORKERS as u64 - 1))?;
                workers[victim].kill().await?;
                workers[victim] = worker(&test.url)?;
                "workers killed"
            }
        };
        *faults.entry(name).or_default() += 1;
        assert!(
            workers[0].try_wait()?.is_none(),
            "the worker that is not killed ended by itself"
        );
    }

    stop.send_replace(true);
    let mut writes = 0;
    for writer in writers {
        writes += writer.await??;
    }
    let drained = Instant::now();
    let left = "select count(*) from ai._vectorizer_q_1";
    timeout(PATIENCE, async {
        // a connection of the test's own may have broken
        while test.value::<i64>(left).await.unwrap_or(1) > 0 {
            sleep(Duration::from_millis(200)).await;
        }
    })
    .await?;
    let drained = drained.elapsed();
    let after = memory(&workers[0]);
    for mut worker in workers {
        worker.kill().await?;
    }

    test.execute(
        &vectorizer("posts", ", destination => ai.destination_table('fresh')", &provider)
            .replace("create table", "create table if not exists"),
    )
    .await?;
    let ended = Command::new(std::env::current_exe()?)
        .args(["worker", "-d", &test.url, "--once", "--log-level", "error"])
        .stdout(Stdio::null())
        .status()
        .await?;
    assert!(ended.success(), "the fresh vectorizer could not be embedded");
    let rows: i64 = test.value("select count(*) from posts").await?;
    let chunks: i64 = test.value("select count(*) from fresh_store").await?;
    let columns = "id, chunk_seq, chunk, embedding::text";
    let differ: i64 = test
        .value(&format!(
            "select count(*) from (
                 (select {columns} from posts_embedding_store except all select {columns} from fresh_store)
                 union all
                 (select {columns} from fresh_store except all select {columns} from posts_embedding_store)) d"
        ))
        .await?;
    let given_up: i64 = test.value("select count(*) from ai._vectorizer_q_failed_1").await?;

    println!("{minutes} minutes, {WRITERS} writers, {WORKERS} workers, seed {seed}");
    println!(
        "{writes} writes, {} requests to the provider",
        provider.requests().len()
    );
    for (name, times) in faults {
        println!("{times} {name}");
    }
    println!("{} s until the queue was empty after the last write", drained.as_secs());
    println!(
        "{rows} rows and {chunks} chunks at the end, {given_up} given up, {differ} chunks differ from a fresh \
            vectorizer's"
    );
    println!(
        "memory of a worker: {} at the start, {} at the end",
        megabytes(before),
        megabytes(after)
    );
    assert_eq!((differ, given_up), (0, 0));
    Ok(())
}

fn vectorizer(table: &str, more: &str, provider: &Provider) -> String {
    format!(
        "create table {table} (id int primary key, title text, body text);
         select ai.create_vectorizer('{table}', loading => ai.loading_column('body'),
            embedding => ai.embedding_ollama('model', {DIMENSIONS}, base_url => '{}'),
            chunking => ai.chunking_character_text_splitter(chunk_size => 60, chunk_overlap => 10, separator => ' '),
            formatting => ai.formatting_python_template('$title: $chunk') {more})",
        provider.ollama_url()
    )
}

/// This program, as the worker that it holds.
fn worker(url: &str) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args([
            "worker",
            "-d",
            url,
            "--lease",
            "5s",
            "--poll-interval",
            "100ms",
            "--log-level",
            "error",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

/// Writes until it is told to stop; returns how often.
async fn writer(test: TestDatabase, seed: u64, stop: watch::Receiver<bool>) -> Result<u64, DbErr> {
    let mut random = Random::new(seed);
    let mut writes = 0;
    while !*stop.borrow() {
        match timeout(Duration::from_secs(10), test.execute(&write(&mut random))).await {
            Ok(Ok(())) => writes += 1,
            // moving onto a taken key is the writer's own mistake
            Ok(Err(error)) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {}
            // a server that is away, and a connection that is silent, are the soak's
            Ok(Err(_)) | Err(_) => sleep(Duration::from_millis(100)).await,
        }
        sleep(Duration::from_millis(random.below(60))).await;
    }
    Ok(writes)
}

/// One thing that an application does.
fn write(random: &mut Random) -> String {
    let id = random.below(KEYS);
    let words = "and more ".repeat(usize::try_from(random.below(12)).unwrap_or_default());
    let text = format!("text {} {words}", random.bits());
    match random.below(20) {
        0 => format!("delete from posts where id = {id}"),
        1 => format!("update posts set id = {} where id = {id}", random.below(KEYS)),
        2 => format!("update posts set title = 'Title {}' where id = {id}", random.below(9)),
        3 => format!("update posts set body = null where id = {id}"),
        4 => format!("update posts set body = '{text}' where id between {id} and {id} + 20"),
        _ => format!(
            "insert into posts values ({id}, 'T', '{text}') on conflict (id) do update set body = excluded.body"
        ),
    }
}

/// The kilobytes of a process that are in memory; `None` where there is no `/proc`.
fn memory(process: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn megabytes(kilobytes: Option<u64>) -> String {
    kilobytes.map_or_else(|| "unknown".to_owned(), |kilobytes| format!("{} MB", kilobytes / 1024))
}
