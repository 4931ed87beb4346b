//! What those who search and write see of a change: the times of searches and writes before, while the second
//! generation is embedded, and while the generations change places; and how near the estimate comes.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pgai_sea::change::{self, Plan};
use pgai_sea::config::{Embedding, Formatting};
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType, OpenAi};
use pgai_sea::prelude::*;
use pgai_sea::worker::Worker;
use pgai_sea::{ChangeVectorizer, Embedders};
use pgai_sea_tests::{Catalog, Random, TestDatabase, TestResult, measure_on};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::table::milliseconds;

const DIMENSIONS: usize = 128;
const SEARCHERS: usize = 2;
/// How long the times are taken before anything is changed.
const BEFORE: Duration = Duration::from_secs(10);
/// How often the generations change places.
const SWAPS: usize = 5;
/// A provider's request.
const REQUEST: Duration = Duration::from_millis(40);

mod post {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "posts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub title: String,
        #[vectorizer(dimensions = 128)]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A provider that takes its time, and counts what it is asked.
#[derive(Debug, Default)]
struct Model {
    texts: AtomicU64,
    bytes: AtomicU64,
}

#[async_trait]
impl Embedder for Model {
    async fn embed(&self, texts: &[&str], kind: InputType) -> Result<Embeddings, EmbedError> {
        if kind == InputType::Document {
            self.texts.fetch_add(texts.len() as u64, Ordering::Relaxed);
            let bytes: usize = texts.iter().map(|text| text.len()).sum();
            self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            sleep(REQUEST).await;
        }
        Ok(Embeddings::new(texts.iter().map(|text| vector(text)).collect()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "any numbers")]
fn vector(text: &str) -> Vec<f32> {
    let seed = text
        .bytes()
        .fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mut random = Random::new(seed);
    (0..DIMENSIONS).map(|_| random.below(2_001) as f32 - 1_000.0).collect()
}

/// The steps whose times are told apart.
const STEPS: [&str; 6] = ["before", "begin", "embed", "cut over", "roll back", "finish"];

/// Searchers and a writer, and how long each of their statements took in which step.
struct Load {
    step: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    searches: Times,
    writes: Times,
    tasks: Vec<JoinHandle<()>>,
}

type Times = Arc<Mutex<Vec<(usize, Duration)>>>;

impl Load {
    fn start(test: &TestDatabase, embedders: &Embedders, rows: u32) -> Self {
        let (step, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (searches, writes) = (Times::default(), Times::default());
        let mut tasks = Vec::new();
        for searcher in 0..=SEARCHERS {
            let (step, stop, db) = (Arc::clone(&step), Arc::clone(&stop), test.db.clone());
            let times = Arc::clone(if searcher == SEARCHERS { &writes } else { &searches });
            let embedders = embedders.clone();
            tasks.push(tokio::spawn(async move {
                let mut random = Random::new(searcher as u64);
                while !stop.load(Ordering::Relaxed) {
                    let id = random.below(rows.into());
                    let began = (step.load(Ordering::Relaxed), Instant::now());
                    if searcher == SEARCHERS {
                        let update = format!("update posts set body = body || '.' where id = {id}");
                        sea_orm::ConnectionTrait::execute_unprepared(&db, &update)
                            .await
                            .expect("a write");
                    } else {
                        let text = format!("question {id}");
                        let search = post::body_embeddings::Entity::search_text(&embedders, text).limit(10);
                        assert_eq!(search.all(&db).await.expect("a search").len(), 10, "a page is short");
                    }
                    // of the step in which it ended, if that is another
                    let ended = step.load(Ordering::Relaxed).max(began.0);
                    times.lock().expect("no panic").push((ended, began.1.elapsed()));
                    sleep(Duration::from_millis(10)).await;
                }
            }));
        }
        Self {
            step,
            stop,
            searches,
            writes,
            tasks,
        }
    }

    fn step(&self, name: &str) {
        let place = STEPS.iter().position(|step| *step == name).expect("a step");
        self.step.store(place, Ordering::Relaxed);
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("no panic");
        }
        println!(
            "{:<12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>16}",
            "", "searches", "p50 ms", "p99 ms", "longest", "writes", "longest write"
        );
        for (place, name) in STEPS.iter().enumerate() {
            let of = |times: &Times| {
                let times = times.lock().expect("no panic");
                let mut of: Vec<Duration> = times
                    .iter()
                    .filter(|(step, _)| *step == place)
                    .map(|(_, time)| *time)
                    .collect();
                of.sort_unstable();
                of
            };
            let (searches, writes) = (of(&self.searches), of(&self.writes));
            let at = |times: &[Duration], percent: usize| {
                let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
                times.get(place).map_or(f64::NAN, |time| milliseconds(*time))
            };
            println!(
                "{name:<12}{:>10}{:>10.1}{:>10.1}{:>10.1}{:>10}{:>16.1}",
                searches.len(),
                at(&searches, 50),
                at(&searches, 99),
                at(&searches, 100),
                writes.len(),
                at(&writes, 100)
            );
        }
    }
}

pub(crate) async fn change(rows: u32) {
    measure_on(Catalog::Ours, async |test| run(&test, rows).await).await;
}

/// A table with embeddings, as if a worker had been there, and an index over them.
async fn prepare(test: &TestDatabase, rows: u32) -> TestResult {
    test.execute(&format!(
        "create table posts (id int primary key, title text, body text);
         insert into posts select i, 'Title ' || i, left(repeat(md5(i::text) || ' ', 12), 60 + i % 300)
             from generate_series(0, {rows} - 1) i;
         select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
             embedding => ai.embedding_openai('text-embedding-3-small', {DIMENSIONS}),
             chunking => ai.chunking_none(), indexing => ai.indexing_hnsw(min_rows => 1000),
             formatting => ai.formatting_python_template('$title: $chunk'), enqueue_existing => false);
         insert into posts_embedding_store (id, chunk_seq, chunk, embedding)
             select id, 0, title || ': ' || body,
                 (select array_agg(random() - 0.5 + 0 * (i + id)) from generate_series(1, {DIMENSIONS}) i)::vector
             from posts;
         set maintenance_work_mem = '1GB';
         create index on posts_embedding_store using hnsw (embedding vector_cosine_ops);
         analyze posts; analyze posts_embedding_store"
    ))
    .await?;
    Ok(())
}

async fn until_ready(test: &TestDatabase, is_index: bool) -> TestResult {
    loop {
        let change = change::find(&test.db, "posts").await?.ok_or("no change")?;
        match change.unready {
            None => return Ok(()),
            Some(why) if !is_index && why.contains("index") => return Ok(()),
            Some(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shares")]
#[allow(clippy::too_many_lines, reason = "one run, from its start to its figures")]
async fn run(test: &TestDatabase, rows: u32) -> TestResult {
    println!("{rows} rows, vectors of {DIMENSIONS}, an HNSW index, a provider that takes {REQUEST:?} for a request");
    prepare(test, rows).await?;
    let (small, large) = (Arc::new(Model::default()), Arc::new(Model::default()));
    let models = [("text-embedding-3-small", &small), ("text-embedding-3-large", &large)];
    let embedders = models.iter().fold(Embedders::new(), |embedders, (name, model)| {
        embedders.embedder("openai", *name, Arc::clone(model) as Arc<dyn Embedder>)
    });
    let worker = models
        .iter()
        .fold(Worker::new(test.db.clone()), |worker, (name, model)| {
            worker.embedder("openai", *name, Arc::clone(model) as Arc<dyn Embedder>)
        });
    let (stop, stopped) = oneshot::channel::<()>();
    let load = Load::start(test, &embedders, rows);
    sleep(BEFORE).await;

    let to_large = ChangeVectorizer::new("posts").embedding(Embedding::openai("text-embedding-3-large", 128));
    let estimate = Plan::new().measure(&embedders).run(&test.db, &to_large).await?;
    let paid_before = large.texts.load(Ordering::Relaxed);
    load.step("begin");
    change::start(&test.db, &to_large).await?;
    load.step("embed");
    let began = Instant::now();
    let worker = tokio::spawn(async move { worker.run_until(stopped).await });
    until_ready(test, false).await?;
    let took = began.elapsed();
    let paid = large.texts.load(Ordering::Relaxed) - paid_before;
    until_ready(test, true).await?;
    let mut rolled_back = Vec::new();
    for _ in 0..SWAPS {
        load.step("cut over");
        change::cut_over(&test.db, "posts").await?;
        sleep(Duration::from_secs(1)).await;
        load.step("roll back");
        let began = Instant::now();
        change::roll_back(&test.db, "posts").await?;
        rolled_back.push(began.elapsed());
        sleep(Duration::from_secs(1)).await;
    }
    load.step("cut over");
    change::cut_over(&test.db, "posts").await?;
    sleep(Duration::from_secs(1)).await;
    load.step("finish");
    change::finish(&test.db, "posts").await?;
    sleep(Duration::from_secs(1)).await;
    load.stop().await;
    let longest = rolled_back.iter().max().copied().unwrap_or_default();
    println!("longest roll-back: {:.0} ms of {SWAPS}", milliseconds(longest));

    let counting = OpenAi::new("text-embedding-3-large", DIMENSIONS);
    let texts: Vec<String> = test.values("select chunk from posts_embedding_store").await?;
    let tokens: usize = texts.iter().map(|text| counting.count_tokens(text)).sum();
    let off = |estimate: f64, real: f64| (estimate / real - 1.0) * 100.0;
    println!(
        "estimate: {} tokens of {tokens} ({:+.1} %), {:.0} s of {:.0} s ({:+.1} %); {paid} texts were paid",
        estimate.tokens,
        off(estimate.tokens as f64, tokens as f64),
        estimate.time.unwrap_or_default().as_secs_f64(),
        took.as_secs_f64(),
        off(estimate.time.unwrap_or_default().as_secs_f64(), took.as_secs_f64()),
    );

    // the template says the same of all rows, and one title of a hundred changes
    let template = ChangeVectorizer::new("posts").formatting(Formatting::python_template("${title}: $chunk"));
    test.execute("update posts set title = title || ' anew' where id % 100 = 0")
        .await?;
    let estimate = Plan::new().run(&test.db, &template).await?;
    let paid_before = large.texts.load(Ordering::Relaxed);
    change::start(&test.db, &template).await?;
    until_ready(test, false).await?;
    let paid = large.texts.load(Ordering::Relaxed) - paid_before;
    println!(
        "another template, one title of a hundred: {:.2} % of the texts were paid, by both generations; the \
         estimate was {:.2} %",
        paid as f64 / f64::from(rows) * 100.0,
        (estimate.chunks - estimate.copied) as f64 / f64::from(rows) * 100.0,
    );
    stop.send(()).ok();
    worker.await??;
    Ok(())
}
