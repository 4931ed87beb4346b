//! What a provider remembers, and what it was told to do.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::batches::BatchState;
use super::fault::{self, Fault};
use super::models::Models;
use super::vector::embedding_of;

/// Whose API a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// `POST /v1/embeddings`
    OpenAi,
    /// `POST /api/embed`
    Ollama,
    /// `POST /voyage/v1/embeddings`
    Voyage,
    /// `POST /cohere/v2/embed`
    Cohere,
    /// `POST /mistral/v1/embeddings`
    Mistral,
    /// `POST /azure/openai/deployments/{name}/embeddings`
    Azure,
    /// `POST /huggingface`
    HuggingFace,
    /// `POST /v1/rerank` and its siblings; the texts are the passages
    Rerank,
}

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Whose API it came through.
    pub api: Api,
    /// The model that it names.
    pub model: String,
    /// The texts that it wants embedded, or compared.
    pub texts: Vec<String>,
    /// All of its body.
    pub body: Value,
    /// When it came.
    pub at: Instant,
}

impl Request {
    pub(super) fn new(api: Api, model: &str, texts: &[String], body: Value) -> Self {
        Self {
            api,
            model: model.to_owned(),
            texts: texts.to_vec(),
            body,
            at: Instant::now(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) models: Models,
    pub(super) next: VecDeque<Fault>,
    pub(super) always: Option<Fault>,
    pub(super) refused: Vec<String>,
    pub(super) crashing: Vec<String>,
    pub(super) misfits: Vec<(String, usize)>,
    pub(super) garbled: Vec<(String, String)>,
    pub(super) requests: Vec<Request>,
    pub(super) pulled: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    told: Mutex<Told>,
    batches: Mutex<BatchState>,
    held: watch::Sender<bool>,
    count: watch::Sender<usize>,
}

impl State {
    pub(super) fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn batches(&self) -> MutexGuard<'_, BatchState> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request, waits while requests are held, and takes the fault that is meant for it.
    pub(super) async fn arrival(&self, request: Request) -> Option<Fault> {
        let crashes = {
            let mut told = self.lock();
            let has = |part: &String| request.texts.iter().any(|text| text.contains(part));
            let crashes = told.crashing.iter().any(has);
            told.requests.push(request);
            crashes
        };
        self.count.send_modify(|count| *count += 1);
        let _ = self.held.subscribe().wait_for(|held| !held).await; // the sender is `self`
        let fault = {
            let mut told = self.lock();
            let next = told.next.pop_front();
            next.or_else(|| told.always.clone())
        };
        if let Some(Fault::Delay(time)) = fault {
            tokio::time::sleep(time).await;
            return None;
        }
        if crashes { Some(Fault::ServerError) } else { fault }
    }

    pub(super) fn hold(&self, hold: bool) {
        self.held.send_replace(hold);
    }

    /// Waits until the requests so far are as wanted.
    pub(super) async fn arrived(&self, wanted: impl Fn(&[Request]) -> bool) {
        let mut count = self.count.subscribe();
        let _ = count.wait_for(|_| wanted(&self.lock().requests)).await; // the sender is `self`
    }

    /// The vectors of `texts`, of so many dimensions but for those that are to have others, and with a number that is
    /// none where that is wanted.
    pub(super) fn embeddings(&self, model: &str, texts: &[String], dimensions: usize) -> Vec<Value> {
        let told = self.lock();
        let embedding = |text: &String| {
            let misfit = told.misfits.iter().find(|(part, _)| text.contains(part));
            let mut vector = json!(embedding_of(
                model,
                text,
                misfit.map_or(dimensions, |(_, other)| *other)
            ));
            if let Some((_, raw)) = told.garbled.iter().find(|(part, _)| text.contains(part)) {
                vector[0] = fault::garbled(raw);
            }
            vector
        };
        texts.iter().map(embedding).collect()
    }

    /// The first text that is refused.
    pub(super) fn refused<'t>(&self, texts: &'t [String]) -> Option<&'t String> {
        let told = self.lock();
        texts
            .iter()
            .find(|text| told.refused.iter().any(|part| text.contains(part)))
    }
}
