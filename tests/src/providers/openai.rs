//! OpenAI's `POST /v1/embeddings`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Provider;
use super::fault::{self, Fault};
use super::state::{Api, Request, State};

/// Its limits, in texts and in tokens of one text.
const INPUTS: usize = 2048;
const TOKENS: usize = 8191;

#[derive(Deserialize)]
struct Body {
    model: String,
    input: Input,
    dimensions: Option<usize>,
    encoding_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
}

pub(super) async fn embeddings(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let Body {
        model,
        input,
        dimensions,
        encoding_format,
    } = match serde_json::from_value(body.clone()) {
        Ok(body) => body,
        Err(reason) => return refusal(&reason.to_string()),
    };
    let texts = match input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    let fault = state.arrival(Request::new(Api::OpenAi, &model, &texts, body)).await;

    let key = format!("Bearer {}", Provider::API_KEY);
    if headers.get(AUTHORIZATION).is_none_or(|given| given != key.as_str()) {
        let message =
            "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.";
        return error(
            StatusCode::UNAUTHORIZED,
            None,
            "invalid_request_error",
            "invalid_api_key",
            message,
        );
    }
    let Some(own) = own_dimensions(&model) else {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        return error(
            StatusCode::NOT_FOUND,
            None,
            "invalid_request_error",
            "model_not_found",
            &message,
        );
    };
    if dimensions.is_some() && model == "text-embedding-ada-002" {
        return refusal("This model does not support specifying dimensions.");
    }
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return refusal(
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
        );
    }
    if texts.len() > INPUTS {
        return refusal(&format!("'$.input' is too long: at most {INPUTS} inputs."));
    }
    // no text has fewer tokens than words
    if texts.iter().any(|text| text.split_whitespace().count() > TOKENS) {
        return refusal(&format!("This model's maximum context length is {TOKENS} tokens."));
    }
    if state.refused(&texts).is_some() {
        return refusal("The input was rejected.");
    }
    let is_packed = match encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return refusal("'$.encoding_format' is invalid. Please choose 'float' or 'base64'."),
    };
    let mut dimensions = dimensions.unwrap_or(own);
    match fault {
        Some(Fault::TooManyRequests(retry_after)) => {
            let message = format!("Rate limit reached for {model}.");
            return error(
                StatusCode::TOO_MANY_REQUESTS,
                retry_after,
                "requests",
                "rate_limit_exceeded",
                &message,
            );
        }
        Some(Fault::ServerError) => {
            let message = "The server had an error while processing your request.";
            return error(
                StatusCode::INTERNAL_SERVER_ERROR,
                None,
                "server_error",
                "server_error",
                message,
            );
        }
        Some(Fault::Dimensions(other)) => dimensions = other,
        _ => {}
    }
    let data: Vec<Value> = state
        .embeddings(&model, &texts, dimensions)
        .into_iter()
        .map(|embedding| if is_packed { packed(embedding) } else { embedding })
        .enumerate()
        .map(|(index, embedding)| json!({ "object": "embedding", "index": index, "embedding": embedding }))
        .collect();
    let tokens: usize = texts.iter().map(|text| text.len().div_ceil(4)).sum();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    let answer = json!({ "object": "list", "data": data, "model": model, "usage": usage });
    fault::answer(fault.as_ref(), &answer)
}

/// The numbers' bytes in base64; what has something else among them as it is.
fn packed(embedding: Value) -> Value {
    match serde_json::from_value::<Vec<f32>>(embedding.clone()) {
        Ok(numbers) => {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            STANDARD.encode(bytes).into()
        }
        Err(_) => embedding,
    }
}

fn own_dimensions(model: &str) -> Option<usize> {
    match model {
        "text-embedding-3-small" | "text-embedding-ada-002" => Some(1536),
        "text-embedding-3-large" => Some(3072),
        _ => None,
    }
}

fn refusal(message: &str) -> Response {
    let (kind, code) = ("invalid_request_error", "invalid_value");
    error(StatusCode::BAD_REQUEST, None, kind, code, message)
}

fn error(status: StatusCode, retry_after: Option<u64>, kind: &str, code: &str, message: &str) -> Response {
    let error = json!({ "message": message, "type": kind, "param": null, "code": code });
    fault::error(status, retry_after, json!({ "error": error }))
}
