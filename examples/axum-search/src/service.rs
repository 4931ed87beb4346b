//! The service: its routes, and running it beside the worker.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::Response,
    routing::{get, post},
};
use examples_shared::MODEL;
use pgai_sea::{
    Embedders,
    prelude::Embedder,
    worker::{Worker, WorkerError},
};
use sea_orm::DatabaseConnection;
use tokio::{net::TcpListener, sync::watch, time::timeout};

use crate::{articles, compare, page, problem::Problem, search};

/// How long requests and batches in hand may take to finish once the service is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Nothing on the page comes from elsewhere, and no script but the page's own runs.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What requests work with.
#[derive(Clone, Debug)]
pub struct App {
    pub(crate) db: DatabaseConnection,
    /// The worker's.
    pub(crate) embedder: Arc<dyn Embedder>,
    /// Those of the searches: the same one, for the vectorizer that names it.
    pub(crate) embedders: Embedders,
}

impl App {
    /// A service on a migrated database, whose articles and queries `embedder` embeds: it is all-MiniLM-L6-v2.
    #[must_use]
    pub fn new(db: DatabaseConnection, embedder: Arc<dyn Embedder>) -> Self {
        let embedders = Embedders::new().embedder("ollama", MODEL, Arc::clone(&embedder));
        Self {
            db,
            embedder,
            embedders,
        }
    }
}

/// Why the service stopped by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connections can be accepted.
    #[error("connections cannot be accepted: {0}")]
    Server(#[from] std::io::Error),
    /// Nothing would be embedded any more.
    #[error("the worker stopped: {0}")]
    Worker(#[from] WorkerError),
    /// Something would not finish when told to stop.
    #[error("a request or a batch did not finish within {GRACE:?}")]
    Grace,
}

/// The routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/compare", get(compare::page))
        .route("/search", get(search::search))
        .route("/articles", post(articles::create))
        .route(
            "/articles/{id}",
            get(articles::read).put(articles::replace).delete(articles::delete),
        )
        .route("/style.css", get(page::style))
        .route("/search.js", get(page::script))
        .route("/icon.svg", get(page::icon))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
        })
        .layer(DefaultBodyLimit::max(articles::REQUEST))
        .layer(middleware::map_response(guarded))
        .with_state(app)
}

/// Serves on `listener`, with the worker beside it, until `stop` completes; then finishes what is in hand.
///
/// # Errors
///
/// One of the two ended by itself, or did not end when told to.
pub async fn run(app: App, listener: TcpListener, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let (stopping, stopped) = watch::channel(false);
    let told = |mut stopped: watch::Receiver<bool>| async move {
        // an error means that nobody can tell any more
        stopped.wait_for(|stopped| *stopped).await.ok();
    };
    let worker = Worker::new(app.db.clone()).embedder("ollama", MODEL, app.embedder.clone());
    let server = axum::serve(listener, router(app)).with_graceful_shutdown(told(stopped.clone()));
    let both = async {
        tokio::try_join!(async { server.await.map_err(Error::from) }, async {
            worker.run_until(told(stopped)).await.map_err(Error::from)
        },)
    };
    tokio::pin!(both);
    tokio::select! {
        ended = &mut both => return ended.map(drop),
        () = stop => {}
    }
    stopping.send_replace(true);
    timeout(GRACE, both).await.map_err(|_| Error::Grace)?.map(drop)
}

/// Adds what every answer carries.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}
