//! How soon an edit is searchable while a backfill goes on, and what that costs the backfill.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, measure_on_own_server};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::table::milliseconds;

/// How long a request takes.
const PROVIDER: Duration = Duration::from_millis(20);
/// The time between two edits.
const EDITS: Duration = Duration::from_millis(100);
/// How often it is looked whether they are searchable.
const LOOK: Duration = Duration::from_millis(20);
/// The first key of rows that come during the backfill.
const NEW: i32 = 10_000_000;

/// On servers with PostgreSQL's own settings for durability.
pub(crate) async fn fresh(rows: usize) {
    println!(
        "{rows} rows wait, a request takes {} ms, and a row is edited or added every {} ms; milliseconds until it is \
         searchable",
        PROVIDER.as_millis(),
        EDITS.as_millis()
    );
    println!(
        "{:<24}{:>12}{:>12}{:>8}{:>10}{:>10}{:>10}",
        "", "rows/s alone", "with edits", "ratio", "median", "p95", "longest"
    );
    for catalog in [Catalog::Ours, Catalog::Pgai] {
        measure_on_own_server(catalog, async |test, _| run(&test, rows).await).await;
    }
}

async fn run(test: &TestDatabase, rows: usize) -> TestResult {
    test.execute("create table posts (id int primary key, title text, body text)")
        .await?;
    test.execute(
        "select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
             embedding => ai.embedding_ollama('none', 3), chunking => ai.chunking_none())",
    )
    .await?;
    let (alone, _) = backfill(test, rows, false).await?;
    let (with_edits, mut times) = backfill(test, rows, true).await?;
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1)).copied();
    println!(
        "{:<24}{alone:>12.0}{with_edits:>12.0}{:>8.3}{:>10.0}{:>10.0}{:>10.0}",
        test.catalog.to_string(),
        with_edits / alone,
        at(50).unwrap_or(f64::NAN),
        at(95).unwrap_or(f64::NAN),
        at(100).unwrap_or(f64::NAN),
    );
    Ok(())
}

/// Rows in a second, and how long each edit took.
async fn backfill(test: &TestDatabase, rows: usize, edits: bool) -> Result<(f64, Vec<f64>), DbErr> {
    // with what its trigger empties
    test.execute("truncate posts").await?;
    test.execute(&format!(
        "insert into posts select i, 't', 'text ' || i from generate_series(1, {rows}) i"
    ))
    .await?;
    test.execute("vacuum analyze posts").await?;
    test.execute("checkpoint").await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = Worker::new(test.db.clone()).embedder("ollama", "none", Arc::new(Slowly));
    let running = tokio::spawn(async move { worker.run_until(stopped).await });
    let began = Instant::now();
    let mut editor = Editor::default();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = began + Duration::from_secs(1);
    let queued = "select exists (select from ai._vectorizer_q_1 where id < 10000000)";
    let mut look_at_queue = began;
    loop {
        looks.tick().await;
        if edits && Instant::now() >= next {
            editor.edit(test, rows).await?;
            next += EDITS;
        }
        editor.look(test).await?;
        if Instant::now() >= look_at_queue {
            if !test.value::<bool>(queued).await? {
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
    stop.send(()).ok();
    running.await.expect("no panic").expect("a report");
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    Ok((rows as f64 / time.as_secs_f64(), editor.times))
}

/// Edits rows, and sees when they are searchable.
#[derive(Debug, Default)]
struct Editor {
    edits: i32,
    /// By key, the text and when it was committed.
    waiting: BTreeMap<i32, (String, Instant)>,
    times: Vec<f64>,
}

impl Editor {
    async fn edit(&mut self, test: &TestDatabase, rows: usize) -> Result<(), DbErr> {
        self.edits += 1;
        let (edit, text) = (self.edits, format!("edit {}", self.edits));
        // one that is still to be done, from the end of the backfill, or a new one
        let id = if edit % 2 == 0 {
            i32::try_from(rows).unwrap_or(i32::MAX) - edit
        } else {
            NEW + edit
        };
        test.execute(&format!(
            "insert into posts values ({id}, 't', '{text}') on conflict (id) do update set body = excluded.body"
        ))
        .await?;
        self.waiting.insert(id, (text, Instant::now()));
        Ok(())
    }

    async fn look(&mut self, test: &TestDatabase) -> Result<(), DbErr> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let ids: Vec<i32> = self.waiting.keys().copied().collect();
        let stored = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "select id, chunk from posts_embedding_store where id = any($1)",
            [ids.into()],
        );
        for row in test.db.query_all_raw(stored).await? {
            let (id, chunk): (i32, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            if self.waiting.get(&id).is_some_and(|(text, _)| *text == chunk)
                && let Some((_, committed)) = self.waiting.remove(&id)
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
