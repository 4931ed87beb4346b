//! What providers do on bad days.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use futures::stream;

/// What an embedding request is met with instead of its answer, or before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The right answer, after so long.
    Delay(Duration),
    /// 429, with a `Retry-After` of so many seconds if any.
    TooManyRequests(Option<u64>),
    /// 500.
    ServerError,
    /// An answer with vectors of so many dimensions, whatever was asked for.
    Dimensions(usize),
    /// An answer that breaks off halfway.
    Truncated,
}

/// The answer cut in half, with the length of the whole promised: what a connection that breaks looks like.
pub(super) fn truncated(json: &serde_json::Value) -> Response {
    let whole = json.to_string().into_bytes();
    let half = whole[..whole.len() / 2].to_vec();
    let broken = stream::iter([Ok(half), Err(std::io::Error::other("a fault on demand"))]);
    (
        StatusCode::OK,
        [
            (CONTENT_TYPE, "application/json".to_owned()),
            (CONTENT_LENGTH, whole.len().to_string()),
        ],
        Body::from_stream(broken),
    )
        .into_response()
}

/// An error as a provider answers it.
pub(super) fn error(status: StatusCode, retry_after: Option<u64>, json: serde_json::Value) -> Response {
    let mut response = (status, axum::Json(json)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
