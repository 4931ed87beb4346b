//! What a vectorizer costs who writes to its source, and how claiming work fares with a long queue.
//!
//! `cargo run -p pgai-sea-tests --bin benchmark [rows] [rounds]`: by default 100,000 rows and 5 rounds. Each round does everything to a
//! table without a vectorizer, to one with ours and to one with pgai's, in turn, on one server. The tables printed have medians in
//! milliseconds and, in brackets, their ratio to the table without a vectorizer.

#![allow(clippy::print_stdout)] // a program whose output is a table

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pgai_sea::embedder::{EmbedError, Embedder, InputType};
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};

const WRITES: [(&str, &str); 4] = [
    (
        "INSERT .. SELECT",
        "insert into posts select i, 'title ' || i, repeat(md5(i::text), 10) from generate_series(1, {rows}) i",
    ),
    ("UPDATE, another column", "update posts set views = views + 1"),
    ("UPDATE, the text", "update posts set body = body || '.'"),
    ("DELETE", "delete from posts"),
];
const VARIANTS: [&str; 3] = ["none", "ours", "pgai"];
const CLIENTS: i32 = 16;
const CLIENTS_FOR: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let rows: u32 = arguments
        .next()
        .map_or(100_000, |rows| rows.parse().expect("a number of rows"));
    let rounds: usize = arguments
        .next()
        .map_or(5, |rounds| rounds.parse().expect("a number of rounds"));
    on_catalog(Catalog::Bare, async |none| {
        on_catalog(Catalog::Ours, async |ours| {
            on_catalog(Catalog::Pgai, async |pgai| {
                let variants = [&none, &ours, &pgai];
                for variant in variants {
                    prepare(variant).await?;
                }
                writes(variants, rows, rounds).await?;
                clients(variants, rounds).await
            })
            .await;
            claims(&ours).await
        })
        .await;
        Ok(())
    })
    .await;
}

async fn prepare(test: &TestDatabase) -> Result<(), DbErr> {
    test.execute("create table posts (id int primary key, title text, body text, views int not null default 0)")
        .await?;
    if test.catalog != Catalog::Bare {
        test.execute(
            "select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
                 embedding => ai.embedding_ollama('none', 3), chunking => ai.chunking_none(),
                 formatting => ai.formatting_python_template('$title: $chunk'))",
        )
        .await?;
    }
    Ok(())
}

/// As if a worker had been here: every row has an embedding, and the queue is empty.
async fn embed(test: &TestDatabase) -> Result<(), DbErr> {
    if test.catalog != Catalog::Bare {
        test.execute(
            "truncate ai._vectorizer_q_1, posts_embedding_store;
             insert into posts_embedding_store (id, chunk_seq, chunk, embedding) select id, 0, title, '[1,2,3]' from posts",
        )
        .await?;
        test.execute("vacuum analyze posts_embedding_store").await?;
        test.execute("vacuum analyze ai._vectorizer_q_1").await?;
    }
    test.execute("vacuum analyze posts").await?;
    test.execute("checkpoint").await
}

/// One connection, so that a session's plans are those of an application's.
async fn connect(test: &TestDatabase, connections: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(test.url.clone());
    options
        .max_connections(connections)
        .min_connections(connections)
        .sqlx_logging(false);
    Database::connect(options).await
}

async fn writes(variants: [&TestDatabase; 3], rows: u32, rounds: usize) -> TestResult {
    let mut times = vec![vec![Vec::new(); VARIANTS.len()]; WRITES.len()];
    let mut sessions = Vec::new();
    for variant in variants {
        sessions.push(connect(variant, 1).await?);
    }
    for round in 0..rounds {
        for turn in 0..VARIANTS.len() {
            let variant = (round + turn) % VARIANTS.len();
            for (write, (_, sql)) in WRITES.iter().enumerate() {
                embed(variants[variant]).await?;
                let start = Instant::now();
                sessions[variant]
                    .execute_unprepared(&sql.replace("{rows}", &rows.to_string()))
                    .await?;
                times[write][variant].push(milliseconds(start.elapsed()));
            }
        }
    }
    println!("{rows} rows in a statement, milliseconds, median of {rounds}");
    heading();
    for ((name, _), times) in WRITES.iter().zip(times) {
        line(name, &times.into_iter().map(median).collect::<Vec<_>>());
    }
    Ok(())
}

/// Clients that each write one row at a time.
async fn clients(variants: [&TestDatabase; 3], rounds: usize) -> TestResult {
    let statements = [
        (
            "INSERT",
            "insert into posts (id, title, body) select nextval('ids'), 't', 'b'",
        ),
        (
            "UPDATE, another column",
            "update posts set views = views + 1 where id = (random() * 9999)::int + 1",
        ),
        (
            "UPDATE, the text",
            "update posts set body = body || '.' where id = (random() * 9999)::int + 1",
        ),
    ];
    let mut times = vec![vec![Vec::new(); VARIANTS.len()]; statements.len()];
    for variant in variants {
        variant
            .execute(
                "truncate posts; create sequence ids start 100000;
                 insert into posts select i, 'title', 'body' from generate_series(1, 10000) i",
            )
            .await?;
    }
    let mut pools = Vec::new();
    for variant in variants {
        pools.push(connect(variant, CLIENTS.unsigned_abs()).await?);
    }
    for round in 0..rounds.min(3) {
        for turn in 0..VARIANTS.len() {
            let variant = (round + turn) % VARIANTS.len();
            for (statement, (_, sql)) in statements.iter().enumerate() {
                embed(variants[variant]).await?;
                let until = Instant::now() + CLIENTS_FOR;
                let clients = (0..CLIENTS).map(|_| async {
                    let mut done = 0_u32;
                    while Instant::now() < until {
                        pools[variant]
                            .execute_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, *sql))
                            .await?;
                        done += 1;
                    }
                    Ok::<u32, DbErr>(done)
                });
                let done: u32 = futures::future::try_join_all(clients).await?.into_iter().sum();
                times[statement][variant].push(milliseconds(CLIENTS_FOR) * f64::from(CLIENTS) / f64::from(done));
            }
        }
    }
    println!("\n{CLIENTS} clients, a row in a transaction, milliseconds each");
    heading();
    for ((name, _), times) in statements.iter().zip(times) {
        line(name, &times.into_iter().map(median).collect::<Vec<_>>());
    }
    Ok(())
}

/// A worker whose provider takes no time: what is left is the database's.
async fn claims(test: &TestDatabase) -> TestResult {
    println!("\nA worker's rows in a second by the rows that wait");
    for pending in [1_000, 1_000_000] {
        test.execute("truncate posts, posts_embedding_store, ai._vectorizer_q_1")
            .await?;
        test.execute(&format!(
            "insert into posts select i, 't', 'b' from generate_series(1, {pending}) i"
        ))
        .await?;
        test.execute("vacuum analyze ai._vectorizer_q_1").await?;
        test.execute("checkpoint").await?;
        let worker = Worker::new(test.db.clone()).embedder("ollama", "none", Arc::new(Instantly));
        let start = Instant::now();
        let report = if pending == 1_000 {
            worker.run_once().await?
        } else {
            worker.run_until(tokio::time::sleep(Duration::from_secs(10))).await?
        };
        let rows = u32::try_from(report.rows()).unwrap_or(u32::MAX);
        println!(
            "{pending:>10}  {:>8.0}",
            f64::from(rows) / start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// Answers at once.
#[derive(Debug)]
struct Instantly;

#[async_trait]
impl Embedder for Instantly {
    async fn embed(&self, texts: &[String], _: InputType) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(vec![vec![1.0, 2.0, 3.0]; texts.len()])
    }
}

fn heading() {
    println!("{:<24}{:>10}{:>18}{:>18}", "", VARIANTS[0], VARIANTS[1], VARIANTS[2]);
}

fn line(name: &str, times: &[f64]) {
    let cells = times[1..]
        .iter()
        .map(|time| format!("{time:>10.2} ({:>5.2})", time / times[0]));
    println!("{name:<24}{:>10.2}{}", times[0], cells.collect::<String>());
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
