//! A change is deployed: programs of before and after run side by side, and all of them search and write all the while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pgai_sea::Embedders;
use pgai_sea::change;
use pgai_sea::embedder::Embedder;
use pgai_sea::search::SearchError;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::programs::{self, Page, Program};
use super::support::{Model, change_to, dimensions_of};

/// A step of the deploy may take so long.
const PATIENCE: Duration = Duration::from_mins(3);

/// The models, each of which can be told by its vectors.
#[derive(Clone)]
struct Models(Arc<[Arc<Model>; 3]>);

impl Models {
    fn new() -> Self {
        Self(Arc::new([
            Model::new("first", 768),
            Model::new("second", 384),
            Model::new("third", 384),
        ]))
    }

    fn by_name(&self, name: &str) -> &Arc<Model> {
        self.0.iter().find(|model| model.name == name).unwrap()
    }

    fn embedders(&self) -> Embedders {
        self.0.iter().fold(Embedders::new(), |embedders, model| {
            embedders.embedder("ollama", model.name, Arc::clone(model) as Arc<dyn Embedder>)
        })
    }

    fn worker(&self, test: &TestDatabase) -> Worker {
        let worker = Worker::new(test.db.clone()).poll_interval(Duration::from_millis(50));
        self.0.iter().fold(worker, |worker, model| {
            worker.embedder("ollama", model.name, Arc::clone(model) as Arc<dyn Embedder>)
        })
    }

    /// A page is full, and all its distances are those of one model.
    fn check(&self, what: &str, question: &str, page: &Page) {
        assert_eq!(page.len(), 5, "{what}: a page is short: {page:?}");
        // the vector of a row that was just edited may be that of the text before
        let settled = page
            .iter()
            .filter(|(text, _)| !text.contains("edit") && !text.contains("insert"));
        let settled: Vec<_> = settled.collect();
        let is_of = |model: &Arc<Model>| {
            let query = model.vector(question);
            settled
                .iter()
                .all(|(text, distance)| (cosine_distance(&query, &model.vector(text)) - distance).abs() < 1e-4)
        };
        assert!(self.0.iter().any(is_of), "{what}: vectors of two models: {page:?}");
    }
}

fn cosine_distance(a: &[f32], b: &[f32]) -> f64 {
    1.0 - a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>()
}

/// Each with connections of its own.
async fn connect(test: &TestDatabase) -> DatabaseConnection {
    let mut options = ConnectOptions::new(test.url.clone());
    options.max_connections(4).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

/// A program that runs: four searchers and a writer.
struct Running {
    program: Arc<dyn Program>,
    embedders: Embedders,
    stop: Arc<AtomicBool>,
    tasks: Vec<(JoinHandle<()>, Arc<AtomicU64>)>,
}

impl Running {
    fn start(program: Arc<dyn Program>, models: &Models) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let embedders = models.embedders();
        let mut tasks = Vec::new();
        for kind in ["text", "hybrid", "vector", "like", "write"] {
            let (program, models, embedders) = (Arc::clone(&program), models.clone(), embedders.clone());
            let (stop, done) = (Arc::clone(&stop), Arc::new(AtomicU64::new(0)));
            let rounds = Arc::clone(&done);
            let task = tokio::spawn(async move {
                let name = program.model().0;
                let what = format!("{kind} of the program with {name}");
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    // who uses it thinks
                    sleep(Duration::from_millis(20)).await;
                    number = number % 200 + 1;
                    let text = format!("T{}: text number {number}", number % 100);
                    let page = match kind {
                        "text" => program.by_text(&embedders, &text).await,
                        "hybrid" => program.hybrid(&embedders, &text).await,
                        "vector" => program.by_vector(models.by_name(name).vector(&text)).await,
                        "like" => program.like(number).await,
                        _ => {
                            let round = i32::try_from(rounds.load(Ordering::Relaxed)).unwrap();
                            program
                                .write(round)
                                .await
                                .unwrap_or_else(|error| panic!("{what}: {error}"));
                            rounds.fetch_add(1, Ordering::Relaxed);
                            continue;
                        }
                    };
                    let page = page.unwrap_or_else(|error| panic!("{what}: {error}"));
                    models.check(&what, &text, &page);
                    if kind == "text" || kind == "vector" {
                        assert_eq!(page[0].0, text, "{what}: {page:?}");
                    }
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
            tasks.push((task, done));
        }
        Self {
            program,
            embedders,
            stop,
            tasks,
        }
    }

    /// Waits until each of its tasks has done five rounds more.
    async fn goes_on(&mut self) {
        for (task, done) in &mut self.tasks {
            let until = done.load(Ordering::Relaxed) + 5;
            let rounds = async {
                while done.load(Ordering::Relaxed) < until && !task.is_finished() {
                    sleep(Duration::from_millis(5)).await;
                }
            };
            timeout(PATIENCE, rounds).await.unwrap();
            if task.is_finished() {
                task.await.unwrap();
            }
        }
    }

    async fn stop(self) -> Arc<dyn Program> {
        self.stop.store(true, Ordering::Relaxed);
        for (task, _) in self.tasks {
            task.await.unwrap();
        }
        self.program
    }
}

async fn all_go_on(programs: &mut [&mut Running]) {
    for program in programs {
        program.goes_on().await;
    }
}

/// Until the new generation may answer.
async fn until_ready(test: &TestDatabase) -> TestResult {
    let ready = async {
        while change::find(&test.db, "posts")
            .await?
            .is_none_or(|change| change.unready.is_some())
        {
            sleep(Duration::from_millis(20)).await;
        }
        Ok::<(), change::ChangeError>(())
    };
    Ok(timeout(PATIENCE, ready).await??)
}

/// From the first program to the second, and from that to the third.
async fn deploy(test: &TestDatabase, versions: [Arc<dyn Program>; 3]) -> TestResult {
    let models = Models::new();
    models.worker(test).run_once().await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = models.worker(test);
    let worker = tokio::spawn(async move { worker.run_until(stopped).await });
    let [first, second, third] = versions;
    let mut before = Running::start(first, &models);
    for version in [second, third] {
        before.goes_on().await;
        let (model, length) = version.model();
        let early = version.by_vector(models.by_name(model).vector("x")).await.unwrap_err();
        assert!(matches!(early, SearchError::WrongModel { .. }), "{early}");
        change::start(&test.db, &change_to(model, length)).await?;
        before.goes_on().await;
        until_ready(test).await?;
        // while it is embedded the new program runs nowhere: it would be told so
        let mut after = Running::start(version, &models);
        all_go_on(&mut [&mut before, &mut after]).await;
        for step in ["cut over", "roll back", "cut over"] {
            if step == "cut over" {
                assert!(change::cut_over(&test.db, "posts").await?);
            } else {
                assert!(change::roll_back(&test.db, "posts").await?);
            }
            all_go_on(&mut [&mut before, &mut after]).await;
            assert_eq!(
                dimensions_of(test).await?,
                if step == "cut over" {
                    length
                } else {
                    before.program.model().1
                }
            );
        }
        let embedders = before.embedders.clone();
        let before_program = before.stop().await;
        assert!(change::finish(&test.db, "posts").await?);
        after.goes_on().await;
        // what follows the catalog needs no new release; what brings vectors does, and is told so
        let text = "T7: text number 7";
        models.check("after the end", text, &before_program.by_text(&embedders, text).await?);
        let own = models.by_name(before_program.model().0).vector(text);
        let refused = before_program.by_vector(own).await.unwrap_err();
        assert!(matches!(refused, SearchError::WrongModel { .. }), "{refused}");
        before = after;
    }
    before.stop().await;
    stop.send(()).ok();
    let report = worker.await??;
    assert_eq!(report.errors().count(), 0, "{report:?}");
    models.worker(test).run_once().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_embeddings() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table posts (id int primary key, title text not null, body text not null);
             insert into posts select i, 'T' || i % 100, 'text number ' || i from generate_series(1, 300) i;
             select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('first', 768), chunking => ai.chunking_none(),
                formatting => ai.formatting_python_template('$title: $chunk'))",
        )
        .await?;
        let programs: [Arc<dyn Program>; 3] = [
            Arc::new(programs::first::App(connect(&test).await)),
            Arc::new(programs::second::App(connect(&test).await)),
            Arc::new(programs::third::App(connect(&test).await)),
        ];
        deploy(&test, programs).await?;
        super::support::assert_made_by(&test, "posts_embedding_store", &Model::new("third", 384)).await;
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_of_embeddings() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table posts (id int primary key, title text not null, body text not null);
             insert into posts select i, 'T' || i % 100, 'text number ' || i from generate_series(1, 300) i;
             select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('first', 768), chunking => ai.chunking_none(),
                formatting => ai.formatting_python_template('$title: $chunk'),
                destination => ai.destination_column('embedding'))",
        )
        .await?;
        let programs: [Arc<dyn Program>; 3] = [
            Arc::new(programs::first_column::App(connect(&test).await)),
            Arc::new(programs::second_column::App(connect(&test).await)),
            Arc::new(programs::third_column::App(connect(&test).await)),
        ];
        deploy(&test, programs).await
    })
    .await;
}
