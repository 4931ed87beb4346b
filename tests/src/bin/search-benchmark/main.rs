//! Whether searches through an HNSW index at its default settings come back full, and with what is nearest.
//!
//! `cargo run -p pgai-sea-tests --release --bin search-benchmark [rows] [queries]`: by default 100,000 rows of 384
//! dimensions, made as [`corpus`](pgai_sea_tests::corpus) says, and 100 queries of the same kind. It prints how many of
//! the 20 rows that are wanted a filter that keeps one row in a hundred leaves, by the statement that one would write
//! by hand and by a search that says nothing about its scan; the library's own report of recall@10; the disk and the
//! recall of the same vectors as `halfvec`; and what neighbours and a box over three tables cost.
//!
//! `search-benchmark filters [rows] [queries]`: searches under filters of several sizes, beside statements by hand.
//! `search-benchmark binary [rows] [queries]`: the same vectors through an index of bits.

#![allow(clippy::print_stdout)] // a program whose output is a table

mod answers;
mod binary;
mod filters;
mod halves;

use std::time::{Duration, Instant};

use pgai_sea::prelude::*;
use pgai_sea_tests::corpus::{Corpus, DIMENSIONS, TENANTS, article};
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, measure_on};
use sea_orm::prelude::PgVector;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, TransactionTrait};

const WANTED: usize = 20;

/// As one would write it by hand.
const BARE: &str =
    "select s.id, s.embedding <=> $1 as distance from articles_embedding_store s join articles a on a.id = s.id
    where a.tenant = $2 order by s.embedding <=> $1 limit 20";

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let subject = arguments.next_if(|first| first.parse::<i32>().is_err());
    let mut number = |default| {
        arguments
            .next()
            .map_or(default, |given| given.parse().expect("a number"))
    };
    match subject.as_deref() {
        None => {
            let (rows, queries) = (number(100_000), number(100));
            measure_on(Catalog::Ours, async |test| run(&test, rows, queries).await).await;
        }
        Some("filters") => {
            let (rows, queries) = (number(1_000_000), number(100).unsigned_abs() as usize);
            measure_on(Catalog::Ours, async |test| filters::run(&test, rows, queries).await).await;
        }
        Some("binary") => {
            let (rows, queries) = (number(100_000), number(100).unsigned_abs() as usize);
            measure_on(Catalog::Ours, async |test| binary::run(&test, rows, queries).await).await;
        }
        Some(other) => println!("{other} is no subject: filters, binary, or none for the first benchmark"),
    }
}

async fn run(test: &TestDatabase, rows: i32, queries: i32) -> TestResult {
    let start = Instant::now();
    let mut corpus = Corpus::new(1);
    corpus.fill(test, rows).await?;
    let filled = start.elapsed();
    let start = Instant::now();
    Corpus::index(test).await?;
    println!(
        "{rows} rows of {DIMENSIONS} dimensions, written in {:.0} s, HNSW index built in {:.0} s",
        filled.as_secs_f64(),
        start.elapsed().as_secs_f64()
    );
    let queries: Vec<Vec<f32>> = (0..queries).map(|_| corpus.vector()).collect();

    println!(
        "\nthe {WANTED} nearest of one tenant in {TENANTS}, over {} queries",
        queries.len()
    );
    println!("{:<44}{:>7}{:>8}{:>9}{:>11}", "", "fewest", "mean", "recall", "median");
    let transaction = test.db.begin().await?;
    filtered(&transaction, &queries, "as PostgreSQL plans it").await?;
    // with a filter that PostgreSQL cannot estimate, or with more rows, it takes the index by itself
    transaction
        .execute_unprepared(
            "set local enable_seqscan = off; set local enable_sort = off; set local enable_hashjoin = off",
        )
        .await?;
    filtered(&transaction, &queries, "through the index").await?;
    transaction.commit().await?;

    println!();
    let report = article::embeddings::Entity::recall(10, queries.len() as u64)
        .run(&test.db)
        .await?;
    print!("{report}");
    halves::run(test, &queries).await?;
    answers::run(test, &queries).await
}

async fn filtered(db: &DatabaseTransaction, queries: &[Vec<f32>], how: &str) -> TestResult {
    let tenants = (0..TENANTS).cycle();
    let search = |query: &Vec<f32>, tenant: i32| {
        article::embeddings::Entity::search(query)
            .filter(article::Column::Tenant.eq(tenant))
            .limit(WANTED as u64)
    };
    let explained = match queries.first() {
        Some(query) => search(query, 0).explain(db).await?,
        None => return Ok(()),
    };
    println!("{how}: {}", explained.index().unwrap_or("no index on vectors"));
    let (mut bare, mut ours) = (Measured::default(), Measured::default());
    for (query, tenant) in queries.iter().zip(tenants) {
        let exact = search(query, tenant).exact().all(db).await?;
        let farthest = exact.last().map_or(f64::NEG_INFINITY, |hit| hit.distance);

        let start = Instant::now();
        let distances = by_hand(db, query, tenant).await?;
        bare.add(start.elapsed(), &distances, farthest);

        let start = Instant::now();
        let hits = search(query, tenant).all(db).await?;
        let took = start.elapsed();
        let distances: Vec<f64> = hits.iter().map(|hit| hit.distance).collect();
        ours.add(took, &distances, farthest);
    }
    bare.print("  statement written by hand");
    ours.print("  Entity::search(..).filter(..).limit(20)");
    Ok(())
}

async fn by_hand(db: &DatabaseTransaction, query: &[f32], tenant: i32) -> Result<Vec<f64>, DbErr> {
    let vector = PgVector::from(query.to_vec());
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, BARE, [vector.into(), tenant.into()]);
    let rows = db.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get("", "distance")).collect()
}

/// What came back for each query.
#[derive(Default)]
struct Measured {
    times: Vec<Duration>,
    rows: Vec<usize>,
    found: usize,
}

impl Measured {
    fn add(&mut self, took: Duration, distances: &[f64], farthest: f64) {
        self.times.push(took);
        self.rows.push(distances.len());
        self.found += distances.iter().filter(|distance| **distance <= farthest).count();
    }

    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    fn print(mut self, name: &str) {
        self.times.sort_unstable();
        let fewest = self.rows.iter().min().copied().unwrap_or_default();
        let queries = self.rows.len() as f64;
        println!(
            "{name:<44}{fewest:>7}{:>8.2}{:>9.4}{:>8.2} ms",
            self.rows.iter().sum::<usize>() as f64 / queries,
            self.found as f64 / (queries * WANTED as f64),
            self.times[self.times.len() / 2].as_secs_f64() * 1e3,
        );
    }
}
