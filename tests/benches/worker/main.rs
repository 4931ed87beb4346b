//! How fast the worker is, and what it costs: `cargo bench -p pgai-sea-tests --bench worker`.
//!
//! Beside them stands a binary COPY of the same chunks into a store with the same indexes. Where there is an HNSW index
//! already, it is an INSERT of the same chunks.
//!
//! 5,000 rows of about 1,000 characters, cut as by default, 384 dimensions, with a provider on the loopback interface
//! that answers at once or after 50 ms; pgai's catalog. Environment variables, all optional:
//!
//! - `PGAI_VENV`: a Python environment with pgai and its worker, which is then measured alongside, run by run, and
//!   compared;
//! - `PGAI_SEA_BIN`: the program to measure instead of the one that is built with the benchmark;
//! - `BENCH_ROWS`, `BENCH_RUNS`: other numbers than 5,000 rows and 3 runs, of which the median is shown.
//!
//! CPU and memory are read from `/proc` while the worker runs; elsewhere than on Linux they are left out.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // a benchmark talks to a person, and stops where it cannot go on

mod idle;
mod load;
mod process;
mod program;
mod server;

use std::fmt::Write as _;

use pgai_sea_tests::{Catalog, TestDatabase, measure_on};

use self::load::{Load, Run};
use self::program::Program;
use self::server::Server;

/// The vectorizer's model; both workers know its limits.
const MODEL: &str = "text-embedding-3-small";
const DIMENSIONS: usize = 384;

fn main() {
    // what `cargo bench` and `cargo test --benches` pass
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(bench());
}

async fn bench() {
    let programs = Program::all();
    let server = Server::start().await;
    let (rows, runs) = (number("BENCH_ROWS", 5_000), number("BENCH_RUNS", 3));
    println!("{rows} rows, median of {runs} runs, interleaved");
    let loads = [
        Load::new(rows, 0, 1),
        Load::new(rows, 0, 1).with_index(),
        Load::new(rows, 50, 4),
        Load::new(0, 0, 1),
    ];
    for load in loads {
        let mut measured: Vec<Vec<Run>> = vec![Vec::new(); programs.len()];
        for _ in 0..runs {
            for (program, runs) in programs.iter().zip(&mut measured) {
                runs.push(load.run(program, &server).await);
            }
        }
        println!("\n{load}");
        let medians: Vec<Run> = measured.iter().map(|runs| Run::median(runs)).collect();
        for (program, run) in programs.iter().zip(&medians) {
            println!("  {:9}{run}", program.name);
        }
        if let [ours, theirs, ..] = medians.as_slice() {
            println!("  {:9}{}", "ratio", ours.against(theirs));
            assert_eq!(ours.content, theirs.content, "the workers wrote different content");
        }
    }
    println!("\nidle, polling every second");
    for program in &programs {
        let idle = idle::measure(program, &server).await;
        println!("  {:9}{idle}", program.name);
    }
}

/// A database with a table, its vectorizer and rows, while `body` runs.
async fn with_rows(rows: usize, server: &Server, body: impl AsyncFn(&TestDatabase)) {
    let url = server.url();
    measure_on(Catalog::Pgai, async |test| {
        test.execute(&format!(
            "create table articles (id int primary key, body text not null);
             select ai.create_vectorizer('articles', name => 'articles', loading => ai.loading_column('body'),
                embedding => ai.embedding_openai('{MODEL}', {DIMENSIONS}, base_url => '{url}'))"
        ))
        .await?;
        for from in (0..rows).step_by(500) {
            let mut values = String::new();
            for id in from..rows.min(from + 500) {
                let comma = if values.is_empty() { "" } else { ", " };
                let _ = write!(values, "{comma}({id}, '{}')", load::text(id));
            }
            test.execute(&format!("insert into articles values {values}")).await?;
        }
        test.execute("analyze").await?;
        body(&test).await;
        Ok(())
    })
    .await;
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |value| value.parse().expect(variable))
}
