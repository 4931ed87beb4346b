//! `/rerank` as Cohere, Voyage AI, Jina, text-embeddings-inference and vLLM have it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::Provider;
use super::fault::{self, Fault};
use super::state::{Api, Request, State};

/// How many of the query's words a passage has, of all of them.
pub fn relevance(query: &str, passage: &str) -> f32 {
    let words: Vec<&str> = query.split_whitespace().collect();
    let count = |words: usize| f32::from(u16::try_from(words).expect("a short query"));
    let found = words.iter().filter(|word| passage.contains(**word)).count();
    count(found) / count(words.len().max(1))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cohere,
    Voyage,
    Jina,
    Vllm,
    Inference,
}

pub(super) async fn cohere(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    rerank(&state, Kind::Cohere, &headers, body).await
}

pub(super) async fn voyage(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    rerank(&state, Kind::Voyage, &headers, body).await
}

pub(super) async fn jina(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    rerank(&state, Kind::Jina, &headers, body).await
}

pub(super) async fn vllm(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    rerank(&state, Kind::Vllm, &headers, body).await
}

pub(super) async fn inference(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    rerank(&state, Kind::Inference, &headers, body).await
}

async fn rerank(state: &State, kind: Kind, headers: &HeaderMap, body: Value) -> Response {
    let field = if kind == Kind::Inference { "texts" } else { "documents" };
    let Ok(passages) = serde_json::from_value::<Vec<String>>(body[field].clone()) else {
        return refusal(
            kind,
            StatusCode::UNPROCESSABLE_ENTITY,
            None,
            &format!("missing field `{field}`"),
        );
    };
    let query = body["query"].as_str().unwrap_or_default().to_owned();
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    let wants_documents = body["return_documents"] != json!(false);
    let fault = state.arrival(Request::new(Api::Rerank, &model, &passages, body)).await;
    let own = matches!(kind, Kind::Vllm | Kind::Inference);
    let bearer = format!("Bearer {}", Provider::API_KEY);
    if !own
        && headers
            .get("authorization")
            .is_none_or(|given| given != bearer.as_str())
    {
        return refusal(kind, StatusCode::UNAUTHORIZED, None, "invalid api token");
    }
    let most = if kind == Kind::Inference { 32 } else { 1_000 };
    if passages.len() > most {
        let message = format!("batch size {} > maximum allowed batch size {most}", passages.len());
        return refusal(kind, StatusCode::UNPROCESSABLE_ENTITY, None, &message);
    }
    match fault {
        Some(Fault::TooManyRequests(retry_after)) => {
            return refusal(kind, StatusCode::TOO_MANY_REQUESTS, retry_after, "slow down");
        }
        Some(Fault::ServerError) => return refusal(kind, StatusCode::INTERNAL_SERVER_ERROR, None, "something broke"),
        _ => {}
    }
    let mut scored: Vec<(usize, f32)> = passages
        .iter()
        .map(|passage| relevance(&query, passage))
        .enumerate()
        .collect();
    // the best comes first, as everywhere
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    let results: Vec<Value> = scored
        .iter()
        .map(|(index, score)| {
            let document = json!({ "text": passages[*index] });
            match kind {
                Kind::Inference => json!({ "index": index, "score": score }),
                Kind::Vllm => json!({ "index": index, "document": document, "relevance_score": score }),
                Kind::Jina if wants_documents => {
                    json!({ "index": index, "document": document, "relevance_score": score })
                }
                _ => json!({ "index": index, "relevance_score": score }),
            }
        })
        .collect();
    let answer = match kind {
        Kind::Cohere => json!({ "id": "1", "results": results, "meta": { "billed_units": { "search_units": 1 } } }),
        Kind::Voyage => json!({ "object": "list", "data": results, "model": model, "usage": { "total_tokens": 26 } }),
        Kind::Jina => json!({ "model": model, "usage": { "total_tokens": 26 }, "results": results }),
        Kind::Vllm => json!({ "id": "rerank-1", "model": model, "usage": { "total_tokens": 26 }, "results": results }),
        Kind::Inference => json!(results),
    };
    fault::answer(fault.as_ref(), &answer)
}

fn refusal(kind: Kind, status: StatusCode, retry_after: Option<u64>, message: &str) -> Response {
    let json = match kind {
        Kind::Cohere => json!({ "id": "1", "message": message }),
        Kind::Voyage | Kind::Jina => json!({ "detail": message }),
        Kind::Vllm => json!({ "error": { "message": message, "type": "BadRequestError", "code": status.as_u16() } }),
        Kind::Inference => json!({ "error": message, "error_type": "Validation" }),
    };
    fault::error(status, retry_after, json)
}
