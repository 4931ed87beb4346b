//! Searches under filters that keep a half, a twentieth, two hundredth and a two thousandth of the rows, beside
//! statements written by hand with several settings.
//!
//! `search-benchmark filters [rows] [queries]`: by default 1,000,000 rows of 384 dimensions and 100 queries. The source
//! has an index on the filter's column. Every query is answered by each of them in turn, in another order each time,
//! each on a connection of its own. The plan that is printed is that of the first query. PostgreSQL may have changed
//! to a generic one meanwhile. The recall is that of the ten nearest rows against an exact search.

use std::fmt;
use std::time::{Duration, Instant};

use pgai_sea::prelude::*;
use pgai_sea::search::{Choice, Chunks, Search};
use pgai_sea_tests::corpus::{Corpus, DIMENSIONS, SHELVES, article};
use pgai_sea_tests::{TestDatabase, TestResult};
use sea_orm::prelude::PgVector;
use sea_orm::{
    ColumnTrait as _, ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, DbErr, Statement,
};

const WANTED: usize = 10;
/// A recall that is good enough to be compared with.
const GOOD: f64 = 0.95;
/// Queries that are not counted: caches are cold, and statements not prepared.
const WARMING: usize = 8;

type Articles = article::embeddings::Entity;

/// The rows of so many neighbouring shelves.
#[derive(Clone, Copy)]
struct Filter {
    name: &'static str,
    shelves: i32,
}

const FILTERS: [Filter; 4] = [
    Filter {
        name: "50 %",
        shelves: SHELVES / 2,
    },
    Filter {
        name: "5 %",
        shelves: SHELVES / 20,
    },
    Filter {
        name: "0.5 %",
        shelves: SHELVES / 200,
    },
    Filter {
        name: "0.05 %",
        shelves: SHELVES / 2_000,
    },
];

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answerer {
    /// `Entity::search(..).filter(..)`, which says nothing of its scan.
    Library,
    /// A statement, with what it sets.
    ByHand(Scan, u32),
    /// A statement whose order no index serves.
    Exact,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scan {
    Off,
    Strict,
    Relaxed,
}

const ANSWERERS: [Answerer; 10] = [
    Answerer::Library,
    Answerer::Exact,
    Answerer::ByHand(Scan::Off, 40),
    Answerer::ByHand(Scan::Off, 400),
    Answerer::ByHand(Scan::Strict, 40),
    Answerer::ByHand(Scan::Strict, 100),
    Answerer::ByHand(Scan::Strict, 200),
    Answerer::ByHand(Scan::Relaxed, 40),
    Answerer::ByHand(Scan::Relaxed, 100),
    Answerer::ByHand(Scan::Relaxed, 200),
];

impl fmt::Display for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Library => "the library".to_owned(),
            Self::Exact => "by hand, exact".to_owned(),
            Self::ByHand(scan, ef_search) => {
                let scan = match scan {
                    Scan::Off => "no iterative scan",
                    Scan::Strict => "strict_order",
                    Scan::Relaxed => "relaxed_order",
                };
                format!("by hand, {scan}, ef_search {ef_search}")
            }
        };
        f.pad(&text)
    }
}

impl Answerer {
    /// The session's settings.
    fn settings(self) -> String {
        match self {
            Self::Library | Self::Exact => "select 1".to_owned(),
            Self::ByHand(scan, ef_search) => {
                let scan = match scan {
                    Scan::Off => "off",
                    Scan::Strict => "strict_order",
                    Scan::Relaxed => "relaxed_order",
                };
                format!("load 'vector'; set hnsw.iterative_scan = {scan}; set hnsw.ef_search = {ef_search}")
            }
        }
    }

    /// As one would write it by hand.
    fn statement(self, filter: Filter, query: &[f32], shelf: i32) -> Statement {
        let columns = "s.embedding_uuid, s.id, s.chunk_seq, s.chunk, s.embedding <=> $1 as distance";
        let from = "from articles_embedding_store s join articles a on a.id = s.id";
        let (matching, last) = if filter.shelves == 1 {
            ("a.shelf = $2", None)
        } else {
            ("a.shelf >= $2 and a.shelf < $3", Some(shelf + filter.shelves))
        };
        let sql = match self {
            Self::Exact => {
                format!("select {columns} {from} where {matching} order by (s.embedding <=> $1) + 0 limit {WANTED}")
            }
            // a later row may be nearer than an earlier one
            Self::ByHand(Scan::Relaxed, _) => format!(
                "with nearest as materialized
                     (select {columns} {from} where {matching} order by s.embedding <=> $1 limit {WANTED})
                 select * from nearest order by distance + 0"
            ),
            _ => format!("select {columns} {from} where {matching} order by s.embedding <=> $1 limit {WANTED}"),
        };
        let values = [PgVector::from(query.to_vec()).into(), shelf.into()];
        let values = values.into_iter().chain(last.map(Into::into));
        Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
    }

    async fn distances(
        self,
        db: &DatabaseConnection,
        filter: Filter,
        query: &[f32],
        shelf: i32,
    ) -> Result<Vec<f64>, SearchError> {
        if self == Self::Library {
            let hits = search(filter, query, shelf).all(db).await?;
            return Ok(hits.iter().map(|hit| hit.distance).collect());
        }
        let read = async {
            let rows = db.query_all_raw(self.statement(filter, query, shelf)).await?;
            rows.iter()
                .map(|row| row.try_get("", "distance"))
                .collect::<Result<Vec<f64>, DbErr>>()
        };
        read.await.map_err(|source: DbErr| SearchError::Db {
            table: "articles_embedding_store".to_owned(),
            source,
        })
    }

    /// What PostgreSQL chooses, in a few words.
    async fn plan(
        self,
        db: &DatabaseConnection,
        filter: Filter,
        query: &[f32],
        shelf: i32,
    ) -> Result<String, SearchError> {
        if self == Self::Library {
            let explained = search(filter, query, shelf).explain(db).await?;
            let words = match explained.choice() {
                Choice::Nearest { is_iterative: true, .. } => "the HNSW index, iterative scan",
                Choice::Nearest { .. } => "the HNSW index",
                Choice::Filtered { .. } => "the filter's index",
                _ => "every row",
            };
            return Ok(words.to_owned());
        }
        let mut statement = self.statement(filter, query, shelf);
        statement.sql = format!("explain {}", statement.sql);
        let read = async {
            let rows = db.query_all_raw(statement).await?;
            let lines: Result<Vec<String>, DbErr> = rows.iter().map(|row| row.try_get_by_index(0)).collect();
            lines
        };
        let lines = read.await.map_err(|source| SearchError::Db {
            table: "articles_embedding_store".to_owned(),
            source,
        })?;
        let plan = lines.join("\n");
        let found = [
            ("articles_hnsw", "the HNSW index"),
            ("articles_shelf", "the filter's index"),
        ];
        let found = found.iter().find(|(index, _)| plan.contains(index));
        Ok(found.map_or("every row", |(_, words)| words).to_owned())
    }
}

fn search(filter: Filter, query: &[f32], shelf: i32) -> Search<'static, Articles, Chunks> {
    let search = Articles::search(query.to_vec()).limit(WANTED as u64);
    if filter.shelves == 1 {
        return search.filter(article::Column::Shelf.eq(shelf));
    }
    search
        .filter(article::Column::Shelf.gte(shelf))
        .filter(article::Column::Shelf.lt(shelf + filter.shelves))
}

/// What came back.
#[derive(Default)]
struct Measured {
    times: Vec<Duration>,
    fewest: Option<usize>,
    found: usize,
}

impl Measured {
    fn at(&self, percent: usize) -> f64 {
        let place = (self.times.len() * percent / 100).min(self.times.len() - 1);
        self.times[place].as_secs_f64() * 1e3
    }

    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    fn recall(&self) -> f64 {
        self.found as f64 / (self.times.len() * WANTED) as f64
    }
}

pub(crate) async fn run(test: &TestDatabase, rows: i32, queries: usize) -> TestResult {
    let start = Instant::now();
    let mut corpus = Corpus::new(1);
    corpus.fill(test, rows).await?;
    test.execute("create index articles_shelf on articles (shelf)").await?;
    let filled = start.elapsed();
    let start = Instant::now();
    Corpus::index(test).await?;
    println!(
        "{rows} rows of {DIMENSIONS} dimensions, written in {:.0} s, HNSW index built in {:.0} s; {queries} queries, \
         the {WANTED} nearest rows of each filter",
        filled.as_secs_f64(),
        start.elapsed().as_secs_f64()
    );
    let queries: Vec<Vec<f32>> = (0..queries + WARMING).map(|_| corpus.vector()).collect();
    for filter in FILTERS {
        measure(test, filter, &queries).await?;
    }
    Ok(())
}

/// One for each of them, on which nothing is prepared yet.
async fn connect(test: &TestDatabase) -> Result<Vec<DatabaseConnection>, DbErr> {
    let mut connections = Vec::new();
    for answerer in ANSWERERS {
        let options = ConnectOptions::new(&test.url)
            .min_connections(1)
            .max_connections(1)
            .sqlx_logging(false)
            .to_owned();
        let db = Database::connect(options).await?;
        db.execute_unprepared(&answerer.settings()).await?;
        connections.push(db);
    }
    Ok(connections)
}

async fn measure(test: &TestDatabase, filter: Filter, queries: &[Vec<f32>]) -> TestResult {
    let connections = connect(test).await?;
    let mut measured: Vec<Measured> = ANSWERERS.iter().map(|_| Measured::default()).collect();
    for (turn, query) in queries.iter().enumerate() {
        let shelf = i32::try_from(turn * 97)? % (SHELVES - filter.shelves + 1);
        // on none of theirs: a connection is faster where it has just read the same pages
        let nearest = Answerer::Exact.distances(&test.db, filter, query, shelf).await?;
        let farthest = nearest.last().copied().unwrap_or(f64::NEG_INFINITY);
        for place in 0..ANSWERERS.len() {
            // forth and back: who answers just after another finds its rows in the processor's cache
            let place = if turn % 2 == 0 {
                place
            } else {
                ANSWERERS.len() - 1 - place
            };
            let one = (place + turn / 2) % ANSWERERS.len();
            let start = Instant::now();
            let distances = ANSWERERS[one]
                .distances(&connections[one], filter, query, shelf)
                .await?;
            let took = start.elapsed();
            if turn < WARMING {
                continue;
            }
            let measured = &mut measured[one];
            measured.times.push(took);
            measured.fewest = Some(
                measured
                    .fewest
                    .map_or(distances.len(), |least| least.min(distances.len())),
            );
            measured.found += distances.iter().filter(|distance| **distance <= farthest).count();
        }
    }
    println!("\na filter that keeps {}", filter.name);
    println!(
        "{:<38}{:>8}{:>8}{:>11}{:>11}  what finds the rows",
        "", "fewest", "recall", "median", "p95"
    );
    for ((answerer, measured), db) in ANSWERERS.iter().zip(&mut measured).zip(&connections) {
        measured.times.sort_unstable();
        println!(
            "{answerer:<38}{:>8}{:>8.3}{:>8.2} ms{:>8.2} ms  {}",
            measured.fewest.unwrap_or_default(),
            measured.recall(),
            measured.at(50),
            measured.at(95),
            answerer.plan(db, filter, &queries[0], 0).await?
        );
    }
    let by_hand = ANSWERERS.iter().zip(&measured).skip(1);
    let best = by_hand
        .filter(|(_, measured)| measured.recall() >= GOOD)
        .min_by(|(_, one), (_, other)| one.at(95).total_cmp(&other.at(95)));
    if let Some((best, by_hand)) = best {
        println!(
            "the library beside the best by hand with a recall of {GOOD} ({best}): median {:.2}, p95 {:.2} times as \
             long, recall {:.3} and {:.3}",
            measured[0].at(50) / by_hand.at(50),
            measured[0].at(95) / by_hand.at(95),
            measured[0].recall(),
            by_hand.recall()
        );
    }
    for db in connections {
        db.close().await?;
    }
    Ok(())
}
