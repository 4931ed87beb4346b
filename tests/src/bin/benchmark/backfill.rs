//! How long those wait who write to a large table while it gets a vectorizer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pgai_sea::config::{Chunking, Embedding, Loading};
use pgai_sea::worker::Worker;
use pgai_sea::{Backfill, CreateVectorizer, catalog};
use pgai_sea_tests::{Catalog, Random, TestDatabase, TestResult, measure_on_own_server};
use sea_orm::{ConnectionTrait, DbErr};
use tokio::sync::{RwLock, oneshot, watch};
use tokio::time::sleep;

use super::claims::Instantly;
use super::connect;
use super::table::milliseconds;

/// The table that gets a vectorizer, and one that does not.
const TABLES: [&str; 2] = ["posts", "plain"];
/// Connections of the worker.
const CONNECTIONS: u32 = 20;
/// How long writers are watched while rows that were queued at once are embedded.
const SEEN: Duration = Duration::from_secs(20);
/// The same while rows are queued in the background, of which there may be more than anybody waits for.
const SEEN_IN_THE_BACKGROUND: Duration = Duration::from_mins(10);

/// On servers with PostgreSQL's own settings for durability, with a worker whose provider takes no time.
pub(crate) async fn backfill(rows: u32) {
    println!(
        "{rows} rows; four writers edit and add rows, here and in such a table without a vectorizer; the longest wait \
         of a write, in milliseconds"
    );
    println!(
        "{:<20}{:>12}{:>14}{:>12}{:>13}{:>13}{:>14}{:>12}",
        "rows are queued",
        "created in",
        "longest wait",
        "without",
        "rows queued",
        "watched for",
        "longest wait",
        "without"
    );
    for in_the_background in [false, true] {
        measure_on_own_server(Catalog::Ours, async |test, _| run(&test, rows, in_the_background).await).await;
    }
}

async fn run(test: &TestDatabase, rows: u32, in_the_background: bool) -> TestResult {
    test.execute(&format!(
        "create table posts (id bigint primary key, body text);
         create table plain (like posts including all);
         insert into posts select i, 'text ' || i from generate_series(1, {rows}) i;
         insert into plain table posts"
    ))
    .await?;
    for table in TABLES {
        test.execute(&format!("vacuum analyze {table}")).await?;
    }
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
    writers.longest().await;
    let began = Instant::now();
    test.db.query_one_raw(create.statement()?).await?;
    let (created, waited) = (began.elapsed(), writers.longest().await);
    let (stop, stopped) = oneshot::channel::<()>();
    // writers do not wait for its connections
    let worker = Worker::new(connect(test, CONNECTIONS).await?).embedder("ollama", "none", Arc::new(Instantly));
    let running = tokio::spawn(async move { worker.run_until(stopped).await });
    let began = Instant::now();
    // of rows that were queued at once, the writers see a few seconds of embedding
    let most = if in_the_background {
        SEEN_IN_THE_BACKGROUND
    } else {
        SEEN
    };
    let mut queued = Some(u64::from(rows));
    while began.elapsed() < most && (queued.is_some() || !in_the_background) {
        sleep(Duration::from_millis(200)).await;
        queued = queued_so_far(test).await?;
    }
    let queued = queued.filter(|_| in_the_background).unwrap_or(rows.into());
    let (watched, waited_then) = (began.elapsed(), writers.longest().await);
    writers.stop().await?;
    stop.send(()).ok();
    running.await.expect("no panic").expect("a report");
    println!(
        "{:<20}{:>12.0}{:>14.0}{:>12.0}{queued:>13}{:>13.0}{:>14.0}{:>12.0}",
        if in_the_background {
            "in the background"
        } else {
            "at once"
        },
        milliseconds(created),
        milliseconds(waited[0]),
        milliseconds(waited[1]),
        milliseconds(watched),
        milliseconds(waited_then[0]),
        milliseconds(waited_then[1]),
    );
    Ok(())
}

/// How many rows were queued, while some are left to be.
async fn queued_so_far(test: &TestDatabase) -> Result<Option<u64>, DbErr> {
    let status = catalog::status(&test.db, "posts").await;
    Ok(status.map_err(DbErr::from)?.backfill.map(|backfill| backfill.queued))
}

/// Write all the time.
struct Writers {
    tasks: Vec<tokio::task::JoinHandle<Result<(), DbErr>>>,
    stop: watch::Sender<bool>,
    /// Of each table, in microseconds.
    longest: Arc<[AtomicU64; 2]>,
    /// Shared by the writes that are under way.
    writing: Arc<RwLock<()>>,
}

impl Writers {
    fn start(test: &TestDatabase, rows: u32) -> Self {
        let (stop, stopped) = watch::channel(false);
        let longest = Arc::<[AtomicU64; 2]>::default();
        let writing = Arc::<RwLock<()>>::default();
        let tasks = (0..4_u32).map(|n| {
            let (test, stopped) = (test.clone(), stopped.clone());
            let (longest, writing) = (Arc::clone(&longest), Arc::clone(&writing));
            tokio::spawn(async move {
                let mut random = Random::new(n.into());
                while !*stopped.borrow() {
                    let id = 1 + random.below(u64::from(rows) * 11 / 10);
                    for (table, longest) in TABLES.into_iter().zip(&*longest) {
                        let _writing = writing.read().await;
                        let began = Instant::now();
                        test.execute(&format!(
                            "insert into {table} values ({id}, 'edited')
                             on conflict (id) do update set body = {table}.body || '.'"
                        ))
                        .await?;
                        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                        longest.fetch_max(took, Ordering::Relaxed);
                    }
                    sleep(Duration::from_millis(5)).await;
                }
                Ok(())
            })
        });
        Self {
            tasks: tasks.collect(),
            stop,
            longest,
            writing,
        }
    }

    /// The longest wait since the last call, of each table. Writes that are under way are waited for and counted.
    async fn longest(&self) -> [Duration; 2] {
        let _none = self.writing.write().await;
        [0, 1].map(|table: usize| Duration::from_micros(self.longest[table].swap(0, Ordering::Relaxed)))
    }

    async fn stop(self) -> Result<(), DbErr> {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await.expect("no panic")?;
        }
        Ok(())
    }
}
