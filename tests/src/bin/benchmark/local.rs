//! The worker with a model in its own process: how many requests at once keep the processor busy.

use std::sync::Arc;
use std::time::Instant;

use pgai_sea::embedder::{Embedder, Local};
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, measure_on};

use super::table::median;

/// Rows, and how often a sentence of about 60 characters is in each.
const LOADS: [(usize, usize); 2] = [(1_000, 1), (60, 15)];
/// By default, and so many.
const CONCURRENCY: [Option<usize>; 3] = [None, Some(1), Some(2)];

pub(crate) async fn local(rounds: usize) {
    let model = Local::from_dir(real_parts::minilm_dir().expect("a model")).expect("a model");
    let model: Arc<dyn Embedder> = Arc::new(model);
    measure_on(Catalog::Ours, async |test| measure(&test, &model, rounds).await).await;
}

async fn measure(test: &TestDatabase, model: &Arc<dyn Embedder>, rounds: usize) -> TestResult {
    test.execute(
        "create table notes (id int primary key, body text);
         select ai.create_vectorizer('notes', name => 'notes', loading => ai.loading_column('body'),
            embedding => ai.embedding_ollama('all-minilm', 384))",
    )
    .await?;
    println!("The local model, rows a second by requests at once, median of {rounds}");
    for (rows, sentences) in LOADS {
        let mut rates = vec![Vec::new(); CONCURRENCY.len()];
        for _ in 0..rounds {
            for (concurrency, rates) in CONCURRENCY.iter().zip(&mut rates) {
                test.execute(&format!(
                    "truncate notes;
                     insert into notes select i, repeat('Note ' || i || ' says what the harbour said to the moon \
                     today. ', {sentences})
                     from generate_series(1, {rows}) i"
                ))
                .await?;
                let mut worker = Worker::new(test.db.clone()).embedder("ollama", "all-minilm", Arc::clone(model));
                if let Some(concurrency) = concurrency {
                    worker = worker.concurrency(*concurrency);
                }
                let started = Instant::now();
                let report = worker.run_once().await?;
                assert_eq!(report.rows(), rows as u64, "{report:?}");
                #[expect(clippy::cast_precision_loss, reason = "rows are few")]
                rates.push(rows as f64 / started.elapsed().as_secs_f64());
            }
        }
        let medians: Vec<f64> = rates
            .into_iter()
            .filter_map(|rates| median(rates.into_iter()))
            .collect();
        let cells = CONCURRENCY.iter().zip(&medians).map(|(concurrency, rate)| {
            let name = concurrency.map_or_else(|| "default".to_owned(), |concurrency| concurrency.to_string());
            format!("  {name}: {rate:.1} ({:.2})", rate / medians[1])
        });
        println!("{rows} rows of {sentences} sentences{}", cells.collect::<String>());
    }
    Ok(())
}
