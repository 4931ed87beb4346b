//! Ollama's `POST /api/embed` and `POST /api/pull`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::{self, Fault};
use super::state::{Api, Request, State};

#[derive(Deserialize)]
struct Embed {
    model: String,
    input: Input,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
}

pub(super) async fn embed(Shared(state): Shared<Arc<State>>, Json(body): Json<Value>) -> Response {
    let Embed { model, input } = match serde_json::from_value(body.clone()) {
        Ok(body) => body,
        Err(reason) => return error(StatusCode::BAD_REQUEST, None, &reason.to_string()),
    };
    let texts = match input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    let fault = state.arrival(Request::new(Api::Ollama, &model, &texts, body)).await;

    let Some(mut dimensions) = state.lock().models.dimensions(&model) else {
        let message = format!(r#"model "{model}" not found, try pulling it first"#);
        return error(StatusCode::NOT_FOUND, None, &message);
    };
    if state.refused(&texts).is_some() {
        return error(
            StatusCode::BAD_REQUEST,
            None,
            "the input length exceeds the context length",
        );
    }
    match fault {
        Some(Fault::TooManyRequests(retry_after)) => {
            return error(
                StatusCode::TOO_MANY_REQUESTS,
                retry_after,
                "too many concurrent requests",
            );
        }
        Some(Fault::ServerError) => {
            return error(
                StatusCode::INTERNAL_SERVER_ERROR,
                None,
                "model runner has unexpectedly stopped",
            );
        }
        Some(Fault::Dimensions(other)) => dimensions = other,
        _ => {}
    }
    let embeddings = state.embeddings(&model, &texts, dimensions);
    let tokens: usize = texts.iter().map(|text| text.len().div_ceil(4)).sum();
    let answer = json!({
        "model": model,
        "embeddings": embeddings,
        "total_duration": 1_000_000,
        "load_duration": 1_000,
        "prompt_eval_count": tokens,
    });
    fault::answer(fault.as_ref(), &answer)
}

#[derive(Deserialize)]
pub(super) struct Pull {
    #[serde(alias = "name")] // what it was called first
    model: String,
    #[serde(default = "yes")]
    stream: bool,
}

fn yes() -> bool {
    true
}

/// Answers with a line of progress after the other, or, if that is not wanted, with the last one.
pub(super) async fn pull(Shared(state): Shared<Arc<State>>, Json(pull): Json<Pull>) -> Response {
    let pulled = {
        let mut told = state.lock();
        told.pulled.push(pull.model.clone());
        told.models.pull(&pull.model)
    };
    if !pull.stream {
        return if pulled {
            Json(json!({ "status": "success" })).into_response()
        } else {
            error(StatusCode::INTERNAL_SERVER_ERROR, None, MISSING)
        };
    }
    let mut lines = vec![json!({ "status": "pulling manifest" })];
    if pulled {
        let layer = "797b70c4edf8";
        for completed in [0, 22_978_560, 45_949_216] {
            lines.push(json!({
                "status": format!("pulling {layer}"),
                "digest": format!("sha256:{layer}"),
                "total": 45_949_216,
                "completed": completed,
            }));
        }
        lines.extend(
            ["verifying sha256 digest", "writing manifest", "success"].map(|status| json!({ "status": status })),
        );
    } else {
        // the status is sent before it is known
        lines.push(json!({ "error": MISSING }));
    }
    let body = lines.iter().map(|line| line.to_string() + "\n").collect::<String>();
    ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

const MISSING: &str = "pull model manifest: file does not exist";

fn error(status: StatusCode, retry_after: Option<u64>, message: &str) -> Response {
    fault::error(status, retry_after, json!({ "error": message }))
}
