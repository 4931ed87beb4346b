//! A provider that costs next to nothing: its vectors are rendered once. Every text has the same one, or each text
//! another, which tells more of an index.

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

/// As many different vectors as there are chunks, or more.
const VECTORS: usize = 16_384;

/// OpenAI's `/v1/embeddings`.
#[derive(Debug)]
pub(crate) struct Server {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Vectors as JSON: numbers, and as OpenAI's Python client asks for them.
    numbers: Vec<String>,
    base64: Vec<String>,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    latency: Duration,
    /// The place of the next text's vector, if each text has another.
    next: Option<usize>,
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
        let (mut numbers, mut base64) = (Vec::new(), Vec::new());
        for place in 0..VECTORS {
            let vector = embedding_of(MODEL, &place.to_string(), DIMENSIONS);
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            numbers.push(serde_json::to_string(&vector).unwrap());
            base64.push(format!("\"{}\"", STANDARD.encode(bytes)));
        }
        let shared = Arc::new(Shared {
            numbers,
            base64,
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

    /// Answers after `latency` from now on, with one vector or with `many`, and forgets when it was asked before.
    pub(crate) fn begin(&self, latency: Duration, many: bool) {
        *self.shared.now() = Now {
            latency,
            next: many.then_some(0),
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
    let arrived = Instant::now();
    let request: Request = serde_json::from_slice(&body).unwrap();
    let (latency, from) = {
        let mut now = shared.now();
        now.first.get_or_insert(arrived);
        let from = now.next;
        now.next = from.map(|from| from + request.input.len());
        (now.latency, from)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let vectors = match request.encoding_format.as_deref() {
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
        answer += &vectors[from.map_or(0, |from| from + index) % VECTORS];
        answer.push('}');
    }
    answer += "]}";
    shared.now().last = Some(Instant::now());
    ([(CONTENT_TYPE, "application/json")], answer).into_response()
}
