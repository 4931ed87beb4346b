//! How soon an edit is searchable while a backfill goes on, and what that costs the backfill.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, measure_on_own_server};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::connect;
use super::table::milliseconds;

/// How long a request takes.
const PROVIDER: Duration = Duration::from_millis(20);
/// The time between two edits.
const EDITS: Duration = Duration::from_millis(100);
/// How often it is looked whether they are searchable.
const LOOK: Duration = Duration::from_millis(20);
/// The first key of rows that come during the backfill.
const NEW: i32 = 10_000_000;
/// Connections of a worker.
const CONNECTIONS: u32 = 20;

/// The rows are in so many tables with a vectorizer each, which so many workers serve.
#[derive(Clone, Copy)]
struct Shape {
    tables: usize,
    workers: usize,
}

const SHAPES: [Shape; 3] = [
    Shape { tables: 1, workers: 1 },
    Shape { tables: 1, workers: 3 },
    Shape {
        tables: 100,
        workers: 3,
    },
];

/// On servers with PostgreSQL's own settings for durability.
pub(crate) async fn fresh(rows: usize) {
    println!(
        "{rows} rows wait, a request takes {} ms, and a row is edited or added every {} ms; milliseconds until it is \
         searchable",
        PROVIDER.as_millis(),
        EDITS.as_millis()
    );
    println!(
        "{:<32}{:>12}{:>12}{:>8}{:>10}{:>10}{:>10}",
        "", "rows/s alone", "with edits", "ratio", "median", "p95", "longest"
    );
    for catalog in [Catalog::Ours, Catalog::Pgai] {
        for shape in SHAPES {
            measure_on_own_server(catalog, async |test, _| run(&test, rows, shape).await).await;
        }
    }
}

async fn run(test: &TestDatabase, rows: usize, shape: Shape) -> TestResult {
    for table in 1..=shape.tables {
        test.execute(&format!(
            "create table posts_{table} (id int primary key, title text, body text)"
        ))
        .await?;
        test.execute(&format!(
            "select ai.create_vectorizer('posts_{table}', name => 'posts_{table}',
                 loading => ai.loading_column('body'), embedding => ai.embedding_ollama('none', 3),
                 chunking => ai.chunking_none())"
        ))
        .await?;
    }
    let (alone, _) = backfill(test, rows, shape, false).await?;
    let (with_edits, mut times) = backfill(test, rows, shape, true).await?;
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1)).copied();
    println!(
        "{:<32}{alone:>12.0}{with_edits:>12.0}{:>8.3}{:>10.0}{:>10.0}{:>10.0}",
        format!("{}, {} with {}", test.catalog, shape.tables, shape.workers),
        with_edits / alone,
        at(50).unwrap_or(f64::NAN),
        at(95).unwrap_or(f64::NAN),
        at(100).unwrap_or(f64::NAN),
    );
    Ok(())
}

/// Rows in a second, and how long each edit took.
async fn backfill(test: &TestDatabase, rows: usize, shape: Shape, edits: bool) -> Result<(f64, Vec<f64>), DbErr> {
    for table in 1..=shape.tables {
        // with what its trigger empties
        test.execute(&format!("truncate posts_{table}")).await?;
        test.execute(&format!(
            "insert into posts_{table} select i, 't', 'text ' || i from generate_series(1, {}) i",
            rows / shape.tables
        ))
        .await?;
        test.execute(&format!("vacuum analyze posts_{table}")).await?;
    }
    test.execute("checkpoint").await?;
    let filled: String = test.value("select now()::text").await?;
    let (stop, stopped) = watch::channel(false);
    let mut running = Vec::new();
    for _ in 0..shape.workers {
        let worker = Worker::new(connect(test, CONNECTIONS).await?).embedder("ollama", "none", Arc::new(Slowly));
        let mut stopped = stopped.clone();
        running.push(tokio::spawn(async move {
            worker.run_until(stopped.wait_for(|stopped| *stopped)).await
        }));
    }
    let began = Instant::now();
    let mut editor = Editor::default();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = began + Duration::from_secs(1);
    let queued = (1..=shape.tables)
        .map(|table| format!("exists (select from ai._vectorizer_q_{table} where queued_at < '{filled}')"))
        .collect::<Vec<_>>()
        .join(" or ");
    let queued = format!("select {queued}");
    let mut look_at_queue = began;
    loop {
        looks.tick().await;
        if edits && Instant::now() >= next {
            editor.edit(test, rows, shape).await?;
            next += EDITS;
        }
        editor.look(test).await?;
        if Instant::now() >= look_at_queue {
            if !test.value::<bool>(&queued).await? {
                break;
            }
            look_at_queue = Instant::now() + Duration::from_millis(250);
        }
    }
    let time = began.elapsed();
    while !editor.waiting.is_empty() {
        editor.look(test).await?;
        sleep(LOOK).await;
    }
    stop.send_replace(true);
    for running in running {
        running.await.expect("no panic").expect("a report");
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    Ok((rows as f64 / time.as_secs_f64(), editor.times))
}

/// Edits rows, and sees when they are searchable.
#[derive(Debug, Default)]
struct Editor {
    edits: i32,
    /// By table and key, the text and when it was committed.
    waiting: BTreeMap<(usize, i32), (String, Instant)>,
    times: Vec<f64>,
}

impl Editor {
    async fn edit(&mut self, test: &TestDatabase, rows: usize, shape: Shape) -> Result<(), DbErr> {
        self.edits += 1;
        let (edit, text) = (self.edits, format!("edit {}", self.edits));
        let turn = usize::try_from(edit).unwrap_or_default();
        let (table, turn) = (1 + turn % shape.tables, turn / shape.tables);
        let turn = i32::try_from(turn).unwrap_or(i32::MAX);
        // one that is still to be done, from the end of the backfill, or a new one
        let id = if turn % 2 == 0 {
            i32::try_from(rows / shape.tables).unwrap_or(i32::MAX) - turn
        } else {
            NEW + edit
        };
        test.execute(&format!(
            "insert into posts_{table} values ({id}, 't', '{text}') on conflict (id) do update set body = excluded.body"
        ))
        .await?;
        self.waiting.insert((table, id), (text, Instant::now()));
        Ok(())
    }

    async fn look(&mut self, test: &TestDatabase) -> Result<(), DbErr> {
        let mut ids: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (table, id) in self.waiting.keys() {
            ids.entry(*table).or_default().push(id.to_string());
        }
        let stored: Vec<String> = ids
            .iter()
            .map(|(table, ids)| {
                let ids = ids.join(", ");
                format!("select {table}, id, chunk from posts_{table}_embedding_store where id in ({ids})")
            })
            .collect();
        if stored.is_empty() {
            return Ok(());
        }
        let stored = Statement::from_string(DbBackend::Postgres, stored.join(" union all "));
        for row in test.db.query_all_raw(stored).await? {
            let (table, id): (i32, i32) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            let (chunk, key): (String, _) = (
                row.try_get_by_index(2)?,
                (usize::try_from(table).unwrap_or_default(), id),
            );
            if self.waiting.get(&key).is_some_and(|(text, _)| *text == chunk)
                && let Some((_, committed)) = self.waiting.remove(&key)
            {
                self.times.push(milliseconds(committed.elapsed()));
            }
        }
        Ok(())
    }
}

/// Answers as a provider does that is not far away.
#[derive(Debug)]
struct Slowly;

#[async_trait]
impl Embedder for Slowly {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        sleep(PROVIDER).await;
        Ok(Embeddings::new(vec![vec![1.0, 2.0, 3.0]; texts.len()]))
    }
}
