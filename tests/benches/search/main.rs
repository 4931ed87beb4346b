//! What a search costs beside the statement that one would write by hand: `cargo bench -p pgai-sea-tests --bench
//! search`.
//!
//! Criterion first measures the building of statements alone. Then three run in turn against the same PostgreSQL, over
//! the same pool of one connection: the statement that one would write by hand, through sqlx; the search's own
//! statement, which is built already, in the same way, so that all there is between the two is what the database does;
//! and the search as a whole. The table has the median of the first, how much longer the others take, and the median of
//! the ratios of neighbours, which what else the machine does hardly changes.
//!
//! The rows are those of [`corpus`](pgai_sea_tests::corpus), with an HNSW index. `BENCH_ROWS` and `BENCH_RUNS` set
//! other numbers than 20,000 rows and 2,000 runs.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // a benchmark talks to a person, and stops where it cannot go on

use std::hint::black_box;
use std::time::Instant;

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
/// The same with the article, before the distance.
type RowWithSource = (Uuid, i32, i32, String, i32, i32, i32, String, String, f64);

const TOP: &str = "SELECT embedding_uuid, id, chunk_seq, chunk, embedding <=> $1 AS distance \
                   FROM articles_embedding_store ORDER BY distance LIMIT 10";
const WITH_SOURCE: &str = "SELECT s.embedding_uuid, s.id, s.chunk_seq, s.chunk, \
                           a.id AS article_id, a.tenant, a.shelf, a.title, a.body, s.embedding <=> $1 AS distance \
                           FROM articles_embedding_store s JOIN articles a ON a.id = s.id ORDER BY distance LIMIT 10";
const FILTERED: &str = "SELECT s.embedding_uuid, s.id, s.chunk_seq, s.chunk, s.embedding <=> $1 AS distance \
                        FROM articles_embedding_store s JOIN articles a ON a.id = s.id WHERE a.tenant = $2 \
                        ORDER BY distance LIMIT 10";

async fn compare(db: &DatabaseConnection, queries: &[Vec<f32>]) -> TestResult {
    println!(
        "\n{:<20}{:>14}{:>14}{:>8}{:>14}{:>8}",
        "", "by hand", "its statement", "ratio", "search", "ratio"
    );

    let search = async |query: &[f32], _| top(query).all(db).await;
    let same = |rows: [&[Row]; 2], hits: Hits<Hit<i32>>| {
        assert!(rows[0].len() == 10 && rows[1] == rows[0] && hits.len() == 10);
        for (row, hit) in rows[0].iter().zip(&hits) {
            assert_eq!((hit.embedding.embedding_uuid, hit.distance), (row.0, row.4));
        }
    };
    let sql = top(&queries[0]).statement()?.sql;
    rivals("top 10", db, queries, [TOP, &sql], search, same).await?;

    let search = async |query: &[f32], _| top(query).with_source().all(db).await;
    let same = |rows: [&[RowWithSource]; 2], hits: Hits<HitWithSource<i32, article::Model>>| {
        assert!(rows[0].len() == 10 && rows[1] == rows[0] && hits.len() == 10);
        for (row, hit) in rows[0].iter().zip(&hits) {
            assert_eq!((hit.embedding.embedding_uuid, hit.source.id), (row.0, row.4));
            assert_eq!(
                (hit.source.tenant, hit.source.shelf, &hit.source.title, &hit.source.body),
                (row.5, row.6, &row.7, &row.8)
            );
        }
    };
    let sql = top(&queries[0]).with_source().statement()?.sql;
    rivals("top 10 with source", db, queries, [WITH_SOURCE, &sql], search, same).await?;

    let search = async |query: &[f32], tenant| filtered(query, tenant).all(db).await;
    let same = |rows: [&[Row]; 2], hits: Hits<Hit<i32>>| {
        assert!(rows[0].len() <= 10 && rows[1] == rows[0] && hits.len() == 10);
    };
    let sql = filtered(&queries[0], 0).statement()?.sql;
    rivals("filtered", db, queries, [FILTERED, &sql], search, same).await
}

fn vector(query: &[f32]) -> PgVector {
    PgVector::from(query.to_vec())
}

/// Every order of three: what comes later finds its rows in the cache.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Runs the two statements and the search in turn.
async fn rivals<R, H>(
    name: &str,
    db: &DatabaseConnection,
    queries: &[Vec<f32>],
    statements: [&str; 2],
    search: impl AsyncFn(&[f32], i32) -> Result<Hits<H>, SearchError>,
    same: impl Fn([&[R]; 2], Hits<H>),
) -> TestResult
where
    R: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    let pool = db.get_postgres_connection_pool();
    let send = async |sql: &str, query: &[f32], tenant: i32| {
        let mut sent = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(vector(query));
        if sql.contains("$2") {
            sent = sent.bind(tenant);
        }
        if sql.contains("$3") {
            sent = sent.bind(10_i64); // the limit of the page, once more
        }
        sent.fetch_all(pool).await
    };
    let runs = usize::try_from(number("BENCH_RUNS", 2_000))?;
    let mut times: Vec<[f64; 3]> = Vec::new();
    for (i, query) in queries.iter().cycle().enumerate().take(runs) {
        // not the tenant that a query had before
        let tenant = i32::try_from(i / 7 % 100)?;
        let mut rows = [Vec::new(), Vec::new()];
        let mut hits = None;
        let mut took = [0.0; 3];
        for rival in ORDERS[i % ORDERS.len()] {
            let start = Instant::now();
            match statements.get(rival) {
                Some(sql) => rows[rival] = send(sql, query, tenant).await?,
                None => hits = Some(search(query, tenant).await?),
            }
            took[rival] = start.elapsed().as_secs_f64() * 1e6;
        }
        same([&rows[0], &rows[1]], hits.unwrap_or_default());
        times.push(took);
    }
    let median = |of: &dyn Fn(&[f64; 3]) -> f64| {
        let mut values: Vec<f64> = times.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    print!("{name:<20}{:>11.1} µs", median(&|took| took[0]));
    for rival in [1, 2] {
        let more = median(&|took| took[rival] - took[0]);
        print!("{more:>+11.1} µs{:>8.3}", median(&|took| took[rival] / took[0]));
    }
    println!();
    Ok(())
}

fn number(variable: &str, default: i32) -> i32 {
    std::env::var(variable).map_or(default, |value| value.parse().expect(variable))
}
