//! What a vectorizer costs who writes to its source, and how claiming work fares with a long queue.
//!
//! `cargo run -p pgai-sea-tests --bin benchmark [rows] [rounds] [characters]`: by default 100,000 rows with texts of
//! 320 characters, and 5 rounds. Everything is done to a table without a vectorizer, to one with ours and to one with
//! pgai's, on one server, which is a PostgreSQL 16 that waits for no disk, unless `DATABASE_URL` names another; its
//! settings are printed. Each round compares the three within seconds of one another, in an order that changes, and its
//! ratios are its own: what is printed is their median. No vacuum comes in between, and no checkpoint where the log has
//! room.
//!
//! `cargo run -p pgai-sea-tests --bin benchmark waking [rounds]` measures instead what waking a worker costs, and how
//! soon it wakes; `.. local [rounds]` how the worker fares with a model in its own process. `.. models [rounds]` sets
//! such models beside Python's; it fetches sentence-transformers (6 GB with what it brings for GPUs).
//!
//! `cargo run -p pgai-sea-tests --bin benchmark fresh [rows]` measures how soon an edit is searchable while so many
//! rows are embedded, 200,000 by default: of one table by one worker and by three, and of a hundred tables by three.
//!
//! `cargo run -p pgai-sea-tests --bin benchmark backfill [rows]` measures how long writers wait while a table of a
//! million rows, by default, gets a vectorizer. Its rows are queued in the background for ten minutes at most.
//!
//! `cargo run -p pgai-sea-tests --bin benchmark change [rows]` measures what searchers and writers see of a change of
//! the model, and how near the estimate of its cost comes.
//!
//! `cargo run --release -p pgai-sea-tests --bin benchmark documents [copies]` measures how fast documents are read, and
//! in how much memory.
//!
//! `cargo run -p pgai-sea-tests --bin benchmark soak [minutes]` lets writers and workers run through everything that
//! goes wrong; `.. quality [chunk size]` says how well searches find crates by what they are for.

#![allow(clippy::print_stdout)] // a program whose output is a table

mod backfill;
mod change;
mod claims;
mod clients;
mod documents;
mod fresh;
mod local;
mod models;
mod quality;
mod soak;
mod table;
mod waking;
mod writes;

use std::process::ExitCode;
use std::time::Duration;

use pgai_sea_tests::{Catalog, TestDatabase, measure_on};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};

/// What is compared: without a vectorizer, with ours, with pgai's.
type Variants<'t> = [&'t TestDatabase; 3];

/// What to do, and how often.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rows: u32,
    rounds: usize,
    characters: u32,
}

/// What else can be measured.
const SUBJECTS: [&str; 9] = [
    "waking",
    "fresh",
    "backfill",
    "local",
    "models",
    "soak",
    "quality",
    "change",
    "documents",
];

fn main() -> ExitCode {
    // a worker of documents parses each in this program again
    if let Some(code) = pgai_sea::document::run_child() {
        return code;
    }
    if std::env::args().nth(1).is_some_and(|argument| argument == "worker") {
        // the workers of the soak and of documents are this program again
        return pgai_sea::__main();
    }
    measure();
    ExitCode::SUCCESS
}

#[tokio::main]
async fn measure() {
    let mut arguments = std::env::args().skip(1).peekable();
    if let Some(subject) = arguments.next_if(|argument| SUBJECTS.contains(&argument.as_str())) {
        let number: Option<usize> = arguments.next().map(|number| number.parse().expect("a number"));
        let rounds = number.unwrap_or(5);
        return match subject.as_str() {
            "waking" => waking::waking(rounds).await,
            "fresh" => fresh::fresh(number.unwrap_or(200_000)).await,
            "models" => models::models(rounds, 600).await,
            "documents" => documents::documents(number.unwrap_or(20)).await,
            "backfill" => {
                backfill::backfill(u32::try_from(number.unwrap_or(1_000_000)).expect("a number of rows")).await;
            }
            "soak" => soak::soak(rounds as u64).await,
            "quality" => quality::quality(i32::try_from(number.unwrap_or(800)).expect("a size")).await,
            "change" => change::change(u32::try_from(number.unwrap_or(100_000)).expect("a number of rows")).await,
            _ => local::local(rounds).await,
        };
    }
    let mut arguments = arguments.map(|argument| argument.parse::<u32>());
    let mut next = |default| arguments.next().map_or(default, |number| number.expect("a number"));
    let plan = Plan {
        rows: next(100_000),
        rounds: next(5) as usize,
        characters: next(320),
    };
    measure_on(Catalog::Bare, async |none| {
        measure_on(Catalog::Ours, async |ours| {
            measure_on(Catalog::Pgai, async |pgai| {
                let variants = [&none, &ours, &pgai];
                if std::env::var_os("DATABASE_URL").is_none() {
                    // a server of our own, whose little log would be full in the middle of a statement
                    none.execute("alter system set max_wal_size = '2GB'").await?;
                    none.execute("select pg_reload_conf()").await?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                println!("{}\n", settings(&none).await?);
                for variant in variants {
                    prepare(variant).await?;
                }
                writes::run(variants, plan).await?;
                clients::run(variants, plan).await
            })
            .await;
            claims::run(&ours).await
        })
        .await;
        Ok(())
    })
    .await;
}

/// What the figures depend on.
async fn settings(test: &TestDatabase) -> Result<String, DbErr> {
    test.value(
        "select 'PostgreSQL ' || current_setting('server_version') || string_agg(', ' || name || ' ' || \
            current_setting(name), '' order by place)
         from unnest(array['fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'work_mem', \
         'max_wal_size'])
             with ordinality s (name, place)",
    )
    .await
}

async fn prepare(test: &TestDatabase) -> Result<(), DbErr> {
    // texts that are too long for a row are moved out of it as they are: real ones do not compress like these
    test.execute(
        "create table posts (id int primary key, title text, body text, views int not null default 0) with \
            (autovacuum_enabled = off);
         alter table posts alter body set storage external",
    )
    .await?;
    if test.catalog != Catalog::Bare {
        test.execute(
            "select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
                 embedding => ai.embedding_ollama('none', 3), chunking => ai.chunking_none(),
                 formatting => ai.formatting_python_template('$title: $chunk'));
             alter table posts_embedding_store set (autovacuum_enabled = off);
             alter table ai._vectorizer_q_1 set (autovacuum_enabled = off)",
        )
        .await?;
    }
    Ok(())
}

/// SQL for the text of row `i`.
fn text(characters: u32) -> String {
    format!("left(repeat(md5(i::text), {}), {characters})", characters.div_ceil(32))
}

/// As if a worker had been here: every row has an embedding, and the queue is empty. Or, unless it `is_embedded`, as if
/// none had.
async fn embed(test: &TestDatabase, is_embedded: bool) -> Result<(), DbErr> {
    if test.catalog != Catalog::Bare {
        test.execute(&format!(
            "truncate ai._vectorizer_q_1, posts_embedding_store;
             insert into posts_embedding_store (id, chunk_seq, chunk, embedding)
             select id, 0, title, '[1,2,3]' from posts where {is_embedded}"
        ))
        .await?;
        test.execute("vacuum analyze posts_embedding_store").await?;
        test.execute("vacuum analyze ai._vectorizer_q_1").await?;
    }
    test.execute("vacuum analyze posts").await?;
    test.execute("checkpoint").await
}

/// With one connection a session's plans are those of an application's.
async fn connect(test: &TestDatabase, connections: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(test.url.clone());
    options
        .max_connections(connections)
        .min_connections(connections)
        .sqlx_logging(false);
    Database::connect(options).await
}
