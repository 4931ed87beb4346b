//! Ollama's API: what is asked, what its answers mean, and pulling models.

use std::sync::Arc;

use pgai_sea::embedder::{EmbedError, Ollama};
use pgai_sea_tests::providers::{Provider, embedding_of};
use serde_json::{Value, json};

use super::answers::{Answers, answer};
use super::embed;

#[tokio::test]
async fn options_and_keep_alive_are_passed_on() {
    let provider = Provider::start();
    provider.install("m", 2);
    let ollama = Ollama::new("m", 2)
        .base_url(provider.ollama_url().trim_start_matches("http://"))
        .options(json!({ "num_ctx": 2048 }));
    for (keep_alive, sent) in [("5m", json!("5m")), ("-1", json!(-1)), ("300", json!(300))] {
        embed(&ollama.clone().keep_alive(keep_alive), &["a", "b"])
            .await
            .unwrap();
        let body = provider.requests().pop().unwrap().body;
        assert_eq!(
            body,
            json!({ "model": "m", "input": ["a", "b"], "options": { "num_ctx": 2048 }, "keep_alive": sent })
        );
    }
    embed(&Ollama::new("m", 2).base_url(provider.ollama_url()), &["a"])
        .await
        .unwrap();
    assert_eq!(
        provider.requests().pop().unwrap().body,
        json!({ "model": "m", "input": ["a"] })
    );
}

#[tokio::test]
async fn requests_side_by_side_pull_a_missing_model_once() {
    let provider = Provider::start();
    provider.publish("m", 4);
    provider.hold();
    let ollama = Arc::new(Ollama::new("m", 4).base_url(provider.ollama_url()));
    let requests: Vec<_> = (0..4)
        .map(|number| {
            let ollama = Arc::clone(&ollama);
            tokio::spawn(async move { embed(&*ollama, &[&number.to_string()]).await })
        })
        .collect();
    provider.wait_for_requests(4).await; // all have found it missing before the first pull
    provider.release();
    for (number, request) in requests.into_iter().enumerate() {
        let vectors = request.await.unwrap().unwrap();
        assert_eq!(vectors, [embedding_of("m", &number.to_string(), 4)]);
    }
    assert_eq!(provider.pulled(), ["m"]);
}

#[tokio::test]
async fn a_model_that_does_not_exist_is_a_configuration_error() {
    let provider = Provider::start();
    let ollama = Ollama::new("no-such-model", 4).base_url(provider.ollama_url());
    let error = embed(&ollama, &["a"]).await.unwrap_err();
    assert!(matches!(error, EmbedError::Configuration { .. }), "{error:?}");
    let shown = error.to_string();
    assert!(
        shown.contains("`no-such-model` cannot be pulled: pull model manifest"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_pull_that_ends_early_is_no_success() {
    let missing = json!({ "error": "model \"m\" not found, try pulling it first" }).to_string();
    let server = Answers::start(vec![
        answer("404 Not Found", &[], &missing),
        answer(
            "200 OK",
            &[],
            "{\"status\":\"pulling manifest\"}\n{\"status\":\"pulling",
        ),
    ])
    .await;
    let error = embed(&Ollama::new("m", 1).base_url(&server.url), &["a"])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("ended without success"), "{error}");
    let pull = server.requests().await.pop().unwrap();
    let (head, body) = pull.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /api/pull "), "{head}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({ "model": "m" }));
}

#[tokio::test]
async fn a_server_without_the_path_is_not_asked_to_pull() {
    let server = Answers::start(vec![answer("404 Not Found", &[], "404 page not found")]).await;
    let error = embed(&Ollama::new("m", 1).base_url(&server.url), &["a"])
        .await
        .unwrap_err();
    assert!(matches!(error, EmbedError::Configuration { .. }), "{error:?}");
    assert!(error.to_string().contains("404 page not found"), "{error}");
    assert_eq!(server.requests().await.len(), 1);
}

#[tokio::test]
async fn a_text_that_breaks_the_model_is_refused_and_a_broken_model_is_not() {
    for (message, transient) in [
        ("failed to encode response: json: unsupported value: NaN", false),
        ("the input length exceeds the context length", false),
        ("model runner has unexpectedly stopped", true),
    ] {
        let body = json!({ "error": message }).to_string();
        let server = Answers::start(vec![answer("500 Internal Server Error", &[], &body)]).await;
        let error = embed(&Ollama::new("m", 1).base_url(&server.url), &["a"])
            .await
            .unwrap_err();
        assert_eq!(error.is_transient(), transient, "{error:?}");
        assert_eq!(matches!(error, EmbedError::Refused { .. }), !transient, "{error:?}");
        assert!(error.to_string().contains(message), "{error}");
    }
}
