//! Voyage AI, Cohere, Mistral, Azure and Hugging Face: what differs is where the texts are, what an answer looks like
//! and what a refusal.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::Provider;
use super::fault::{self, Fault};
use super::state::{Api, Request, State};

pub(super) async fn voyage(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    embed(&state, Api::Voyage, &headers, body, "input", 1_000).await
}

pub(super) async fn cohere(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    embed(&state, Api::Cohere, &headers, body, "texts", 96).await
}

pub(super) async fn mistral(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    embed(&state, Api::Mistral, &headers, body, "input", 128).await
}

pub(super) async fn azure(
    Shared(state): Shared<Arc<State>>,
    Path(deployment): Path<String>,
    headers: HeaderMap,
    Json(mut body): Json<Value>,
) -> Response {
    body["model"] = deployment.into();
    embed(&state, Api::Azure, &headers, body, "input", 2_048).await
}

pub(super) async fn huggingface(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    embed(&state, Api::HuggingFace, &headers, body, "inputs", 32).await
}

/// `texts` is the field that they are in, of which there may be `inputs`.
async fn embed(state: &State, api: Api, headers: &HeaderMap, body: Value, texts: &str, inputs: usize) -> Response {
    let Ok(texts) = serde_json::from_value::<Vec<String>>(body[texts].clone()) else {
        return refusal(api, StatusCode::BAD_REQUEST, None, &format!("{texts} are missing"));
    };
    let model = body["model"].as_str().unwrap_or("hosted").to_owned();
    // each has its own name for it, and its own default
    let asked = ["output_dimension", "dimensions"]
        .iter()
        .find_map(|name| body[*name].as_u64());
    let mut dimensions = asked.map_or(1_024, |asked| usize::try_from(asked).expect("dimensions"));
    let fault = state.arrival(Request::new(api, &model, &texts, body)).await;

    let (name, value) = match api {
        Api::Azure => ("api-key", Provider::API_KEY.to_owned()),
        _ => ("authorization", format!("Bearer {}", Provider::API_KEY)),
    };
    if headers.get(name).is_none_or(|given| given != value.as_str()) {
        return refusal(api, StatusCode::UNAUTHORIZED, None, "invalid api key");
    }
    if texts.len() > inputs {
        return refusal(api, StatusCode::BAD_REQUEST, None, &format!("more than {inputs} texts"));
    }
    if state.refused(&texts).is_some() {
        return refusal(api, StatusCode::BAD_REQUEST, None, "a text is not allowed");
    }
    match fault {
        Some(Fault::TooManyRequests(retry_after)) => {
            return refusal(api, StatusCode::TOO_MANY_REQUESTS, retry_after, "slow down");
        }
        Some(Fault::ServerError) => return refusal(api, StatusCode::INTERNAL_SERVER_ERROR, None, "something broke"),
        Some(Fault::Dimensions(other)) => dimensions = other,
        _ => {}
    }
    let vectors = state.embeddings(&model, &texts, dimensions);
    let answer = match api {
        Api::Cohere => json!({ "id": "1", "embeddings": { "float": vectors }, "texts": texts }),
        Api::HuggingFace => json!(vectors),
        _ => {
            let data: Vec<Value> = (0..)
                .zip(vectors)
                .map(|(index, embedding)| json!({ "object": "embedding", "index": index, "embedding": embedding }))
                .collect();
            json!({ "object": "list", "data": data, "model": model, "usage": { "total_tokens": texts.len() } })
        }
    };
    fault::answer(fault.as_ref(), &answer)
}

fn refusal(api: Api, status: StatusCode, retry_after: Option<u64>, message: &str) -> Response {
    let json = match api {
        Api::Voyage => json!({ "detail": message }),
        Api::Cohere => json!({ "id": "1", "message": message }),
        Api::Mistral => json!({ "object": "error", "message": message, "type": "error", "param": null, "code": null }),
        Api::Azure => json!({ "error": { "code": status.as_str(), "message": message } }),
        _ => json!({ "error": message, "error_type": "Validation" }),
    };
    fault::error(status, retry_after, json)
}
