//! How long those wait who write to a large table while it gets a vectorizer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pgai_sea::config::{Chunking, Embedding, Loading};
use pgai_sea::worker::Worker;
use pgai_sea::{Backfill, CreateVectorizer, catalog};
use pgai_sea_tests::{Catalog, Random, TestDatabase, TestResult, measure_on_own_server};
use sea_orm::{ConnectionTrait, DbErr};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::claims::Instantly;
use super::table::milliseconds;

/// How long writers are watched while rows that were queued at once are embedded.
const SEEN: Duration = Duration::from_secs(20);

/// On servers with PostgreSQL's own settings for durability, with a worker whose provider takes no time.
pub(crate) async fn backfill(rows: u32) {
    println!("{rows} rows; four writers edit and add rows; the longest wait of a write, in milliseconds");
    println!(
        "{:<24}{:>14}{:>14}{:>14}{:>14}",
        "rows are queued", "created in", "longest wait", "queued in", "longest wait"
    );
    for in_the_background in [false, true] {
        measure_on_own_server(Catalog::Ours, async |test, _| run(&test, rows, in_the_background).await).await;
    }
}

async fn run(test: &TestDatabase, rows: u32, in_the_background: bool) -> TestResult {
    test.execute(&format!(
        "create table posts (id bigint primary key, body text);
         insert into posts select i, 'text ' || i from generate_series(1, {rows}) i"
    ))
    .await?;
    test.execute("vacuum analyze posts").await?;
    test.execute("checkpoint").await?;
    let create = CreateVectorizer::new("posts")
        .name("posts")
        .loading(Loading::column("body"))
        .embedding(Embedding::ollama("none", 3))
        .chunking(Chunking::none());
    let create = if in_the_background {
        create.backfill(Backfill::by_key().descending())
    } else {
        create
    };
    let writers = Writers::start(test, rows);
    sleep(Duration::from_secs(1)).await;
    writers.longest();
    let began = Instant::now();
    test.db.query_one_raw(create.statement()?).await?;
    let (created, waited) = (began.elapsed(), writers.longest());
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = Worker::new(test.db.clone()).embedder("ollama", "none", Arc::new(Instantly));
    let running = tokio::spawn(async move { worker.run_until(stopped).await });
    let began = Instant::now();
    // of rows that were queued at once, the writers see a few seconds of embedding
    while is_left(test).await? || (!in_the_background && began.elapsed() < SEEN) {
        sleep(Duration::from_millis(200)).await;
    }
    let (queued, waited_then) = (began.elapsed(), writers.longest());
    writers.stop().await?;
    stop.send(()).ok();
    running.await.expect("no panic").expect("a report");
    println!(
        "{:<24}{:>14.0}{:>14.0}{:>14.0}{:>14.0}",
        if in_the_background {
            "in the background"
        } else {
            "at once"
        },
        milliseconds(created),
        milliseconds(waited),
        milliseconds(queued),
        milliseconds(waited_then),
    );
    Ok(())
}

/// Whether rows are left to be queued.
async fn is_left(test: &TestDatabase) -> Result<bool, DbErr> {
    let status = catalog::status(&test.db, "posts").await;
    Ok(status.map_err(DbErr::from)?.backfill.is_some())
}

/// Write all the time.
struct Writers {
    tasks: Vec<tokio::task::JoinHandle<Result<(), DbErr>>>,
    stop: watch::Sender<bool>,
    /// In microseconds.
    longest: Arc<AtomicU64>,
}

impl Writers {
    fn start(test: &TestDatabase, rows: u32) -> Self {
        let (stop, stopped) = watch::channel(false);
        let longest = Arc::new(AtomicU64::default());
        let tasks = (0..4_u32).map(|n| {
            let (test, stopped, longest) = (test.clone(), stopped.clone(), Arc::clone(&longest));
            tokio::spawn(async move {
                let mut random = Random::new(n.into());
                while !*stopped.borrow() {
                    let id = 1 + random.below(u64::from(rows) * 11 / 10);
                    let began = Instant::now();
                    test.execute(&format!(
                        "insert into posts values ({id}, 'edited')
                         on conflict (id) do update set body = posts.body || '.'"
                    ))
                    .await?;
                    let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                    longest.fetch_max(took, Ordering::Relaxed);
                    sleep(Duration::from_millis(5)).await;
                }
                Ok(())
            })
        });
        Self {
            tasks: tasks.collect(),
            stop,
            longest,
        }
    }

    /// The longest wait since the last call.
    fn longest(&self) -> Duration {
        Duration::from_micros(self.longest.swap(0, Ordering::Relaxed))
    }

    async fn stop(self) -> Result<(), DbErr> {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await.expect("no panic")?;
        }
        Ok(())
    }
}
