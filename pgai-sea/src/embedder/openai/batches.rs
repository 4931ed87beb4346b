//! OpenAI's batches: a file of requests that is answered within a day, for half the price.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, Url, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::api::IndexedVector;
use crate::embedder::EmbedError;
use crate::embedder::http::{ApiResponse, Endpoint, Rejection};

/// What a batch's requests are for.
pub(super) const ENDPOINT: &str = "/v1/embeddings";
/// The key of a batch's metadata by which it is found.
const TOKEN: &str = "pgai_sea";
/// A file may take so long to upload.
const UPLOAD: Duration = Duration::from_mins(20);
/// A download that is silent for so long has broken off.
const SILENCE: Duration = Duration::from_mins(1);
/// The most bytes of an answer that describes a batch or a file.
const DESCRIPTION: usize = 1 << 20;
/// Batches in a page of their list, and the bytes of such a page.
const PAGE: &str = "100";
const PAGE_BYTES: usize = 4 << 20;
/// A batch is looked for in so many pages, the newest first.
const PAGES: usize = 200;
/// Clocks may differ by so many seconds.
const CLOCKS: u64 = 3_600;

/// A server's interface for batches.
#[derive(Clone, Debug)]
pub(crate) struct Batches {
    api: Endpoint,
    dimensions: usize,
}

/// A batch, as the server describes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Batch {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) input_file_id: Option<String>,
    pub(crate) output_file_id: Option<String>,
    pub(crate) error_file_id: Option<String>,
    #[serde(default)]
    created_at: Option<u64>,
    #[serde(default)]
    metadata: Option<Value>,
    #[serde(default)]
    request_counts: Option<RequestCounts>,
    #[serde(default)]
    errors: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct RequestCounts {
    #[serde(default)]
    completed: i32,
    #[serde(default)]
    failed: i32,
    #[serde(default)]
    total: i32,
}

/// The answer to one line.
#[derive(Debug)]
pub(crate) struct Answered {
    /// What the line was called.
    pub(crate) id: String,
    /// The vector, or why there is none.
    pub(crate) vector: Result<Vec<f32>, String>,
    pub(crate) tokens: u64,
}

/// Whether the account has as many requests or tokens in batches as it may have.
pub(crate) fn is_limit(code: &str) -> bool {
    code.contains("limit_exceeded")
}

impl Batch {
    /// Requests that were answered, that failed, and all.
    pub(crate) fn counts(&self) -> (i32, i32, i32) {
        let counts = self.request_counts.as_ref();
        counts.map_or((0, 0, 0), |counts| (counts.completed, counts.failed, counts.total))
    }

    /// Why it failed as a whole: the code, and the words.
    pub(crate) fn error(&self) -> (String, String) {
        let first = self.errors.as_ref().and_then(|errors| errors.get("data")?.get(0));
        let field = |name: &str| {
            let value = first.and_then(|error| error.get(name)?.as_str());
            value.unwrap_or_default().to_owned()
        };
        (field("code"), field("message"))
    }

    fn has_token(&self, token: &str) -> bool {
        let metadata = self.metadata.as_ref();
        metadata.and_then(|metadata| metadata.get(TOKEN)?.as_str()) == Some(token)
    }
}

impl Batches {
    pub(super) fn new(api: Endpoint, dimensions: usize) -> Self {
        Self { api, dimensions }
    }

    /// Whether the server has such an interface, and takes the key.
    pub(crate) async fn check(&self) -> Result<(), EmbedError> {
        let (request, url) = self.api.request(Method::GET, "batches", &[("limit", "1")])?;
        let response = self.answer(request.timeout(self.api.timeout), url, PAGE_BYTES).await?;
        match Rejection::of(&response) {
            None => Ok(()),
            Some(rejection) if matches!(rejection.status.as_u16(), 404 | 405 | 501) => {
                Err(self.api.configuration(format!(
                    "{} has no interface for batches ({}): let workers embed it, with `pgai-sea worker`",
                    self.api.base_url,
                    rejection.status.as_u16()
                )))
            }
            Some(rejection) => Err(rejection.into_error(&self.api)),
        }
    }

    /// Uploads a batch's lines. Returns the file's name.
    pub(crate) async fn upload(&self, name: &str, lines: &[u8]) -> Result<String, EmbedError> {
        const BOUNDARY: &str = "pgai-sea-7c1f3e5a9b2d4860";
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--{BOUNDARY}\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: \
             application/jsonl\r\n\r\n"
        );
        let mut body = Vec::with_capacity(lines.len() + 1_000);
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(lines);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let (request, url) = self.api.request(Method::POST, "files", &[])?;
        let request = request
            .header(
                header::CONTENT_TYPE,
                format!("multipart/form-data; boundary={BOUNDARY}"),
            )
            .timeout(UPLOAD)
            .body(body);
        Ok(self.described::<File>(request, url).await?.id)
    }

    /// Makes a batch of an uploaded file.
    pub(crate) async fn create(&self, file: &str, token: &str) -> Result<Batch, EmbedError> {
        let (request, url) = self.api.request(Method::POST, "batches", &[])?;
        let body = json!({
            "input_file_id": file,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {TOKEN: token},
        });
        self.described(request.timeout(self.api.timeout).json(&body), url).await
    }

    /// The batch with this token, if there is one. It was made since a moment, in seconds since 1970.
    pub(crate) async fn find(&self, token: &str, since: u64) -> Result<Option<Batch>, EmbedError> {
        let mut after: Option<String> = None;
        for _ in 0..PAGES {
            let mut query = vec![("limit", PAGE)];
            query.extend(after.as_deref().map(|after| ("after", after)));
            let (request, url) = self.api.request(Method::GET, "batches", &query)?;
            let response = self.answer(request.timeout(self.api.timeout), url, PAGE_BYTES).await?;
            if let Some(rejection) = Rejection::of(&response) {
                return Err(rejection.into_error(&self.api));
            }
            let page: Page = self.api.parse(&response)?;
            let created = |batch: Option<&Batch>| batch.and_then(|batch| batch.created_at);
            let (first, last) = (created(page.data.first()), created(page.data.last()));
            // the newest come first: from here on all are older
            let is_past = first >= last && last.is_some_and(|last| last + CLOCKS < since);
            let is_end = !page.has_more || page.data.is_empty() || is_past;
            after = page.data.last().map(|batch| batch.id.clone());
            if let Some(found) = page.data.into_iter().find(|batch| batch.has_token(token)) {
                return Ok(Some(found));
            }
            if is_end {
                break;
            }
        }
        Ok(None)
    }

    /// How far a batch is.
    pub(crate) async fn get(&self, batch: &str) -> Result<Batch, EmbedError> {
        let (request, url) = self.api.request(Method::GET, &format!("batches/{batch}"), &[])?;
        self.described(request.timeout(self.api.timeout), url).await
    }

    /// Gives a batch up. What was answered by then stays, and is paid for.
    pub(crate) async fn cancel(&self, batch: &str) -> Result<(), EmbedError> {
        let (request, url) = self
            .api
            .request(Method::POST, &format!("batches/{batch}/cancel"), &[])?;
        // proxies want a length, and that of no body is not sent
        let request = request.timeout(self.api.timeout).json(&json!({}));
        self.described::<Value>(request, url).await.map(drop)
    }

    /// Removes a file.
    pub(crate) async fn delete(&self, file: &str) -> Result<(), EmbedError> {
        let (request, url) = self.api.request(Method::DELETE, &format!("files/{file}"), &[])?;
        let request = request.timeout(self.api.timeout);
        self.described::<Value>(request, url).await.map(drop)
    }

    /// Reads the answers of a file as they come, at most `most` of them.
    pub(crate) async fn answers(
        &self,
        file: &str,
        most: usize,
        mut each: impl FnMut(Answered) + Send,
    ) -> Result<(), EmbedError> {
        let (request, url) = self.api.request(Method::GET, &format!("files/{file}/content"), &[])?;
        let response = timeout(SILENCE, request.send()).await;
        let response = response.map_err(|_| self.silent(file))?;
        let mut response = response.map_err(|error| self.api.unreachable(url.clone(), error))?;
        if !response.status().is_success() {
            let response = self.api.read(response, DESCRIPTION).await?;
            return Err(match Rejection::of(&response) {
                Some(rejection) => rejection.into_error(&self.api),
                None => self.api.answer("no file"),
            });
        }
        // a number takes up to 25 bytes as JSON, and servers indent
        let most_bytes = self.dimensions.saturating_mul(64).saturating_add(1 << 16);
        let (mut line, mut lines) = (Vec::new(), 0);
        loop {
            let chunk = self.chunk(&mut response, file, &url).await?;
            let is_end = chunk.is_none();
            for byte in chunk.as_deref().unwrap_or(b"\n") {
                if *byte != b'\n' {
                    line.push(*byte);
                    continue;
                }
                if let Some(answered) = answered(&line) {
                    lines += 1;
                    each(answered);
                }
                line.clear();
            }
            if line.len() > most_bytes || lines > most {
                return Err(self.api.answer(format!(
                    "the file {file} has more in it than the answers to the batch's texts can need"
                )));
            }
            if is_end {
                return Ok(());
            }
        }
    }

    async fn chunk(
        &self,
        response: &mut Response,
        file: &str,
        url: &Url,
    ) -> Result<Option<impl std::ops::Deref<Target = [u8]>>, EmbedError> {
        let chunk = timeout(SILENCE, response.chunk()).await;
        let chunk = chunk.map_err(|_| self.silent(file))?;
        chunk.map_err(|error| self.api.unreachable(url.clone(), error))
    }

    fn silent(&self, file: &str) -> EmbedError {
        let said = format!("no more of it came within {} s", SILENCE.as_secs());
        self.api.silent(&format!("files/{file}/content"), said)
    }

    async fn described<T: DeserializeOwned>(&self, request: RequestBuilder, url: Url) -> Result<T, EmbedError> {
        let response = self.answer(request, url, DESCRIPTION).await?;
        match Rejection::of(&response) {
            Some(rejection) => Err(rejection.into_error(&self.api)),
            None => self.api.parse(&response),
        }
    }

    async fn answer(&self, request: RequestBuilder, url: Url, most: usize) -> Result<ApiResponse, EmbedError> {
        let response = request.send().await;
        let response = response.map_err(|error| self.api.unreachable(url, error))?;
        self.api.read(response, most).await
    }
}

#[derive(Deserialize)]
struct File {
    id: String,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Batch>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Line {
    custom_id: String,
    response: Option<LineResponse>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct LineResponse {
    status_code: u16,
    body: Option<LineBody>,
}

#[derive(Deserialize)]
struct LineBody {
    #[serde(default)]
    data: Vec<IndexedVector>,
    usage: Option<Value>,
    error: Option<Value>,
}

/// The answer in a line. `None` for a line that is none: its text has no vector then.
fn answered(line: &[u8]) -> Option<Answered> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let said = |error: &Value| {
        let message = error.get("message").or_else(|| error.get("code"));
        message.and_then(Value::as_str).map(str::to_owned)
    };
    let mut reason = line.error.as_ref().and_then(said);
    let (mut vector, mut tokens) = (None, 0);
    if let Some(LineResponse { status_code, body }) = line.response {
        if let Some(body) = body {
            let counted = body
                .usage
                .as_ref()
                .and_then(|usage| usage.get("total_tokens")?.as_u64());
            tokens = counted.unwrap_or_default();
            reason = reason.or_else(|| body.error.as_ref().and_then(said));
            vector = body.data.into_iter().next().filter(|_| status_code == 200);
        }
        reason = reason.or_else(|| Some(format!("status {status_code}")));
    }
    Some(Answered {
        id: line.custom_id,
        vector: vector
            .map(|vector| vector.embedding.0)
            .ok_or_else(|| reason.unwrap_or_else(|| "no answer".to_owned())),
        tokens,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_vector_or_a_reason() {
        let of = |line: &str| answered(line.as_bytes()).map(|answered| (answered.id, answered.vector, answered.tokens));
        let good = r#"{"custom_id": "a", "error": null, "response": {"status_code": 200, "body":
            {"data": [{"index": 0, "embedding": [0.5, 1]}], "usage": {"total_tokens": 3}}}}"#;
        assert_eq!(of(good), Some(("a".to_owned(), Ok(vec![0.5, 1.0]), 3)));
        let refused = r#"{"custom_id": "a", "response": {"status_code": 400, "body": {"error": {"message": "no"}}}}"#;
        assert_eq!(of(refused), Some(("a".to_owned(), Err("no".to_owned()), 0)));
        let expired = r#"{"custom_id": "a", "response": null, "error": {"code": "batch_expired", "message": "late"}}"#;
        assert_eq!(of(expired), Some(("a".to_owned(), Err("late".to_owned()), 0)));
        assert_eq!((of(""), of("{}")), (None, None));
    }

    #[test]
    fn a_batch_says_why_it_failed() {
        let batch: Batch = serde_json::from_value(json!({
            "id": "b", "status": "failed", "metadata": {TOKEN: "t"}, "created_at": 1,
            "errors": {"data": [{"code": "token_limit_exceeded", "message": "too much"}]}
        }))
        .unwrap();
        assert!(batch.has_token("t") && !batch.has_token("u"));
        let (code, message) = batch.error();
        assert!(is_limit(&code) && message == "too much");
        assert_eq!(batch.counts(), (0, 0, 0));
    }
}
