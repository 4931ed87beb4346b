//! The page, the worker, and the folder that becomes rows, side by side.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use examples_shared::MODEL;
use pgai_sea::Embedders;
use pgai_sea::document::{Documents, SyncPrefix};
use pgai_sea::prelude::Embedder;
use pgai_sea::worker::{Worker, WorkerError};
use sea_orm::DatabaseConnection;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::{document, files, page};

/// How soon a file that comes, goes or changes is seen.
const LOOK: Duration = Duration::from_secs(2);

/// Nothing on the page comes from elsewhere, and no script runs.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A library.
#[derive(Clone, Debug)]
pub struct Library {
    pub(crate) db: DatabaseConnection,
    pub(crate) folder: PathBuf,
    pub(crate) embedders: Embedders,
    embedder: Arc<dyn Embedder>,
    documents: Documents,
}

impl Library {
    /// The library of `folder` on a migrated database. `embedder` is all-MiniLM-L6-v2, `parser` a program that calls
    /// `pgai_sea::document::run_child` first.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn new(
        db: DatabaseConnection,
        folder: &Path,
        embedder: Arc<dyn Embedder>,
        parser: &Path,
    ) -> std::io::Result<Self> {
        let folder = folder.canonicalize()?;
        let documents = Documents::in_child(parser)
            .allow_path(&folder)
            .recheck(LOOK)
            .forget_missing();
        Ok(Self {
            db,
            folder,
            embedders: Embedders::new().embedder("ollama", MODEL, Arc::clone(&embedder)),
            embedder,
            documents,
        })
    }
}

/// Why the library stopped by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connections can be accepted.
    #[error("connections cannot be accepted: {0}")]
    Server(#[from] std::io::Error),
    /// Nothing would be embedded any more.
    #[error("the worker stopped: {0}")]
    Worker(#[from] WorkerError),
}

/// The routes.
pub fn router(library: Library) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/documents/{id}", get(files::file))
        .route("/style.css", get(page::style))
        .layer(middleware::map_response(guarded))
        .with_state(library)
}

/// Serves on `listener` until `stop` completes.
///
/// # Errors
///
/// The server or the worker ended by itself.
pub async fn run(library: Library, listener: TcpListener, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let (stopping, stopped) = watch::channel(false);
    let told = |mut stopped: watch::Receiver<bool>| async move {
        // an error means that nobody can tell any more
        stopped.wait_for(|stopped| *stopped).await.ok();
    };
    let worker = Worker::new(library.db.clone())
        .embedder("ollama", MODEL, library.embedder.clone())
        .documents(library.documents.clone());
    let server = axum::serve(listener, router(library.clone())).with_graceful_shutdown(told(stopped.clone()));
    let all = async {
        tokio::try_join!(
            async { server.await.map_err(Error::from) },
            async { worker.run_until(told(stopped.clone())).await.map_err(Error::from) },
            async {
                tokio::select! {
                    () = shelve(&library) => {}
                    () = told(stopped.clone()) => {}
                }
                Ok(())
            },
        )
    };
    tokio::pin!(all);
    tokio::select! {
        ended = &mut all => return ended.map(drop),
        () = stop => {}
    }
    stopping.send_replace(true);
    all.await.map(drop)
}

/// Writes the folder's files into the table, again and again.
async fn shelve(library: &Library) {
    let sync = SyncPrefix::new(library.folder.display().to_string()).remove_missing();
    loop {
        let address = document::Column::Address;
        if let Err(error) = sync.run(&library.db, &library.documents, address).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the folder cannot be written to the table"
            );
        }
        sleep(LOOK).await;
    }
}

/// Adds what every answer carries.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}
