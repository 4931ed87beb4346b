//! What a search costs beside the statement that one would write by hand: `cargo bench -p pgai-sea-tests --bench search`.
//!
//! Criterion first measures the building of statements alone. Then each search and its hand-written counterpart, sent through sqlx to the
//! same PostgreSQL over the same pool of one connection, run in turn: the table has the median of each, their difference, and the median
//! of the ratios of neighbours, which what else the machine does hardly changes.
//!
//! The rows are those of [`corpus`](pgai_sea_tests::corpus), with an HNSW index. `BENCH_ROWS` and `BENCH_RUNS` set other numbers than 20,000 rows
//! and 2,000 runs.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // a benchmark talks to a person, and stops where it cannot go on

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use pgai_sea::prelude::*;
use pgai_sea_tests::corpus::{Corpus, article};
use pgai_sea_tests::{Catalog, TestResult, measure_on};
use sea_orm::prelude::{PgVector, Uuid};
use sea_orm::sqlx;
use sea_orm::{ColumnTrait, ConnectOptions, Database, DatabaseConnection};

type Embeddings = article::embeddings::Entity;

fn main() {
    // what `cargo test --benches` passes
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    statements();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure_on(Catalog::Ours, async |test| {
        let mut corpus = Corpus::new(1);
        corpus.fill(&test, number("BENCH_ROWS", 20_000)).await?;
        Corpus::index(&test).await?;
        // rivals that need the scan to carry on have it set for the connection, which costs them nothing here
        let options = ConnectOptions::new(format!("{}?options=-c%20hnsw.iterative_scan%3Dstrict_order", test.url))
            .max_connections(1)
            .sqlx_logging(false)
            .to_owned();
        let db = Database::connect(options).await?;
        let queries: Vec<Vec<f32>> = (0..200).map(|_| corpus.vector()).collect();
        compare(&db, &queries).await?;
        db.close().await?;
        Ok(())
    }));
}

/// How long it takes until SQL and values are there, with nobody to send them to.
fn statements() {
    let query = Corpus::new(2).vector();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("statement");
    group.bench_function("top 10", |b| b.iter(|| top(black_box(&query)).statement()));
    group.bench_function("top 10 with source", |b| {
        b.iter(|| top(black_box(&query)).with_source().statement());
    });
    group.bench_function("filtered", |b| b.iter(|| filtered(black_box(&query), 7).statement()));
    group.bench_function("best per source", |b| {
        b.iter(|| top(black_box(&query)).best_per_source().with_source().statement());
    });
    group.finish();
    criterion.final_summary();
}

fn top(query: &[f32]) -> pgai_sea::search::Search<'static, Embeddings> {
    Embeddings::search(query).limit(10)
}

fn filtered(query: &[f32], tenant: i32) -> pgai_sea::search::Search<'static, Embeddings> {
    top(query).filter(article::Column::Tenant.eq(tenant))
}

/// What a search for chunks brings: their own key, the row's, their place and text, and the distance.
type Row = (Uuid, i32, i32, String, f64);
/// The same and the article.
type RowWithSource = (Uuid, i32, i32, String, f64, i32, i32, String, String);

const TOP: &str = "SELECT embedding_uuid, id, chunk_seq, chunk, embedding <=> $1 AS distance \
                   FROM articles_embedding_store ORDER BY distance LIMIT 10";
const WITH_SOURCE: &str = "SELECT s.embedding_uuid, s.id, s.chunk_seq, s.chunk, s.embedding <=> $1 AS distance, \
                           a.id AS article_id, a.tenant, a.title, a.body \
                           FROM articles_embedding_store s JOIN articles a ON a.id = s.id ORDER BY distance LIMIT 10";
const FILTERED: &str = "SELECT s.embedding_uuid, s.id, s.chunk_seq, s.chunk, s.embedding <=> $1 AS distance \
                        FROM articles_embedding_store s JOIN articles a ON a.id = s.id WHERE a.tenant = $2 \
                        ORDER BY distance LIMIT 10";

async fn compare(db: &DatabaseConnection, queries: &[Vec<f32>]) -> TestResult {
    let pool = db.get_postgres_connection_pool();
    println!(
        "\n{:<20}{:>14}{:>14}{:>14}{:>8}",
        "", "by hand", "search", "more", "ratio"
    );

    let by_hand = async |query: &[f32], _| sqlx::query_as(TOP).bind(vector(query)).fetch_all(pool).await;
    let search = async |query: &[f32], _| top(query).all(db).await;
    let same = |rows: &[Row], hits: Hits<Hit<i32>>| {
        assert!(rows.len() == 10 && hits.len() == 10);
        for (row, hit) in rows.iter().zip(&hits) {
            assert_eq!((hit.embedding.embedding_uuid, hit.distance), (row.0, row.4));
        }
    };
    pairs("top 10", queries, by_hand, search, same).await?;

    let by_hand = async |query: &[f32], _| sqlx::query_as(WITH_SOURCE).bind(vector(query)).fetch_all(pool).await;
    let search = async |query: &[f32], _| top(query).with_source().all(db).await;
    let same = |rows: &[RowWithSource], hits: Hits<HitWithSource<i32, article::Model>>| {
        assert!(rows.len() == 10 && hits.len() == 10);
        for (row, hit) in rows.iter().zip(&hits) {
            assert_eq!((hit.embedding.embedding_uuid, hit.source.id), (row.0, row.5));
            assert_eq!(
                (hit.source.tenant, &hit.source.title, &hit.source.body),
                (row.6, &row.7, &row.8)
            );
        }
    };
    pairs("top 10 with source", queries, by_hand, search, same).await?;

    let by_hand = async |query: &[f32], tenant: i32| {
        let query = sqlx::query_as(FILTERED).bind(vector(query)).bind(tenant);
        query.fetch_all(pool).await
    };
    let search = async |query: &[f32], tenant| filtered(query, tenant).all(db).await;
    let same = |rows: &[Row], hits: Hits<Hit<i32>>| assert!(rows.len() <= 10 && hits.len() == 10);
    pairs("filtered", queries, by_hand, search, same).await
}

fn vector(query: &[f32]) -> PgVector {
    PgVector::from(query.to_vec())
}

/// Runs both in turn, each as often first as second: what is second finds its rows in the cache.
async fn pairs<R, H>(
    name: &str,
    queries: &[Vec<f32>],
    by_hand: impl AsyncFn(&[f32], i32) -> Result<Vec<R>, sqlx::Error>,
    search: impl AsyncFn(&[f32], i32) -> Result<Hits<H>, SearchError>,
    same: impl Fn(&[R], Hits<H>),
) -> TestResult {
    let runs = usize::try_from(number("BENCH_RUNS", 2_000))?;
    let mut times: Vec<(Duration, Duration)> = Vec::new();
    for (i, query) in queries.iter().cycle().enumerate().take(runs) {
        // not the tenant that a query had before
        let tenant = i32::try_from(i / 7 % 100)?;
        let (mut rows, mut hits) = (None, None);
        let mut took = (Duration::ZERO, Duration::ZERO);
        for turn in 0..2 {
            let start = Instant::now();
            if turn == i % 2 {
                rows = Some(by_hand(query, tenant).await?);
                took.0 = start.elapsed();
            } else {
                hits = Some(search(query, tenant).await?);
                took.1 = start.elapsed();
            }
        }
        same(&rows.unwrap_or_default(), hits.unwrap_or_default());
        times.push(took);
    }
    let median = |of: fn(&(Duration, Duration)) -> f64| {
        let mut values: Vec<f64> = times.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!(
        "{name:<20}{:>11.1} µs{:>11.1} µs{:>11.1} µs{:>8.3}",
        median(|took| took.0.as_secs_f64() * 1e6),
        median(|took| took.1.as_secs_f64() * 1e6),
        median(|took| (took.1.as_secs_f64() - took.0.as_secs_f64()) * 1e6),
        median(|took| took.1.as_secs_f64() / took.0.as_secs_f64()),
    );
    Ok(())
}

fn number(variable: &str, default: i32) -> i32 {
    std::env::var(variable).map_or(default, |value| value.parse().expect(variable))
}
