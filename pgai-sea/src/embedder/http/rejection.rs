//! What a provider's refusal means, by its status and the error in its body.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::message::line;
use super::{ApiResponse, Endpoint};
use crate::embedder::EmbedError;

/// A longer body of a success has vectors in it, and no error.
const LONGEST_ERROR: usize = 64 << 10;

/// A response whose status is not a success, or that says in its body that it is none.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    /// The provider's message in one line. The provider may have repeated the API key in it.
    pub(crate) message: String,
    /// OpenAI's machine-readable reason.
    code: Option<String>,
    /// The field of the request that OpenAI complains of.
    param: Option<String>,
    retry_after: Option<Duration>,
    /// Where a redirect leads.
    location: Option<String>,
}

impl Rejection {
    /// `None` if the response is a success.
    pub(crate) fn of(response: &ApiResponse) -> Option<Self> {
        let is_success = response.status.is_success();
        if is_success && response.body.len() > LONGEST_ERROR {
            return None;
        }
        let json: Option<Value> = serde_json::from_slice(&response.body).ok();
        let status = if is_success {
            failed_status(json.as_ref()?)?
        } else {
            response.status
        };
        let field = |name| {
            let value = json.as_ref()?.get("error")?.get(name)?;
            value.as_str().map(str::to_owned)
        };
        Some(Self {
            status,
            message: line(&response.body),
            code: field("code"),
            param: field("param"),
            retry_after: response.retry_after.or_else(|| json.as_ref().and_then(loading_time)),
            location: response.location.clone(),
        })
    }

    /// The error, by status. 408, 409, 424, 425, 429 and 500 and above are transient. 400, 413 and 422 are the fault of
    /// the input, unless the provider names another field of the request. Everything else needs another configuration.
    /// A redirect is not followed: it may lead the key to another host.
    pub(crate) fn into_error(self, api: &Endpoint) -> EmbedError {
        let provider = api.provider;
        let message = api.shortened(&self.message);
        match self.status.as_u16() {
            // llama.cpp, Ollama and others answer 500 to a text that they will never embed
            status @ (500 | 501) if is_about_the_text(&self.message) => EmbedError::Refused {
                provider,
                status,
                message,
            },
            400 if speaks_tls(&self.message) => api.configuration(format!(
                "{} wants https: write `https://` in the base URL ({message})",
                api.base_url
            )),
            429 if self.code.as_deref() == Some("insufficient_quota") => api.configuration(format!(
                "{} has used up the account's quota (429: {message})",
                api.base_url
            )),
            status @ (408 | 409 | 424 | 425 | 429 | 500..) => EmbedError::Unavailable {
                provider,
                status,
                message,
                retry_after: self.retry_after,
            },
            status @ (400 | 413 | 422) if !self.blames_configuration() => EmbedError::Refused {
                provider,
                status,
                message,
            },
            401 if api.api_key.is_none() => api.configuration(format!(
                "{} wants an API key and none is set{}: {message}",
                api.base_url,
                api.key_name
                    .as_ref()
                    .map(|name| format!(" in `{name}`"))
                    .unwrap_or_default()
            )),
            status @ (401 | 403) => api.configuration(format!(
                "{} does not accept the API key ({status}: {message})",
                api.base_url
            )),
            status @ 400..500 => api.configuration(format!("{} answered {status}: {message}", api.base_url)),
            status @ 300..400 => api.configuration(match self.location {
                Some(location) => format!(
                    "{} redirects ({status}) to {}: set the base URL that leads there",
                    api.base_url,
                    api.scrub(&location)
                ),
                None => format!("{} answered {status}: {message}", api.base_url),
            }),
            status => api.answer(format!("status {status}: {message}")),
        }
    }

    /// Whether the provider complains of a field that the configuration sets.
    fn blames_configuration(&self) -> bool {
        matches!(
            self.param.as_deref(),
            Some("model" | "dimensions" | "user" | "encoding_format")
        ) || matches!(
            self.code.as_deref(),
            Some("model_not_found" | "unknown_model" | "unsupported_model")
        )
    }
}

/// The status that stands in the body of a success: relays answer so when the provider behind them has failed.
fn failed_status(json: &Value) -> Option<StatusCode> {
    let error = json.get("error").filter(|error| !error.is_null())?;
    let code = error.get("code").or_else(|| error.get("status"));
    let code = code.and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()));
    let code = code
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| *code >= 400);
    Some(
        code.and_then(|code| StatusCode::from_u16(code).ok())
            .unwrap_or(StatusCode::BAD_GATEWAY),
    )
}

/// Whether a server that failed says that a text is too long, or that it makes no numbers of it.
fn is_about_the_text(message: &str) -> bool {
    let message = message.to_lowercase();
    let known = [
        "too large to process",
        "physical batch size",
        "context length",
        "context size",
        "context window",
        "maximum context",
        "maximum length",
        "sequence length",
        "input length",
        "input is too l",
        "input too l",
        "text is too l",
        "text too l",
        "prompt is too l",
        "unsupported value: nan",
    ];
    known.iter().any(|known| message.contains(known))
}

/// Whether a web server says that it was asked without TLS.
fn speaks_tls(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("http request") && message.contains("https")
}

/// How long Hugging Face says that it will be loading the model.
fn loading_time(json: &Value) -> Option<Duration> {
    let seconds = json.get("estimated_time")?.as_f64()?;
    Duration::try_from_secs_f64(seconds).ok()
}
