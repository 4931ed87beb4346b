//! Models by name, from a server that answers as the Hugging Face hub does.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use pgai_sea::embedder::{Hub, Local, LocalError};
use serde_json::json;

use super::families::{assert_embeds, golden};

const COMMIT: &str = "5c38ec7c405ec4b44b94cc5a9bb96e735b38267a";

/// The directory of a model, and what was asked for.
#[derive(Clone)]
struct Standin {
    dir: PathBuf,
    files: Vec<String>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Standin {
    /// Serves the model `owner/model`, until the handle is aborted.
    async fn start(dir: &Path, more: &[&str]) -> (Self, String, tokio::task::JoinHandle<()>) {
        let standin = Self {
            dir: dir.to_owned(),
            files: files(dir)
                .into_iter()
                .chain(more.iter().map(|file| (*file).to_owned()))
                .collect(),
            asked: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(standin.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (standin, endpoint, serving)
    }

    /// The files that were asked for since the last call.
    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked.dedup(); // a file's size is asked for first
        asked
    }
}

/// The files in a directory and its folders.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|file| format!("{name}/{file}")));
        } else {
            found.push(name);
        }
    }
    found
}

async fn answer(State(standin): State<Standin>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if path == "/api/models/owner/model/revision/main" {
        let siblings: Vec<_> = standin.files.iter().map(|file| json!({"rfilename": file})).collect();
        return Json(json!({"id": "owner/model", "sha": COMMIT, "siblings": siblings})).into_response();
    }
    let Some(file) = path.strip_prefix(&*format!("/owner/model/resolve/{COMMIT}/")) else {
        return (StatusCode::NOT_FOUND, "Repository not found").into_response();
    };
    standin.asked.lock().unwrap().push(file.to_owned());
    let bytes = std::fs::read(standin.dir.join(file)).unwrap();
    let range = headers["range"].to_str().unwrap().strip_prefix("bytes=").unwrap();
    let (first, last) = range.split_once('-').unwrap();
    let first: usize = first.parse().unwrap();
    let last = last
        .parse()
        .map_or(bytes.len() - 1, |last: usize| last.min(bytes.len() - 1));
    let headers = [
        ("x-repo-commit", COMMIT.to_owned()),
        ("etag", format!("\"{}\"", file.replace('/', "-"))),
        ("content-range", format!("bytes {first}-{last}/{}", bytes.len())),
    ];
    (StatusCode::PARTIAL_CONTENT, headers, bytes[first..=last].to_vec()).into_response()
}

/// The client blocks.
async fn load(hub: Hub) -> Result<Local, LocalError> {
    tokio::task::spawn_blocking(move || Local::from_hub(hub)).await.unwrap()
}

#[tokio::test]
async fn a_model_is_fetched_once_and_loaded_without_the_hub_afterwards() {
    // in several files, with modules in folders
    let model = golden("bert").write(|_, _| {});
    let others = ["onnx/model.onnx", "pytorch_model.bin", "README.md"];
    let (standin, endpoint, serving) = Standin::start(model.path(), &others).await;
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::new("owner/model").endpoint(&endpoint).cache_dir(cache.path());

    assert_embeds("bert", &load(hub.clone()).await.unwrap()).await;
    let asked = standin.asked();
    assert!(
        asked.contains(&"model-00002-of-00003.safetensors".to_owned()),
        "{asked:?}"
    );
    assert!(asked.contains(&"2_Dense/model.safetensors".to_owned()), "{asked:?}");
    assert!(!asked.iter().any(|file| others.contains(&&**file)), "{asked:?}");

    load(hub.clone()).await.unwrap();
    assert!(standin.asked().is_empty(), "what is there is not fetched again");
    // a process that ended in the middle
    let snapshot = cache.path().join("models--owner--model/snapshots").join(COMMIT);
    std::fs::remove_file(snapshot.join("model-00003-of-00003.safetensors")).unwrap();
    load(hub.clone()).await.unwrap();
    assert_eq!(standin.asked(), ["model-00003-of-00003.safetensors"]);

    serving.abort();
    serving.await.unwrap_err();
    assert_embeds("bert", &load(hub.clone()).await.unwrap()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let error = load(hub.cache_dir(elsewhere.path())).await.unwrap_err();
    assert!(matches!(error, LocalError::Hub { .. }), "{error:?}");
}

#[tokio::test]
async fn what_the_hub_does_not_have_is_named() {
    let model = tempfile::tempdir().unwrap();
    std::fs::write(model.path().join("config.json"), "{}").unwrap();
    let (_, endpoint, serving) = Standin::start(model.path(), &["pytorch_model.bin"]).await;
    let cache = tempfile::tempdir().unwrap();
    let hub = |name: &str| Hub::new(name).endpoint(&endpoint).cache_dir(cache.path());
    let error = load(hub("owner/other")).await.unwrap_err().to_string();
    assert!(error.contains("owner/other") && error.contains("404"), "{error}");
    let error = load(hub("owner/model")).await.unwrap_err().to_string();
    assert!(error.contains("safetensors"), "{error}");
    serving.abort();
}
