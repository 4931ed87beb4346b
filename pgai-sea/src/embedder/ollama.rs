//! Ollama's own embeddings API.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{
    EmbedError, Embedder, InputType, RequestLimits,
    call::report_input_tokens,
    environment,
    http::{Answer, BaseUrl, Endpoint},
    ollama_host,
    rejection::{self, Rejection},
};

const PROVIDER: &str = "ollama";

/// Embeds with Ollama: `POST {base_url}/api/embed`. A model that the server does not have is pulled first, which may take
/// minutes.
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
    /// How often the model was pulled. Held while it is, so that requests side by side pull it once.
    pulls: Arc<Mutex<u64>>,
}

impl Ollama {
    /// Vectors of `dimensions` numbers from `model`, on this machine at port 11434.
    #[must_use]
    pub fn new(model: impl Into<String>, dimensions: usize) -> Self {
        Self {
            // loading a large model alone may take five
            api: Endpoint::new(PROVIDER, ollama_host::url(""), Duration::from_mins(10)),
            model: model.into(),
            dimensions,
            options: None,
            keep_alive: None,
            inputs: RequestLimits::default().inputs,
            pulls: Arc::default(),
        }
    }

    /// The same with the address of `OLLAMA_HOST` and the number of texts a request of
    /// `PGAI_VECTORIZER_OLLAMA_MAX_CHUNKS_PER_BATCH`, where they are set.
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

    /// Another server's address, in any form that Ollama takes in `OLLAMA_HOST`: scheme (`http`) and port (11434) may be
    /// left out.
    #[must_use]
    pub fn base_url(mut self, url: impl AsRef<str>) -> Self {
        self.api.base_url = BaseUrl::new(ollama_host::url(url.as_ref()));
        self
    }

    /// Ollama's options for the model, an object: `{"num_ctx": 2048}`.
    #[must_use]
    pub fn options(mut self, options: impl Into<Value>) -> Self {
        self.options = Some(options.into());
        self
    }

    /// How long the model stays loaded afterwards: a duration like `5m`, or seconds; `-1` is for ever.
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: impl Into<String>) -> Self {
        self.keep_alive = Some(keep_alive.into());
        self
    }

    /// How long one request may take, loading the model included; ten minutes if not set. Pulling a model may take any time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.api.timeout = timeout;
        self
    }

    async fn request(&self, texts: &[String]) -> Result<Answer, EmbedError> {
        let request = Request {
            model: &self.model,
            input: texts,
            options: self.options.as_ref(),
            keep_alive: self.keep_alive.as_deref().map(keep_alive),
        };
        self.api.post("api/embed", &request).await
    }

    /// Has the server pull the model, reading its progress until the end.
    async fn pull(&self) -> Result<(), EmbedError> {
        let request = Pull { model: &self.model };
        tracing::info!(model = self.model, "ollama does not have the model, pulling it");
        let mut response = self.api.send("api/pull", &request, None).await?;
        if !response.status().is_success() {
            let answer = self.api.read(response).await?;
            return match Rejection::of(&answer) {
                Some(rejection) => Err(rejection.into_error(&self.api)),
                None => Ok(()),
            };
        }
        let url = response.url().clone();
        let mut unread = Vec::new();
        let mut succeeded = false;
        loop {
            let chunk = response
                .chunk()
                .await
                .map_err(|error| self.api.unreachable(url.clone(), error))?;
            let ended = chunk.is_none();
            // one JSON object a line; what follows the last line end is not complete yet
            unread.extend_from_slice(chunk.as_deref().unwrap_or(b"\n"));
            while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = unread.drain(..=end).collect();
                succeeded |= self.progress(line.trim_ascii())?;
            }
            if ended {
                break;
            }
        }
        if succeeded {
            tracing::info!(model = self.model, "pulled");
            return Ok(());
        }
        Err(self
            .api
            .answer(format!("pulling the model `{}` ended without success", self.model)))
    }

    /// Reads one line of a pull's progress; true if it says that the model is there.
    fn progress(&self, line: &[u8]) -> Result<bool, EmbedError> {
        let Ok(progress) = serde_json::from_slice::<Progress>(line) else {
            return Ok(false); // an empty line, or one of a kind that is not known yet
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

    /// The error of a rejection. Ollama answers 500 for some texts that it will never embed.
    fn error(&self, rejection: Rejection) -> EmbedError {
        let message = &rejection.message;
        let about_the_text = [
            "unsupported value: NaN",
            "exceeds the context length",
            "exceeds maximum context length",
        ]
        .iter()
        .any(|known| message.contains(known));
        if rejection.status.is_server_error() && about_the_text {
            return EmbedError::Refused {
                provider: PROVIDER,
                status: rejection.status.as_u16(),
                message: rejection::short(&self.api.scrub(&rejection.message)),
            };
        }
        rejection.into_error(&self.api)
    }
}

/// A `keep_alive` as Ollama reads it: only a number may be without a unit.
fn keep_alive(text: &str) -> Value {
    text.trim().parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<Value>,
}

#[derive(Deserialize)]
struct Response {
    embeddings: Vec<Vec<f32>>,
    prompt_eval_count: Option<u64>,
}

#[derive(Serialize)]
struct Pull<'a> {
    model: &'a str,
}

#[derive(Deserialize)]
struct Progress {
    #[serde(default)]
    status: String,
    error: Option<String>,
}

#[async_trait]
impl Embedder for Ollama {
    async fn embed(&self, texts: &[String], _input_type: InputType) -> Result<Vec<Vec<f32>>, EmbedError> {
        let pulls_before = *self.pulls.lock().await;
        let mut answer = self.request(texts).await?;
        if Rejection::of(&answer).is_some_and(|rejection| is_missing_model(&rejection)) {
            let mut pulls = self.pulls.lock().await;
            // another request may have pulled it while this one waited
            if *pulls == pulls_before {
                self.pull().await?;
                *pulls += 1;
            }
            drop(pulls);
            answer = self.request(texts).await?;
        }
        if let Some(rejection) = Rejection::of(&answer) {
            return Err(self.error(rejection));
        }
        let response: Response = self.api.parse(&answer)?;
        if let Some(tokens) = response.prompt_eval_count {
            report_input_tokens(tokens);
        }
        self.api
            .check(&self.model, self.dimensions, texts.len(), response.embeddings)
    }

    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(self.inputs)
    }
}

/// 404 is also what a server answers that has no such path.
fn is_missing_model(rejection: &Rejection) -> bool {
    rejection.status.as_u16() == 404 && rejection.message.contains("model") && rejection.message.contains("not found")
}
