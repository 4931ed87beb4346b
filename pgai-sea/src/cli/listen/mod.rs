//! `pgai-sea worker --listen`: pages for whoever watches the worker.
//!
//! | page | says |
//! |---|---|
//! | `/livez` | 200, or 503 when no row was done for long although rows are due: restart the worker |
//! | `/readyz` | 200, or 503 while the database cannot be read |
//! | `/metrics` | numbers as OpenMetrics text, which Prometheus reads |

mod health;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use self::health::Health;
pub(super) use self::metrics::{Metrics, MetricsLayer};
use super::CliError;
use crate::worker::Worker;

/// How often the queues are looked at.
const OBSERVE: Duration = Duration::from_secs(10);

/// The server, until this is dropped.
#[derive(Debug)]
pub(super) struct Pages {
    health: Arc<Health>,
    server: AbortHandle,
}

impl Pages {
    /// Serves them at `address`, `127.0.0.1:9187`.
    pub(super) async fn serve(address: &str, stalled_after: Duration, metrics: Arc<Metrics>) -> Result<Self, CliError> {
        let listener = TcpListener::bind(address).await.map_err(|error| CliError::Listen {
            address: address.to_owned(),
            error,
        })?;
        let observe = OBSERVE.min(stalled_after.max(Duration::from_secs(1)));
        let health = Arc::new(Health::new(stalled_after, observe));
        let (live, ready) = (Arc::clone(&health), Arc::clone(&health));
        let router = Router::new()
            .route("/livez", get(async move || page(live.live())))
            .route("/readyz", get(async move || page(ready.ready())))
            .route(
                "/metrics",
                get(async move || ([(CONTENT_TYPE, Metrics::CONTENT_TYPE)], metrics.text())),
            );
        let server = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Ok(Self { health, server })
    }

    /// A worker that is watched. It has no bars to show, which are a single run's.
    pub(super) fn watch(&self, worker: Worker) -> Worker {
        let health = Arc::clone(&self.health);
        worker
            .observe_every(health.observe)
            .on_event(move |event| health.hear(event))
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn page(answer: Result<String, String>) -> (StatusCode, String) {
    match answer {
        Ok(said) => (StatusCode::OK, said + "\n"),
        Err(said) => (StatusCode::SERVICE_UNAVAILABLE, said + "\n"),
    }
}
