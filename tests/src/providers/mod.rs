//! Providers' HTTP APIs, for real: a server on the loopback interface that speaks OpenAI's `/v1/embeddings` and Ollama's
//! `/api/embed` and `/api/pull`.
//!
//! Its vectors are made from the text alone ([`embedding_of`]), so that a test can say which vector any text has to have.
//! It keeps every request, and does on demand what providers do on bad days ([`Fault`]).

mod fault;
mod models;
mod ollama;
mod openai;
mod state;
mod vector;

pub use self::fault::Fault;
pub use self::state::{Api, Request};
pub use self::vector::embedding_of;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
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
    /// The API key that the OpenAI side accepts.
    pub const API_KEY: &str = "sk-a-key-for-tests";

    /// A server on a free port. Its OpenAI side knows OpenAI's three models, its Ollama side none until
    /// [`install`](Self::install) or [`publish`](Self::publish).
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State::default());
        let routes = Router::new()
            .route("/v1/embeddings", post(openai::embeddings))
            .route("/api/embed", post(ollama::embed))
            .route("/api/pull", post(ollama::pull))
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

    /// The next embedding request meets this fault, and is answered with it. Called again before then, the faults queue up.
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

    /// Texts that contain `part` get vectors of so many dimensions, whatever was asked for.
    pub fn misfit(&self, part: impl Into<String>, dimensions: usize) {
        self.state.lock().misfits.push((part.into(), dimensions));
    }

    /// Embedding requests that arrive from now on wait for [`release`](Self::release), with everything already counted and kept.
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
