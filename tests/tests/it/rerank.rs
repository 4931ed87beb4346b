//! Rerankers, against servers that speak the real protocols.

use std::time::Duration;

use pgai_sea::prelude::*;
use pgai_sea::rerank::{Cohere, Jina, RerankServer, TextEmbeddingsInference, VoyageAi};
use pgai_sea_tests::providers::{Api, Fault, Provider, relevance};
use pgai_sea_tests::{Catalog, on_catalog};
use serde_json::json;

use crate::embedder::answers::{Answers, answer};

const QUERY: &str = "lamp of the lighthouse";

fn cohere(provider: &Provider) -> Cohere {
    Cohere::new("rerank-v3.5")
        .api_key(Provider::API_KEY)
        .base_url(provider.url("cohere"))
}

fn all(provider: &Provider) -> Vec<Box<dyn Reranker>> {
    let key = Provider::API_KEY;
    vec![
        Box::new(cohere(provider)),
        Box::new(
            VoyageAi::new("rerank-2.5")
                .api_key(key)
                .base_url(provider.url("voyage/v1")),
        ),
        Box::new(
            Jina::new("jina-reranker-v2")
                .api_key(key)
                .base_url(provider.url("jina/v1/rerank")),
        ),
        Box::new(RerankServer::new(provider.openai_url()).model("bge-reranker")),
        Box::new(TextEmbeddingsInference::new(provider.url("inference"))),
    ]
}

fn passages(count: usize) -> Vec<String> {
    let words = ["lamp", "of", "the", "lighthouse", "bread", "salt"];
    (0..count)
        .map(|i| format!("{} {} {i}", words[i % 6], words[i / 6 % 6]))
        .collect()
}

#[tokio::test]
async fn every_servers_scores_are_those_of_the_passages() {
    let provider = Provider::start();
    for count in [1, 2, 40, 1_001] {
        let passages = passages(count);
        let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
        let expected: Vec<f32> = passages.iter().map(|passage| relevance(QUERY, passage)).collect();
        for reranker in all(&provider) {
            let scores = reranker.rerank(QUERY, &passages).await.unwrap();
            assert_eq!(scores, expected, "{reranker:?}");
        }
    }
    for reranker in all(&provider) {
        assert_eq!(reranker.rerank(QUERY, &[]).await.unwrap(), [0.0; 0]);
    }
    let requests = provider.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.api == Api::Rerank && request.body["query"] == QUERY)
    );
    // 1,001 passages are two requests, or 32
    assert_eq!(requests.len(), 3 * 4 + 4 * 2 + 1 + 1 + 2 + 32);
    assert_eq!(
        requests[0].body,
        json!({"model": "rerank-v3.5", "query": QUERY, "documents": ["lamp lamp 0"]})
    );
    let inference = requests
        .iter()
        .find(|request| request.body.get("texts").is_some())
        .unwrap();
    assert_eq!(
        inference.body,
        json!({"query": QUERY, "texts": ["lamp lamp 0"], "truncate": true})
    );
}

#[tokio::test]
async fn what_goes_wrong_is_said() {
    let provider = Provider::start();
    let said = async |reranker: &dyn Reranker| reranker.rerank(QUERY, &["a", "b"]).await.unwrap_err();
    for reranker in all(&provider) {
        provider.next(Fault::TooManyRequests(Some(7)));
        let error = said(&*reranker).await;
        assert!(error.to_string().contains("try again later: slow down"), "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        for fault in [Fault::ServerError, Fault::Truncated, Fault::Cut, Fault::Page] {
            provider.next(fault.clone());
            said(&*reranker).await;
        }
        assert!(reranker.rerank(QUERY, &["a"]).await.is_ok());
    }
    let error = said(&cohere(&provider).api_key("co-wrong-key")).await;
    assert!(error.to_string().starts_with("cohere cannot rerank: "), "{error}");
    assert!(!format!("{error} {error:?}").contains("co-wrong-key"), "{error:?}");

    provider.hold();
    let error = said(&cohere(&provider).timeout(Duration::from_millis(100))).await;
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    provider.release();
}

#[tokio::test]
async fn a_long_passage_is_cut() {
    let provider = Provider::start();
    let long = "lighthouse ".repeat(100);
    cohere(&provider)
        .max_tokens(3)
        .rerank(QUERY, &[&long, "short"])
        .await
        .unwrap();
    assert_eq!(provider.texts(), ["lighthouse l", "short"]);
}

/// What no server should answer, and some do.
#[tokio::test]
async fn scores_that_do_not_fit_are_refused() {
    for (body, said) in [
        (
            r#"{"results":[{"index":0,"relevance_score":0.5}]}"#,
            "not every passage has a score",
        ),
        (
            r#"{"results":[{"index":0,"score":0.5},{"index":2,"score":1}]}"#,
            "a score for passage 2 of 2",
        ),
        (
            r#"[{"index":0,"score":0.5},{"index":0,"score":0.5}]"#,
            "passage 0 has no score, or two",
        ),
        (r#"{"data":[{"index":0,"score":1e99},{"index":1,"score":0.5}]}"#, ""),
        (r#"{"data":[{"index":-1,"score":0.5}]}"#, "not the JSON"),
        ("[0.5, 0.7]", "not the JSON"),
        ("", "not the JSON"),
    ] {
        let server = Answers::start(vec![answer("200 OK", &[], body)]).await;
        let error = RerankServer::new(&server.url)
            .rerank(QUERY, &["a", "b"])
            .await
            .unwrap_err();
        assert!(error.to_string().contains(said), "{body}: {error}");
    }
    let endless = format!("{{\"results\":\"{}\"}}", "x".repeat(4 << 20));
    let server = Answers::start(vec![answer("200 OK", &[], &endless)]).await;
    let error = RerankServer::new(&server.url)
        .rerank(QUERY, &["a", "b"])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("more than"), "{error}");
}

/// From the search to the server and back, and what the hits say when it fails.
#[tokio::test]
async fn a_search_is_reranked_or_keeps_its_order() {
    use crate::search::notes::{create, note, vector};

    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        let provider = Provider::start();
        let reranker = RerankServer::new(provider.openai_url());
        let search = || {
            let search = note::embeddings::Entity::search(vector(7)).limit(20);
            search
                .rerank(&reranker, "note 1", |hit: &Hit<i32>| hit.embedding.chunk.clone())
                .window(20)
        };
        let hits = search().all(&test.db).await?;
        let scores: Vec<f64> = hits.iter().filter_map(|hit| hit.rerank_score).collect();
        assert!(scores.len() == 20 && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
        provider.always(Fault::ServerError);
        let error = search().all(&test.db).await.unwrap_err();
        assert!(matches!(error, SearchError::Rerank(_)), "{error}");
        let kept = search().or_keep_order().all(&test.db).await?;
        assert!(kept.is_sorted_by(|a, b| a.distance <= b.distance));
        assert!(
            kept.kept_order().is_some_and(|why| why.contains("something broke")),
            "{:?}",
            kept.kept_order()
        );
        Ok(())
    })
    .await;
}
