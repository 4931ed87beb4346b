//! What providers do on bad days.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::response::{Html, IntoResponse, Response};
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
    /// An answer of which half is missing, with the length of that half: a gateway has cut it.
    Cut,
    /// A page for people, with 200: a gateway's, which says that it is closed for maintenance.
    Page,
}

/// What a garbled number is in a JSON value, which has no room for what some servers write.
const GARBLED: &str = "garbled number: ";

/// A place in a vector where `raw` will be written in the place of a number.
pub(super) fn garbled(raw: &str) -> serde_json::Value {
    format!("{GARBLED}{raw}").into()
}

/// The answer or what there is instead of it. Half of it with the length of the whole promised is what a connection
/// that breaks looks like.
pub(super) fn answer(fault: Option<&Fault>, json: &serde_json::Value) -> Response {
    let whole = json.to_string();
    let begin = format!("\"{GARBLED}");
    let mut parts = whole.split(&begin);
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let quoted = format!("\"{part}");
        let mut strings = serde_json::Deserializer::from_str(&quoted).into_iter::<String>();
        let raw = strings.next().expect("a string").expect("its end");
        written.extend([raw.as_str(), &quoted[strings.byte_offset()..]]);
    }
    let whole = written.into_bytes();
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_LENGTH, whole.len().to_string()),
    ];
    let half = whole[..whole.len() / 2].to_vec();
    match fault {
        Some(Fault::Truncated) => {}
        Some(Fault::Cut) => return ([(CONTENT_TYPE, "application/json")], half).into_response(),
        Some(Fault::Page) => return Html("<html>We will be back soon.</html>").into_response(),
        _ => return (headers, whole).into_response(),
    }
    let broken = stream::iter([Ok(half), Err(std::io::Error::other("a fault on demand"))]);
    (headers, Body::from_stream(broken)).into_response()
}

/// An error as a provider answers it.
pub(super) fn error(status: StatusCode, retry_after: Option<u64>, json: serde_json::Value) -> Response {
    let mut response = (status, axum::Json(json)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
