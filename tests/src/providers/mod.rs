//! Providers' HTTP APIs, for real: a server on the loopback interface that speaks OpenAI's `/v1/embeddings`, Ollama's
//! `/api/embed` and `/api/pull`, and the like of Voyage AI, Cohere, Mistral, Azure and Hugging Face, each below a path
//! of its own; and `/rerank` of those who have it.
//!
//! Its vectors are made from the text alone ([`embedding_of`]), so that a test can say which vector any text has to
//! have. It keeps every request, and does on demand what providers do on bad days ([`Fault`]).

mod batches;
mod fault;
mod hosted;
mod models;
mod ollama;
mod openai;
mod rerank;
mod state;
mod vector;

pub use self::batches::BatchEnd;
pub use self::fault::Fault;
pub use self::rerank::relevance;
pub use self::state::{Api, Request};
pub use self::vector::embedding_of;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tokio::sync::oneshot;

use self::state::State;

/// A running server; it ends when this is dropped.
///
/// It runs on a thread of its own: a test that blocks its runtime does not block its provider.
#[derive(Debug)]
pub struct Provider {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Provider {
    /// The API key that all but Ollama want.
    pub const API_KEY: &str = "sk-a-key-for-tests";

    /// A server on a free port. Its OpenAI side knows OpenAI's three models, its Ollama side none until
    /// [`install`](Self::install) or [`publish`](Self::publish).
    pub fn start() -> Self {
        Self::start_on(0)
    }

    /// The same on a port of one's own, which may be that of a server that is gone.
    pub fn start_on(port: u16) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State::default());
        let routes = Router::new()
            .route("/v1/embeddings", post(openai::embeddings))
            .route("/v1/files", post(batches::upload).layer(DefaultBodyLimit::disable()))
            .route("/v1/files/{file}", axum::routing::delete(batches::delete))
            .route("/v1/files/{file}/content", get(batches::content))
            .route("/v1/batches", post(batches::create).get(batches::list))
            .route("/v1/batches/{batch}", get(batches::get))
            .route("/v1/batches/{batch}/cancel", post(batches::cancel))
            .route("/api/embed", post(ollama::embed))
            .route("/api/pull", post(ollama::pull))
            .route("/voyage/v1/embeddings", post(hosted::voyage))
            .route("/cohere/v2/embed", post(hosted::cohere))
            .route("/mistral/v1/embeddings", post(hosted::mistral))
            .route("/azure/openai/deployments/{deployment}/embeddings", post(hosted::azure))
            .route("/huggingface", post(hosted::huggingface))
            .route("/cohere/v2/rerank", post(rerank::cohere))
            .route("/voyage/v1/rerank", post(rerank::voyage))
            .route("/jina/v1/rerank", post(rerank::jina))
            .route("/v1/rerank", post(rerank::vllm))
            .route("/inference/rerank", post(rerank::inference))
            .with_state(Arc::clone(&state));
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            tokio::select! {
                served = axum::serve(listener, routes) => served.expect("a server"),
                _ = stopped => {}
            }
        };
        let thread = thread::Builder::new()
            .name("provider".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(serve);
            })
            .expect("a thread");
        Self {
            address,
            state,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// What goes into an OpenAI `base_url`: the address up to `/embeddings`.
    pub fn openai_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What goes into the others' `api_base`: the address of `below`, which is `voyage/v1`, `cohere`, `mistral/v1`,
    /// `azure` or `huggingface`.
    pub fn url(&self, below: &str) -> String {
        format!("http://{}/{below}", self.address)
    }

    /// What goes into an Ollama `base_url`.
    pub fn ollama_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ollama has this model, of so many dimensions.
    pub fn install(&self, model: &str, dimensions: usize) {
        self.state.lock().models.install(model, dimensions);
    }

    /// Ollama does not have this model, but can pull it.
    pub fn publish(&self, model: &str, dimensions: usize) {
        self.state.lock().models.publish(model, dimensions);
    }

    /// The next embedding request meets this fault, and is answered with it. Called again before then, the faults queue
    /// up.
    pub fn next(&self, fault: Fault) {
        self.state.lock().next.push_back(fault);
    }

    /// Every embedding request meets this fault until `None` is set.
    pub fn always(&self, fault: impl Into<Option<Fault>>) {
        self.state.lock().always = fault.into();
    }

    /// Texts that contain `part` are refused, as one that breaks the provider's rules: with it the whole request.
    pub fn refuse(&self, part: impl Into<String>) {
        self.state.lock().refused.push(part.into());
    }

    /// Texts that contain `part` bring the model's runner down: every request with one is answered with 500.
    pub fn crash(&self, part: impl Into<String>) {
        self.state.lock().crashing.push(part.into());
    }

    /// Texts that contain `part` get vectors of so many dimensions, whatever was asked for.
    pub fn misfit(&self, part: impl Into<String>, dimensions: usize) {
        self.state.lock().misfits.push((part.into(), dimensions));
    }

    /// Texts that contain `part` get a vector that begins with `raw`, as it stands, in the place of a number: `NaN`,
    /// `null`.
    pub fn garble(&self, part: impl Into<String>, raw: impl Into<String>) {
        self.state.lock().garbled.push((part.into(), raw.into()));
    }

    /// Embedding requests that arrive from now on wait for [`release`](Self::release), with everything already counted
    /// and kept.
    pub fn hold(&self) {
        self.state.hold(true);
    }

    /// Answers those that wait, and does not hold any more.
    pub fn release(&self) {
        self.state.hold(false);
    }

    /// The embedding requests so far, those that were answered with an error too.
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().requests.clone()
    }

    /// All texts of all embedding requests so far, in order.
    pub fn texts(&self) -> Vec<String> {
        self.requests().into_iter().flat_map(|request| request.texts).collect()
    }

    /// The models that were pulled.
    pub fn pulled(&self) -> Vec<String> {
        self.state.lock().pulled.clone()
    }

    /// Waits until there were `count` embedding requests.
    pub async fn wait_for_requests(&self, count: usize) {
        const PATIENCE: Duration = Duration::from_mins(1);
        let arrived = self.state.arrived(|requests| requests.len() >= count);
        let in_time = tokio::time::timeout(PATIENCE, arrived).await.is_ok();
        assert!(
            in_time,
            "{} of {count} requests arrived within {PATIENCE:?}",
            self.requests().len()
        );
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop.take(); // which is a message, too
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
