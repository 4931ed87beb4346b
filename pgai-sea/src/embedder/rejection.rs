//! What a provider's refusal means, read from its status and the error that it sends along.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::{
    EmbedError,
    http::{Answer, Endpoint},
};

/// The most characters of a provider's own words in an error.
const MESSAGE_LENGTH: usize = 300;

/// An answer whose status is not a success.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) status: StatusCode,
    /// What the provider said, in one line, the API key included if it repeats that.
    pub(super) message: String,
    /// OpenAI's machine-readable reason.
    code: Option<String>,
    /// The request's field that OpenAI complains of.
    param: Option<String>,
    retry_after: Option<Duration>,
    /// Where it sends whoever asks.
    location: Option<String>,
}

impl Rejection {
    /// `None` if the answer is a success.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        if answer.status.is_success() {
            return None;
        }
        let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let field = |name| {
            let value = json.as_ref()?.get("error")?.get(name)?;
            value.as_str().map(str::to_owned)
        };
        Some(Self {
            status: answer.status,
            message: line(&answer.body),
            code: field("code"),
            param: field("param"),
            retry_after: answer.retry_after.or_else(|| json.as_ref().and_then(loading_time)),
            location: answer.location.clone(),
        })
    }

    /// The error that this is, by status: 408, 409, 424, 425, 429 and 500 and above pass; 400, 413 and 422 are the input's fault,
    /// unless the provider names another field of the request; a redirection, which is not followed as it may lead the key to another
    /// host, and the rest need someone to change the configuration.
    pub(super) fn into_error(self, api: &Endpoint) -> EmbedError {
        let provider = api.provider;
        let message = short(&api.scrub(&self.message));
        match self.status.as_u16() {
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

    /// Whether the provider complains of a field that comes from the configuration, not of a text.
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

/// An error's body as one line: the message inside the JSON of OpenAI, Ollama and their kin, a web page's title, else the text as it is.
pub(super) fn line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let message = match serde_json::from_str::<Value>(&text) {
        Ok(json) => message(&json).map_or_else(|| json.to_string(), str::to_owned),
        Err(_) => title(&text).unwrap_or(&text).to_owned(),
    };
    message
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// As much of a line as goes into an error. What is secret has to be out of it already: half a key is not recognised.
pub(super) fn short(line: &str) -> String {
    match line.char_indices().nth(MESSAGE_LENGTH) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None if line.is_empty() => "(no message)".to_owned(),
        None => line.to_owned(),
    }
}

/// Where the message is: OpenAI has `error.message`, Ollama a string `error`, vLLM `message`, and servers made with Python's fastapi `detail`.
fn message(json: &Value) -> Option<&str> {
    match json {
        Value::String(message) => Some(message),
        Value::Array(items) => items.first().and_then(message),
        Value::Object(fields) => ["error", "message", "detail", "msg"]
            .iter()
            .find_map(|name| message(fields.get(*name)?)),
        _ => None,
    }
}

/// How long Hugging Face says that it will be loading the model.
fn loading_time(json: &Value) -> Option<Duration> {
    let seconds = json.get("estimated_time")?.as_f64()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The title of a web page, which is what proxies and load balancers answer with.
fn title(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase(); // the same length: only ASCII letters change
    let start = lower.find("<title>")? + "<title>".len();
    let end = start + lower[start..].find("</title>")?;
    text.get(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_servers_put_them() {
        for (body, expected) in [
            (
                r#"{"error":{"message":"no\n such  thing","type":"x"}}"#,
                "no such thing",
            ),
            (r#"{"error":"model \"m\" not found"}"#, "model \"m\" not found"),
            (r#"{"object":"error","message":"too long","code":400}"#, "too long"),
            (
                r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
                "field required",
            ),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (r#"{"status":3}"#, r#"{"status":3}"#),
            ("<html><TITLE>502 Bad Gateway</TITLE><body>..", "502 Bad Gateway"),
            ("upstream\tfailed\r\n\u{1b}[31m", "upstream failed [31m"),
            ("", "(no message)"),
        ] {
            assert_eq!(short(&line(body.as_bytes())), expected, "{body}");
        }
        assert_eq!(line(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let long = "ä".repeat(1000);
        let message = short(&line(long.as_bytes()));
        assert_eq!(message.chars().count(), MESSAGE_LENGTH + 1);
        assert!(message.ends_with('…'));
    }
}
