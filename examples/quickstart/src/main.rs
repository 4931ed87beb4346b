//! Semantic search over the crates on this machine.
//!
//! Reads names, descriptions and READMEs from Cargo's registry, stores them with SeaORM, lets the worker embed them with a model in
//! this process, answers the questions on the command line, then edits the table and shows that the search follows.

mod answer;
mod cli;
mod crates;
mod database;
mod embed;
mod entity;
mod error;
mod follow;
mod migration;
mod print;
mod store;

use std::{error::Error as _, process::ExitCode, time::Instant};

use clap::Parser;
use pgai_sea::embedder::Local;
use sea_orm_migration::MigratorTrait;

use self::{cli::Cli, database::Database, error::Error, print::Printer};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), Error> {
    let printer = Printer::new();
    real_parts::on_progress(|progress| eprintln!("{progress} .."));

    let start = Instant::now();
    let found = crates::find(cli.crates)?;
    printer.stage(&found.to_string(), start);

    let start = Instant::now();
    let model = load_model(cli.model_dir).await?;
    printer.stage("loaded all-MiniLM-L6-v2", start);

    let start = Instant::now();
    let database = Database::open(cli.database_url, cli.keep).await?;
    printer.stage(&format!("opened {}", database.what()), start);
    let outcome = tokio::select! {
        outcome = search(&database, &model, found.crates, &cli.questions, &printer) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
    };
    let closed = database.close().await;
    outcome?;
    printer.note(&closed?);
    Ok(())
}

/// Everything between opening and closing the database.
async fn search(
    database: &Database,
    model: &Local,
    crates: Vec<entity::Model>,
    questions: &[String],
    printer: &Printer,
) -> Result<(), Error> {
    let db = &database.connection;
    let start = Instant::now();
    migration::Migrator::up(db, None).await?;
    printer.stage("migrated", start);

    let start = Instant::now();
    let stored = store::store(db, crates).await?;
    printer.stage(&stored.to_string(), start);

    let start = Instant::now();
    let embedded = embed::embed(db, model).await?;
    printer.stage(&embedded.to_string(), start);

    for question in questions {
        let answer = answer::ask(db, model, question, answer::HITS).await?;
        printer.answer(&answer);
    }
    follow::follow(db, model, &questions[0], printer).await
}

/// Loads the model from `dir`, or from where it is fetched to.
async fn load_model(dir: Option<std::path::PathBuf>) -> Result<Local, Error> {
    let load = move || -> Result<Local, Error> {
        let dir = dir.map_or_else(real_parts::minilm_dir, Ok)?;
        Ok(Local::from_dir(dir)?)
    };
    tokio::task::spawn_blocking(load).await?
}
