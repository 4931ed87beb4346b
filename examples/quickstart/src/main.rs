//! Semantic search over the crates on this machine.
//!
//! It reads names, descriptions and READMEs from Cargo's registry and stores them with SeaORM. The worker embeds them
//! with a model in this process. Then it answers the questions on the command line, edits the table, and shows that the
//! search follows.

mod answer;
mod cli;
mod embed;
mod entity;
mod error;
mod follow;
mod migration;
mod print;
mod store;

use std::{process::ExitCode, sync::Arc, time::Instant};

use clap::Parser;
use examples_shared::{Crates, Database, MODEL, exit_code};
use pgai_sea::{Embedders, embedder::Local};
use sea_orm_migration::MigratorTrait;

use self::{cli::Cli, error::Error, print::Printer};

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run(Cli::parse()).await)
}

async fn run(cli: Cli) -> Result<(), Error> {
    let printer = Printer::new();
    real_parts::on_progress(|progress| eprintln!("{progress} .."));

    let start = Instant::now();
    let found = Crates::find(cli.crates)?;
    printer.stage(&found.to_string(), start);
    let crates = found.crates.into_iter().map(entity::Model::from).collect();

    let start = Instant::now();
    let model = cli.parts.model().await?;
    printer.stage("loaded all-MiniLM-L6-v2", start);

    let start = Instant::now();
    let database = cli.parts.database("quickstart").await?;
    printer.stage(&format!("opened {}", database.what()), start);
    let outcome = tokio::select! {
        outcome = search(&database, &model, crates, &cli.questions, &printer) => outcome,
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

    // what the catalog names is this model
    let embedders = Embedders::new().embedder("ollama", MODEL, Arc::new(model.clone()));
    for question in questions {
        let answer = answer::ask(db, &embedders, question, answer::HITS).await?;
        printer.answer(&answer);
    }
    follow::follow(db, model, &embedders, &questions[0], printer).await
}
