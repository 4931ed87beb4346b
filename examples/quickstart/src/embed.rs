//! The worker, in this process, with a bar that shows its progress.

use std::{
    fmt,
    io::{IsTerminal, stderr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use examples_shared::MODEL;
use indicatif::{ProgressBar, ProgressStyle};
use pgai_sea::{
    embedder::Local,
    worker::{Event, Progress, Worker},
};
use sea_orm::DatabaseConnection;

use crate::error::Error;

/// How often a line tells the progress where there is no terminal to draw a bar on.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What was embedded.
#[derive(Debug)]
pub(crate) struct Embedded {
    rows: u64,
    chunks: u64,
    took: Duration,
}

impl fmt::Display for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows == 0 {
            return f.write_str("nothing to embed, all is up to date");
        }
        write!(f, "embedded {} crates in {} chunks", self.rows, self.chunks)?;
        if self.took >= Duration::from_secs(1) {
            #[expect(clippy::cast_precision_loss, reason = "for a person")]
            let rate = self.chunks as f64 / self.took.as_secs_f64();
            write!(f, ", {rate:.0} a second")?;
        }
        Ok(())
    }
}

/// Runs the worker until nothing is left, drawing a bar.
pub(crate) async fn embed(db: &DatabaseConnection, model: &Local) -> Result<Embedded, Error> {
    let bar = ProgressBar::no_length().with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} crates, {msg} chunks, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let show = {
        let bar = bar.clone();
        let start = Instant::now();
        let lines = AtomicU64::new(0);
        move |progress: &Progress| {
            let counts = progress.counts;
            bar.set_length(counts.rows + progress.pending);
            bar.set_position(counts.rows);
            bar.set_message(counts.chunks_written.to_string());
            let line = start.elapsed().as_secs() / LINE_EVERY.as_secs();
            if !stderr().is_terminal() && lines.fetch_max(line, Ordering::Relaxed) < line {
                eprintln!(
                    "embedded {} of {} crates ..",
                    counts.rows,
                    counts.rows + progress.pending
                );
            }
        }
    };
    let embedded = run(db, model, show).await;
    bar.finish_and_clear();
    embedded
}

/// Runs the worker until nothing is left, silently.
pub(crate) async fn catch_up(db: &DatabaseConnection, model: &Local) -> Result<Embedded, Error> {
    run(db, model, |_| {}).await
}

async fn run(
    db: &DatabaseConnection,
    model: &Local,
    show: impl Fn(&Progress) + Send + Sync + 'static,
) -> Result<Embedded, Error> {
    let start = Instant::now();
    let report = Worker::new(db.clone())
        .embedder("ollama", MODEL, Arc::new(model.clone()))
        .on_event(move |event| {
            if let Event::Progress(progress) = event {
                show(progress);
            }
        })
        .run_once()
        .await?;
    if let Some((vectorizer, error)) = report.errors().next() {
        return Err(Error::Embedding(format!("{vectorizer}: {error}")));
    }
    Ok(Embedded {
        rows: report.rows(),
        chunks: report.chunks_written(),
        took: start.elapsed(),
    })
}
