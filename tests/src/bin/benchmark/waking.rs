//! What it costs writers that a worker is woken by them, how soon it is, and what an idle worker takes.

use std::time::{Duration, Instant};

use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_own_server};
use sea_orm::{DbBackend, DbErr, Statement};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::claims::Instantly;
use super::clients::{CLIENTS, SECONDS};
use super::table::{median, milliseconds};
use super::{connect, prepare};

const CLIENTS_FOR: Duration = Duration::from_secs(SECONDS as u64);

/// How writers wake a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waking {
    /// Not at all: the worker polls.
    None,
    /// As the triggers do it.
    Asleep,
    /// With a notification in every transaction.
    Always,
}

const VARIANTS: [(&str, Waking, bool); 5] = [
    ("no waking", Waking::None, false),
    ("waking who sleeps", Waking::Asleep, false),
    ("notifying always", Waking::Always, false),
    ("no waking, a worker", Waking::None, true),
    ("waking who sleeps, a worker", Waking::Asleep, true),
];

/// Rows that are inserted one by one into an idle worker's table.
const ROWS: usize = 20;
/// How long it is watched while it has nothing to do.
const IDLE: Duration = Duration::from_secs(10);

/// On a server with PostgreSQL's own settings for durability, without which commits are not what they are elsewhere.
pub(crate) async fn waking(rounds: usize) {
    on_own_server(Catalog::Ours, async |test, _| writers(&test, rounds).await).await;
    println!(
        "\nA worker that has nothing to do, polling every 10 s on this crate's catalog, which wakes it, and every \
         second on pgai's; milliseconds from a row's commit to its embedding's"
    );
    println!("{:<24}{:>10}{:>10}{:>18}", "", "median", "longest", "% of a core");
    for catalog in [Catalog::Ours, Catalog::Pgai] {
        on_own_server(catalog, async |test, _| idle(&test).await).await;
    }
}

/// Clients that each insert one row at a time, with and without a worker that embeds them.
async fn writers(test: &TestDatabase, rounds: usize) -> TestResult {
    prepare(test).await?;
    test.execute("create sequence ids").await?;
    let definition: String = test
        .value("select pg_get_functiondef('ai._vectorizer_src_trg_1'::regproc)")
        .await?;
    let pool = connect(test, CLIENTS).await?;
    let mut rates = vec![Vec::new(); VARIANTS.len()];
    for round in 0..rounds {
        for turn in 0..VARIANTS.len() {
            // forth and back: each is as often before its rival as after it
            let place = if round % 2 == 0 {
                turn
            } else {
                VARIANTS.len() - 1 - turn
            };
            let (_, waking, works) = &VARIANTS[place];
            test.execute("truncate posts, posts_embedding_store, ai._vectorizer_q_1")
                .await?;
            test.execute(&with(&definition, *waking)).await?;
            test.execute("checkpoint").await?;
            let running = works.then(|| start(test, Duration::from_secs(1)));
            sleep(Duration::from_secs(1)).await;
            let until = Instant::now() + CLIENTS_FOR;
            let clients = (0..CLIENTS).map(|_| async {
                let mut done = 0_u32;
                while Instant::now() < until {
                    let insert = "insert into posts (id, title, body) select nextval('ids'), 't', 'b'";
                    let insert = Statement::from_string(DbBackend::Postgres, insert);
                    sea_orm::ConnectionTrait::execute_raw(&pool, insert).await?;
                    done += 1;
                }
                Ok::<u32, DbErr>(done)
            });
            let done: u32 = futures::future::try_join_all(clients).await?.into_iter().sum();
            rates[place].push(f64::from(done) / CLIENTS_FOR.as_secs_f64());
            if let Some(stop) = running {
                stop.await;
            }
        }
    }
    println!(
        "\n{CLIENTS} clients, a row in a transaction that is flushed to disk, transactions a second, and the median of \
            the rounds' ratios"
    );
    for (place, (name, ..)) in VARIANTS.iter().enumerate() {
        let base = &rates[if place < 3 { 0 } else { 3 }];
        let ratios = rates[place].iter().zip(base).map(|(rate, base)| rate / base);
        if let (Some(rate), Some(ratio)) = (median(rates[place].iter().copied()), median(ratios)) {
            println!("{name:<30}{rate:>10.0} ({ratio:.3})");
        }
    }
    Ok(())
}

/// The trigger function that wakes in this way.
fn with(definition: &str, waking: Waking) -> String {
    let condition = "if not pg_try_advisory_xact_lock_shared(1348947831, 1) then";
    assert!(
        definition.contains(condition),
        "the triggers wake in another way: {definition}"
    );
    match waking {
        Waking::Asleep => definition.to_owned(),
        Waking::None => definition.replace(condition, "if false then"),
        Waking::Always => definition.replace(condition, "if true then"),
    }
}

/// A worker that runs until the future is awaited.
fn start(test: &TestDatabase, poll_interval: Duration) -> impl Future<Output = ()> + use<> {
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = Worker::new(test.db.clone())
        .embedder("ollama", "none", std::sync::Arc::new(Instantly))
        .poll_interval(poll_interval);
    let task = tokio::spawn(async move { worker.run_until(stopped).await });
    async move {
        stop.send(()).ok();
        task.await.expect("no panic").expect("a report");
    }
}

async fn idle(test: &TestDatabase) -> TestResult {
    prepare(test).await?;
    let poll_interval = Duration::from_secs(if test.catalog == Catalog::Ours { 10 } else { 1 });
    let running = start(test, poll_interval);
    sleep(Duration::from_secs(2)).await;
    let cpu = cpu();
    sleep(IDLE).await;
    let used = cpu
        .zip(self::cpu())
        .map(|(before, after)| (after - before) / IDLE.as_secs_f64() * 100.0);
    let mut times = Vec::new();
    for id in 0..ROWS {
        sleep(Duration::from_millis(500 + 137 * id as u64 % 500)).await;
        test.execute(&format!("insert into posts (id, title, body) values ({id}, 't', 'b')"))
            .await?;
        let committed = Instant::now();
        let embedded = format!("select exists (select from posts_embedding_store where id = {id})");
        while !test.value::<bool>(&embedded).await? {
            assert!(committed.elapsed() < Duration::from_mins(1), "it does not wake");
            sleep(Duration::from_millis(1)).await;
        }
        times.push(milliseconds(committed.elapsed()));
    }
    running.await;
    let longest = times.iter().copied().fold(0.0, f64::max);
    let used = used.map_or_else(|| "unknown".to_owned(), |used| format!("{used:.2}"));
    println!(
        "{:<24}{:>10.1}{longest:>10.1}{used:>18}",
        test.catalog.to_string(),
        median(times.into_iter()).unwrap_or_default()
    );
    Ok(())
}

/// Seconds that this process has used so far; `None` where there is no `/proc`.
fn cpu() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // the name, in parentheses, may hold spaces; utime is the 14th field, the 12th after it
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..13)?.iter().filter_map(|field| field.parse::<f64>().ok());
    Some(ticks.sum::<f64>() / 100.0)
}
