//! A provider that costs next to nothing: every text has the same vector, rendered once.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgai_sea_tests::providers::embedding_of;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::net::TcpListener;

use super::{DIMENSIONS, MODEL};

/// OpenAI's `/v1/embeddings`.
#[derive(Debug)]
pub(crate) struct Server {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The vector as JSON: numbers, and as OpenAI's Python client wants it.
    numbers: String,
    base64: String,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    latency: Duration,
    first: Option<Instant>,
    last: Option<Instant>,
}

#[derive(Deserialize)]
struct Request {
    input: Vec<IgnoredAny>,
    encoding_format: Option<String>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let vector = embedding_of(MODEL, "any text", DIMENSIONS);
        let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
        let shared = Arc::new(Shared {
            numbers: serde_json::to_string(&vector).unwrap(),
            base64: format!("\"{}\"", STANDARD.encode(bytes)),
            now: Mutex::default(),
        });
        let routes = Router::new()
            .route("/v1/embeddings", post(embeddings))
            // 300,000 tokens a request is what the client may send
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, shared }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Answers after `latency` from now on, and forgets when it was asked before.
    pub(crate) fn begin(&self, latency: Duration) {
        *self.shared.now() = Now {
            latency,
            ..Now::default()
        };
    }

    /// From the first request to the last answer.
    pub(crate) fn span(&self) -> Duration {
        let now = self.shared.now();
        now.last
            .zip(now.first)
            .map(|(last, first)| last - first)
            .unwrap_or_default()
    }
}

impl Shared {
    fn now(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn embeddings(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let latency = {
        let mut now = shared.now();
        now.first.get_or_insert_with(Instant::now);
        now.latency
    };
    let request: Request = serde_json::from_slice(&body).unwrap();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let vector = match request.encoding_format.as_deref() {
        Some("base64") => &shared.base64,
        _ => &shared.numbers,
    };
    let mut answer =
        format!(r#"{{"object":"list","model":"{MODEL}","usage":{{"prompt_tokens":1,"total_tokens":1}},"data":["#);
    for index in 0..request.input.len() {
        if index > 0 {
            answer.push(',');
        }
        answer += &format!(r#"{{"object":"embedding","index":{index},"embedding":"#);
        answer += vector;
        answer.push('}');
    }
    answer += "]}";
    shared.now().last = Some(Instant::now());
    ([(CONTENT_TYPE, "application/json")], answer).into_response()
}
