//! Ollama.

mod host;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

use super::http::{ApiResponse, BaseUrl, Endpoint, Rejection, room_for};
use super::{EmbedError, Embedder, Embeddings, InputType, RequestLimits, ServerAddress, environment};

const PROVIDER: &str = "ollama";
/// The most bytes of the message of a pull that failed.
const MOST_OF_A_MESSAGE: usize = 1 << 20;
/// The longest silence of a pull. Ollama reports several times a second, but not while it checks what it has.
const MOST_SILENCE: Duration = Duration::from_mins(2);
/// The most bytes of one line of a pull's progress.
const MOST_OF_A_LINE: usize = 1 << 20;

/// Embeds with Ollama: `POST {base_url}/api/embed`. If the server does not have the model, it is pulled first, which
/// may take minutes.
///
/// ```
/// use pgai_sea::embedder::Ollama;
///
/// let embedder = Ollama::new("all-minilm", 384).base_url("http://ollama.internal:11434").keep_alive("5m");
/// ```
#[derive(Clone, Debug)]
pub struct Ollama {
    api: Endpoint,
    model: String,
    dimensions: usize,
    options: Option<Value>,
    keep_alive: Option<String>,
    inputs: usize,
    /// How often the model was pulled. Locked during a pull, so that concurrent requests pull once.
    pulls: Arc<Mutex<u64>>,
}

impl Ollama {
    /// Vectors of `dimensions` numbers from `model`, on this machine at port 11434.
    #[must_use]
    pub fn new(model: impl Into<String>, dimensions: usize) -> Self {
        Self {
            // to load a large model may take five of them
            api: Endpoint::new(PROVIDER, host::url(""), Duration::from_mins(10)),
            model: model.into(),
            dimensions,
            options: None,
            keep_alive: None,
            inputs: RequestLimits::default().inputs,
            pulls: Arc::default(),
        }
    }

    /// [`new`](Self::new) with the address in `OLLAMA_HOST`, and at most as many texts a request as
    /// `PGAI_VECTORIZER_OLLAMA_MAX_CHUNKS_PER_BATCH` says, if they are set.
    #[must_use]
    pub fn from_env(model: impl Into<String>, dimensions: usize) -> Self {
        Self::new(model, dimensions).variables(&environment)
    }

    pub(super) fn variables(mut self, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        if let Some(host) = variable("OLLAMA_HOST") {
            self = self.base_url(host);
        }
        let inputs = variable("PGAI_VECTORIZER_OLLAMA_MAX_CHUNKS_PER_BATCH");
        if let Some(inputs) = inputs.and_then(|inputs| inputs.trim().parse().ok()) {
            self.inputs = inputs;
        }
        self
    }

    /// The address of the server, in any form that Ollama accepts in `OLLAMA_HOST`. The scheme (`http`) and the port
    /// (11434) may be left out.
    #[must_use]
    pub fn base_url(mut self, url: impl AsRef<str>) -> Self {
        self.api.base_url = BaseUrl::new(host::url(url.as_ref()));
        self
    }

    /// Ollama's options for the model, an object: `{"num_ctx": 2048}`.
    #[must_use]
    pub fn options(mut self, options: impl Into<Value>) -> Self {
        self.options = Some(options.into());
        self
    }

    /// How long the model stays loaded after a request: a duration like `5m`, or seconds. `-1` means for ever.
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: impl Into<String>) -> Self {
        self.keep_alive = Some(keep_alive.into());
        self
    }

    /// How long one request may take, loading the model included. By default ten minutes. A pull may take any time, but
    /// not be silent for longer than this or two minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.api.timeout = timeout;
        self
    }

    async fn request(&self, texts: &[&str]) -> Result<ApiResponse, EmbedError> {
        let request = EmbedRequest {
            model: &self.model,
            input: texts,
            options: self.options.as_ref(),
            keep_alive: self.keep_alive.as_deref().map(keep_alive),
        };
        let room = room_for(texts, self.dimensions);
        self.api.post("api/embed", &request, room).await
    }

    /// Makes the server pull the model, and reads its progress until the end.
    async fn pull(&self) -> Result<(), EmbedError> {
        let request = PullRequest { model: &self.model };
        tracing::info!(model = self.model, "Ollama does not have the model and pulls it");
        let mut response = self.heard(self.api.send("api/pull", &request, None)).await?;
        if !response.status().is_success() {
            let response = self.heard(self.api.read(response, MOST_OF_A_MESSAGE)).await?;
            return match Rejection::of(&response) {
                Some(rejection) => Err(rejection.into_error(&self.api)),
                None => Ok(()),
            };
        }
        let url = response.url().clone();
        let mut unread = Vec::new();
        let mut succeeded = false;
        loop {
            let chunk = async {
                response
                    .chunk()
                    .await
                    .map_err(|error| self.api.unreachable(url.clone(), error))
            };
            let chunk = self.heard(chunk).await?;
            let ended = chunk.is_none();
            // one JSON object a line; the last one may not be complete yet
            unread.extend_from_slice(chunk.as_deref().unwrap_or(b"\n"));
            while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = unread.drain(..=end).collect();
                succeeded |= self.progress(line.trim_ascii())?;
            }
            if unread.len() > MOST_OF_A_LINE {
                return Err(self.api.answer("a line of the pull's progress does not end"));
            }
            if ended {
                break;
            }
        }
        if succeeded {
            tracing::info!(model = self.model, "Ollama has pulled the model");
            return Ok(());
        }
        Err(self
            .api
            .answer(format!("the pull of the model `{}` ended without success", self.model)))
    }

    /// What is heard of a pull before it has been silent for too long.
    async fn heard<T>(&self, next: impl Future<Output = Result<T, EmbedError>>) -> Result<T, EmbedError> {
        let silence = self.api.timeout.min(MOST_SILENCE);
        tokio::time::timeout(silence, next).await.unwrap_or_else(|_| {
            let said = format!(
                "it has said nothing for {} s while it pulls the model `{}`",
                silence.as_secs_f64(),
                self.model
            );
            Err(self.api.silent("api/pull", said))
        })
    }

    /// Reads one line of a pull's progress. True if it says that the model is there.
    fn progress(&self, line: &[u8]) -> Result<bool, EmbedError> {
        let Ok(progress) = serde_json::from_slice::<PullProgress>(line) else {
            return Ok(false); // an empty line, or a kind of line that this version does not know
        };
        if let Some(error) = progress.error {
            return Err(self.api.configuration(format!(
                "the model `{}` cannot be pulled: {}",
                self.model,
                self.api.readable(error.as_bytes())
            )));
        }
        tracing::debug!(model = self.model, status = progress.status, "pulling");
        Ok(progress.status == "success")
    }
}

/// A `keep_alive` as Ollama reads it: a duration without a unit has to be a number.
fn keep_alive(text: &str) -> Value {
    text.trim().parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

#[derive(Serialize)]
struct EmbedRequest<'a> {
    model: &'a str,
    input: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<Value>,
}

#[derive(Deserialize)]
struct EmbedResponse {
    embeddings: Vec<Vec<f32>>,
    prompt_eval_count: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct PullRequest<'a> {
    model: &'a str,
}

#[derive(Deserialize)]
struct PullProgress {
    #[serde(default)]
    status: String,
    error: Option<String>,
}

#[async_trait]
impl Embedder for Ollama {
    async fn embed(&self, texts: &[&str], _input_type: InputType) -> Result<Embeddings, EmbedError> {
        let pulls_before = *self.pulls.lock().await;
        let mut response = self.request(texts).await?;
        if Rejection::of(&response).is_some_and(|rejection| is_missing_model(&rejection)) {
            let mut pulls = self.pulls.lock().await;
            // another request may have pulled it meanwhile
            if *pulls == pulls_before {
                self.pull().await?;
                *pulls += 1;
            }
            drop(pulls);
            response = self.request(texts).await?;
        }
        if let Some(rejection) = Rejection::of(&response) {
            return Err(rejection.into_error(&self.api));
        }
        let response: EmbedResponse = self.api.parse(&response)?;
        let (texts, vectors) = (texts.len(), response.embeddings);
        Ok(Embeddings {
            vectors: self.api.check(&self.model, self.dimensions, texts, vectors)?,
            input_tokens: response.prompt_eval_count.and_then(|count| count.as_u64()),
        })
    }

    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(self.inputs)
    }

    fn server(&self) -> Option<ServerAddress> {
        self.api.server()
    }
}

/// A server without this path answers 404 too.
fn is_missing_model(rejection: &Rejection) -> bool {
    rejection.status.as_u16() == 404 && rejection.message.contains("model") && rejection.message.contains("not found")
}
