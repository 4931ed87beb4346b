//! OpenAI's files and batches: `/v1/files`, `/v1/batches`.
//!
//! A batch goes through its states as time passes, is answered line by line, and is paid for by the line that is
//! answered with a vector.

#![allow(clippy::result_large_err, reason = "an answer is what it is")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Provider;
use super::state::State;

/// The longest time in which a batch is looked through.
const VALIDATION: Duration = Duration::from_millis(100);
/// OpenAI's limits.
const MOST_LINES: usize = 50_000;
const MOST_BYTES: usize = 200 << 20;
/// A page of the list of batches, which is smaller than OpenAI's: a client has to turn it.
const PAGE: usize = 2;

/// How a batch ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchEnd {
    /// All lines are answered.
    Completed,
    /// Every other line is answered, and the day is over.
    Expired,
    /// As a whole, with this code.
    Failed(String),
}

/// The files and batches.
#[derive(Debug)]
pub(super) struct BatchState {
    files: BTreeMap<String, Vec<u8>>,
    batches: Vec<Made>,
    /// How long a batch takes.
    time: Duration,
    /// How the next batches end.
    ends: Vec<BatchEnd>,
    /// More requests than so many are not taken.
    most_requests: usize,
    numbers: usize,
    is_there: bool,
}

impl Default for BatchState {
    fn default() -> Self {
        Self {
            files: BTreeMap::new(),
            batches: Vec::new(),
            time: Duration::from_millis(100),
            ends: Vec::new(),
            most_requests: usize::MAX,
            numbers: 0,
            is_there: true,
        }
    }
}

#[derive(Debug)]
struct Made {
    id: String,
    input: String,
    metadata: Value,
    since: Instant,
    created: u64,
    end: BatchEnd,
    /// The files of answers and of errors, once it has ended.
    answered: Option<(Option<String>, Option<String>)>,
    cancelled: bool,
    texts: Vec<String>,
    /// Those that were embedded.
    paid: Vec<String>,
}

impl Provider {
    /// A batch takes so long from now on.
    pub fn batches_take(&self, time: Duration) {
        self.state.batches().time = time;
    }

    /// The next batches end so, one after the other; later ones are completed.
    pub fn batches_end(&self, ends: impl IntoIterator<Item = BatchEnd>) {
        let mut ends: Vec<BatchEnd> = ends.into_iter().collect();
        ends.reverse();
        self.state.batches().ends = ends;
    }

    /// Batches of more requests together fail, as an account's limit has it.
    pub fn batches_hold(&self, requests: usize) {
        self.state.batches().most_requests = requests;
    }

    /// There are no batches here, as on most servers that speak OpenAI's language.
    pub fn has_no_batches(&self) {
        self.state.batches().is_there = false;
    }

    /// The texts that batches embedded, which were paid for, as often as they were.
    pub fn texts_of_batches(&self) -> Vec<String> {
        let batches = self.state.batches();
        batches.batches.iter().flat_map(|batch| batch.paid.clone()).collect()
    }

    /// The number of texts of each batch that was made.
    pub fn batches(&self) -> Vec<usize> {
        self.state
            .batches()
            .batches
            .iter()
            .map(|batch| batch.texts.len())
            .collect()
    }

    /// The files that are there.
    pub fn files(&self) -> Vec<String> {
        self.state.batches().files.keys().cloned().collect()
    }
}

type Answer = Result<Response, Response>;

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let error = json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": code}});
    (status, Json(error)).into_response()
}

fn check(state: &State, headers: &HeaderMap) -> Result<(), Response> {
    if !state.batches().is_there {
        return Err(error(StatusCode::NOT_FOUND, "not_found", "Not Found"));
    }
    let key = format!("Bearer {}", Provider::API_KEY);
    if headers.get(AUTHORIZATION).is_none_or(|given| given != key.as_str()) {
        let message = format!("Incorrect API key provided: {:?}", headers.get(AUTHORIZATION));
        return Err(error(StatusCode::UNAUTHORIZED, "invalid_api_key", &message));
    }
    Ok(())
}

fn missing(what: &str) -> Response {
    error(StatusCode::NOT_FOUND, "not_found", &format!("No such object: {what}"))
}

/// The parts of a form: name, and content.
fn parts(headers: &HeaderMap, body: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let boundary = format!("--{}", kind.strip_prefix("multipart/form-data; boundary=")?);
    let find = |body: &[u8], part: &[u8]| body.windows(part.len()).position(|window| window == part);
    let mut parts = BTreeMap::new();
    let mut rest = body.strip_prefix(boundary.as_bytes())?;
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, format!("\r\n{boundary}").as_bytes())?;
        let head = find(part, b"\r\n\r\n")?;
        let name = String::from_utf8_lossy(&part[..head]).into_owned();
        let name = name.split_once("; name=\"")?.1.split_once('"')?.0.to_owned();
        parts.insert(name, part[head + 4..end].to_vec());
        rest = &part[end + 2 + boundary.len()..];
    }
    (rest == b"--\r\n").then_some(parts)
}

pub(super) async fn upload(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Answer {
    check(&state, &headers)?;
    let refused = |message: &str| error(StatusCode::BAD_REQUEST, "invalid_value", message);
    let mut parts = parts(&headers, &body).ok_or_else(|| refused("This is no form."))?;
    if parts.get("purpose").map(Vec::as_slice) != Some(b"batch") {
        return Err(refused("'purpose' is not 'batch'."));
    }
    let file = parts.remove("file").ok_or_else(|| refused("'file' is missing."))?;
    if file.len() > MOST_BYTES {
        return Err(error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "The file is too large.",
        ));
    }
    let id = state.batches().keep(file);
    Ok(Json(json!({"id": id, "object": "file", "purpose": "batch"})).into_response())
}

pub(super) async fn content(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Path(file): Path<String>) -> Answer {
    check(&state, &headers)?;
    let content = state.batches().files.get(&file).cloned();
    Ok(content.ok_or_else(|| missing(&file))?.into_response())
}

pub(super) async fn delete(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Path(file): Path<String>) -> Answer {
    check(&state, &headers)?;
    let gone = state.batches().files.remove(&file);
    gone.ok_or_else(|| missing(&file))?;
    Ok(Json(json!({"id": file, "deleted": true})).into_response())
}

#[derive(Deserialize)]
pub(super) struct Create {
    input_file_id: String,
    endpoint: String,
    completion_window: String,
    metadata: Value,
}

pub(super) async fn create(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Json(body): Json<Create>) -> Answer {
    check(&state, &headers)?;
    if body.endpoint != "/v1/embeddings" || body.completion_window != "24h" {
        return Err(error(
            StatusCode::BAD_REQUEST,
            "invalid_value",
            "No such endpoint or window.",
        ));
    }
    let mut batches = state.batches();
    let file = batches
        .files
        .get(&body.input_file_id)
        .ok_or_else(|| missing(&body.input_file_id))?;
    let lines = String::from_utf8_lossy(file).into_owned();
    let texts = lines.lines().map(|line| text_of(line).map(|(_, text, _)| text));
    let texts: Option<Vec<String>> = texts.collect();
    let mut end = batches.ends.pop().unwrap_or(BatchEnd::Completed);
    let texts = texts.filter(|texts| (1..=MOST_LINES).contains(&texts.len()));
    if texts.is_none() {
        end = BatchEnd::Failed("invalid_json_line".to_owned());
    }
    let texts = texts.unwrap_or_default();
    // they end whether they are asked about or not
    for place in 0..batches.batches.len() {
        batches.go_on(&state, place);
    }
    let open = batches.batches.iter().filter(|batch| batch.answered.is_none());
    let open: usize = open.map(|batch| batch.texts.len()).sum();
    if open + texts.len() > batches.most_requests {
        end = BatchEnd::Failed("token_limit_exceeded".to_owned());
    }
    let created = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("a clock");
    let id = batches.name("batch");
    batches.batches.push(Made {
        id,
        input: body.input_file_id,
        metadata: body.metadata,
        since: Instant::now(),
        created: created.as_secs(),
        end,
        answered: None,
        cancelled: false,
        texts,
        paid: Vec::new(),
    });
    let last = batches.batches.len() - 1;
    Ok(Json(batches.described(last)).into_response())
}

pub(super) async fn get(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    check(&state, &headers)?;
    let mut batches = state.batches();
    let place = batches.place(&id)?;
    batches.go_on(&state, place);
    Ok(Json(batches.described(place)).into_response())
}

pub(super) async fn cancel(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    check(&state, &headers)?;
    let mut batches = state.batches();
    let place = batches.place(&id)?;
    batches.batches[place].cancelled = true;
    batches.go_on(&state, place);
    Ok(Json(batches.described(place)).into_response())
}

/// What stands behind a name in the query of an address.
fn asked<'q>(query: Option<&'q str>, name: &str) -> Option<&'q str> {
    let pairs = query.into_iter().flat_map(|query| query.split('&'));
    pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// The newest first.
pub(super) async fn list(Shared(state): Shared<Arc<State>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Answer {
    check(&state, &headers)?;
    let batches = state.batches();
    let from = match asked(query.as_deref(), "after") {
        Some(after) => batches.place(after)?,
        None => batches.batches.len(),
    };
    let limit = asked(query.as_deref(), "limit").and_then(|limit| limit.parse().ok());
    let limit = limit.unwrap_or(PAGE).min(PAGE);
    let data: Vec<Value> = (0..from)
        .rev()
        .take(limit)
        .map(|place| batches.described(place))
        .collect();
    Ok(Json(json!({"object": "list", "has_more": data.len() < from, "data": data})).into_response())
}

/// The name, the text and the length of a line.
fn text_of(line: &str) -> Option<(String, String, usize)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let is_meant = line["method"] == "POST" && line["url"] == "/v1/embeddings";
    let body = &line["body"];
    let text = body["input"].as_str().or_else(|| body["input"][0].as_str())?;
    let dimensions = usize::try_from(body["dimensions"].as_u64()?).ok()?;
    is_meant.then(|| Some((line["custom_id"].as_str()?.to_owned(), text.to_owned(), dimensions)))?
}

impl BatchState {
    fn name(&mut self, kind: &str) -> String {
        self.numbers += 1;
        format!("{kind}-{}", self.numbers)
    }

    fn keep(&mut self, content: Vec<u8>) -> String {
        let id = self.name("file");
        self.files.insert(id.clone(), content);
        id
    }

    fn place(&self, id: &str) -> Result<usize, Response> {
        let place = self.batches.iter().position(|batch| batch.id == id);
        place.ok_or_else(|| missing(id))
    }

    /// A batch whose time has come is answered.
    fn go_on(&mut self, state: &State, place: usize) {
        let time = self.time;
        let batch = &self.batches[place];
        if batch.answered.is_some() || !batch.cancelled && batch.since.elapsed() < time {
            return;
        }
        if let BatchEnd::Failed(_) = batch.end {
            self.batches[place].answered = Some((None, None));
            return;
        }
        let input = self.files.get(&batch.input).cloned().unwrap_or_default();
        let (mut answers, mut errors, mut paid) = (String::new(), String::new(), Vec::new());
        for (number, line) in String::from_utf8_lossy(&input).lines().enumerate() {
            let Some((id, text, dimensions)) = text_of(line) else {
                continue;
            };
            let late = batch.end == BatchEnd::Expired && number % 2 == 1 || batch.cancelled;
            if late {
                let error = json!({"code": "batch_expired", "message": "This request could not be executed in time."});
                errors += &json!({"custom_id": id, "response": null, "error": error}).to_string();
                errors.push('\n');
            } else if state.refused(std::slice::from_ref(&text)).is_some() {
                let body = json!({"error": {"message": "The input was rejected.", "code": "invalid_value"}});
                let response = json!({"status_code": 400, "request_id": "r", "body": body});
                errors += &json!({"custom_id": id, "response": response, "error": null}).to_string();
                errors.push('\n');
            } else {
                let vector = &state.embeddings("text-embedding-3-small", std::slice::from_ref(&text), dimensions)[0];
                let numbers: Vec<f32> = serde_json::from_value(vector.clone()).unwrap_or_default();
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                let data = json!([{"object": "embedding", "index": 0, "embedding": STANDARD.encode(bytes)}]);
                let usage = json!({"prompt_tokens": 2, "total_tokens": 2});
                let body = json!({"object": "list", "data": data, "usage": usage});
                let response = json!({"status_code": 200, "request_id": "r", "body": body});
                let line = json!({"id": number, "custom_id": id, "response": response, "error": null});
                // in no order
                answers = format!("{line}\n{answers}");
                paid.push(text);
            }
        }
        let mut file = |content: String| (!content.is_empty()).then(|| self.keep(content.into_bytes()));
        let answered = (file(answers), file(errors));
        self.batches[place].answered = Some(answered);
        self.batches[place].paid = paid;
    }

    fn described(&self, place: usize) -> Value {
        let batch = &self.batches[place];
        let part = batch.since.elapsed().as_secs_f64() / self.time.as_secs_f64();
        let status = match (&batch.answered, &batch.end) {
            (Some(_), BatchEnd::Failed(_)) => "failed",
            (Some(_), _) if batch.cancelled => "cancelled",
            (Some(_), BatchEnd::Expired) => "expired",
            (Some(_), BatchEnd::Completed) => "completed",
            // it is told of when the batch is looked through
            (None, BatchEnd::Failed(_)) => "validating",
            (None, _) if part < 0.2 && batch.since.elapsed() < VALIDATION => "validating",
            (None, _) if part < 0.8 => "in_progress",
            (None, _) => "finalizing",
        };
        let (output, error) = batch.answered.clone().unwrap_or_default();
        let errors = match (&batch.end, status) {
            (BatchEnd::Failed(code), "failed") => {
                json!({"object": "list", "data": [{"code": code, "message": "Not this one.", "line": null}]})
            }
            _ => Value::Null,
        };
        json!({
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/embeddings",
            "errors": errors,
            "input_file_id": batch.input,
            "completion_window": "24h",
            "status": status,
            "output_file_id": output,
            "error_file_id": error,
            "created_at": batch.created,
            "metadata": batch.metadata,
            "request_counts": {
                "total": if status == "validating" { 0 } else { batch.texts.len() },
                "completed": batch.paid.len(),
                "failed": 0,
            },
        })
    }
}
