//! A queue full of rows, worked off by one worker.

use std::fmt;
use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use pgai_sea_tests::{Random, TestDatabase};
use tokio::sync::Mutex;

use super::process::{Usage, server_cpu};
use super::program::Program;
use super::server::Server;
use super::with_rows;

/// How often a running worker is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// What is to be worked off, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    rows: usize,
    latency: Duration,
    concurrency: usize,
    /// Whether the store has an HNSW index before.
    has_index: bool,
}

/// How that went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    rows: usize,
    /// From the start of the process to its end.
    total: Duration,
    /// From the first request's arrival to the last one's answer.
    steady: Duration,
    usage: Usage,
    /// The CPU time of the database's processes.
    server: Option<Duration>,
    /// What the database alone takes to write the same.
    alone: Duration,
    /// A hash of what is in the store.
    pub(crate) content: String,
}

impl Load {
    pub(crate) fn new(rows: usize, latency: u64, concurrency: usize) -> Self {
        Self {
            rows,
            latency: Duration::from_millis(latency),
            concurrency,
            has_index: false,
        }
    }

    pub(crate) fn with_index(self) -> Self {
        let has_index = true;
        Self { has_index, ..self }
    }

    pub(crate) async fn run(&self, program: &Program, server: &Server) -> Run {
        let run = Mutex::new(Run::default());
        with_rows(self.rows, server, async |test| {
            if self.has_index {
                test.execute(HNSW).await.unwrap();
            }
            // equal vectors are one element of an HNSW index
            server.begin(self.latency, self.has_index);
            let concurrency = self.concurrency.to_string();
            let postmaster = "select split_part(pg_read_file('postmaster.pid'), e'\\n', 1)::int";
            let postmaster = test.value::<i32>(postmaster).await.unwrap().unsigned_abs();
            let before = server_cpu(postmaster);
            let started = Instant::now();
            let mut worker = program.start(&test.url, &["--once", "-c", &concurrency]);
            let mut usage = Usage::default();
            let status = loop {
                if let Some(status) = worker.try_wait().unwrap() {
                    break status;
                }
                let now = Usage::of(&worker);
                usage.cpu = now.cpu.max(usage.cpu);
                usage.memory = now.memory.or(usage.memory);
                tokio::time::sleep(LOOK).await;
            };
            let total = started.elapsed();
            let used = server_cpu(postmaster)
                .zip(before)
                .map(|(now, before)| now.saturating_sub(before));
            assert!(status.success(), "{} failed: {status}", program.name);
            let done: i64 = test
                .value("select count(distinct id) from articles_embedding_store")
                .await
                .unwrap();
            assert_eq!(
                usize::try_from(done),
                Ok(self.rows),
                "{} left rows behind",
                program.name
            );
            // which of many vectors a chunk gets depends on the order
            let vector = if self.has_index { "null" } else { "embedding" };
            let content = format!(
                "select coalesce(md5(string_agg(concat_ws('|', id, chunk_seq, chunk, {vector}), e'\\n' \
                    order by id, chunk_seq)), '')
                 from articles_embedding_store"
            );
            *run.lock().await = Run {
                rows: self.rows,
                total,
                steady: server.span(),
                usage,
                server: used,
                alone: alone(test, self.has_index).await,
                content: test.value(&content).await.unwrap(),
            };
        })
        .await;
        run.into_inner()
    }
}

const HNSW: &str = "create index on articles_embedding_store using hnsw (embedding vector_cosine_ops)";

/// What it takes to write the store once more, into a table with the same indexes: by a binary COPY, or, into an HNSW
/// index, by an INSERT, as there the way makes no difference.
async fn alone(test: &TestDatabase, has_index: bool) -> Duration {
    test.execute("create table again (like articles_embedding_store including all); checkpoint")
        .await
        .unwrap();
    let columns = "id, chunk_seq, chunk, embedding";
    if has_index {
        let began = Instant::now();
        let insert = format!("insert into again ({columns}) select {columns} from articles_embedding_store");
        test.execute(&insert).await.unwrap();
        return began.elapsed();
    }
    let pool = test.db.get_postgres_connection_pool();
    let mut connection = pool.acquire().await.unwrap();
    let copy = format!("copy articles_embedding_store ({columns}) to stdout with (format binary)");
    let chunks: Vec<_> = connection
        .copy_out_raw(&copy)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let data = chunks.concat();
    let began = Instant::now();
    let mut copy = connection
        .copy_in_raw(&format!("copy again ({columns}) from stdin with (format binary)"))
        .await
        .unwrap();
    copy.send(data).await.unwrap();
    copy.finish().await.unwrap();
    began.elapsed()
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rows,
            latency,
            concurrency,
            has_index,
        } = self;
        match rows {
            0 => write!(f, "an empty queue"),
            _ => write!(f, "{rows} rows, {latency:?} of latency, concurrency {concurrency}"),
        }?;
        if *has_index {
            write!(f, ", an HNSW index")?;
        }
        Ok(())
    }
}

impl Run {
    /// Each figure's own median.
    pub(crate) fn median(runs: &[Self]) -> Self {
        Self {
            rows: runs[0].rows,
            total: median(runs.iter().map(|run| run.total)).unwrap_or_default(),
            steady: median(runs.iter().map(|run| run.steady)).unwrap_or_default(),
            usage: Usage {
                cpu: median(runs.iter().filter_map(|run| run.usage.cpu)),
                memory: median(runs.iter().filter_map(|run| run.usage.memory)),
            },
            server: median(runs.iter().filter_map(|run| run.server)),
            alone: median(runs.iter().map(|run| run.alone)).unwrap_or_default(),
            content: runs[0].content.clone(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "rows are few")]
    fn per_second(&self, time: Duration) -> f64 {
        self.rows as f64 / time.as_secs_f64().max(f64::EPSILON)
    }

    /// This run as a multiple of the other.
    pub(crate) fn against(&self, other: &Self) -> String {
        let mut text = format!("{:.1} times as fast from start", ratio(other.total, self.total));
        if self.rows > 0 {
            text += &format!(", {:.1} times steady", ratio(other.steady, self.steady));
        }
        if let (Some(ours), Some(theirs)) = (self.usage.cpu, other.usage.cpu) {
            text += &format!(", {:.3} of the CPU", ratio(ours, theirs));
        }
        if let (Some(ours), Some(theirs)) = (self.server, other.server) {
            text += &format!(", {:.2} of the database's CPU", ratio(ours, theirs));
        }
        if let (Some(ours), Some(theirs)) = (self.usage.memory, other.usage.memory) {
            text += &format!(", {:.3} of the memory", ours / theirs);
        }
        text
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s", self.total.as_secs_f64())?;
        if self.rows > 0 {
            let (total, steady) = (self.per_second(self.total), self.per_second(self.steady));
            write!(f, ", {total:.0} rows/s from start, {steady:.0} steady")?;
            let (alone, ratio) = (self.alone, ratio(self.steady, self.alone));
            write!(
                f,
                ", {ratio:.2} times the {:.3} s that the database takes",
                alone.as_secs_f64()
            )?;
        }
        if let Some(cpu) = self.usage.cpu {
            write!(f, ", {:.2} s of CPU", cpu.as_secs_f64())?;
        }
        if let Some(cpu) = self.server {
            write!(f, ", {:.2} s of the database's", cpu.as_secs_f64())?;
        }
        if let Some(memory) = self.usage.memory {
            write!(f, ", {memory:.0} MB")?;
        }
        Ok(())
    }
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64().max(f64::EPSILON)
}

pub(crate) fn median<T: PartialOrd>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let middle = values.len() / 2;
    values.into_iter().nth(middle)
}

/// About 1,000 characters in sentences and paragraphs; no two texts are the same.
pub(crate) fn text(row: usize) -> String {
    const WORDS: [&str; 12] = [
        "water",
        "in",
        "the",
        "harbour",
        "rises",
        "twice",
        "a",
        "day",
        "because",
        "moon",
        "and",
        "gravitation",
    ];
    let mut random = Random::new(row as u64);
    let mut text = format!("Article {row}");
    while text.len() < 1_000 {
        let next = WORDS[usize::try_from(random.below(12)).unwrap_or_default()];
        text += match random.below(60) {
            0 => "\n\n",
            1..=5 => ". ",
            _ => " ",
        };
        text += next;
    }
    text
}
