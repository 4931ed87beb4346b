//! Rerankers, against servers that speak the real protocols.

use std::time::Duration;

use pgai_sea::embedder::LocalError;
use pgai_sea::prelude::*;
use pgai_sea::rerank::{Cohere, Jina, LocalReranker, RerankServer, TextEmbeddingsInference, VoyageAi};
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

/// A cross-encoder of seeded weights: its network is compared with the definition in the tests of pgai-sea-bert. This
/// is about the files, the pairs of tokens and the function behind the score.
fn cross_encoder(config: &serde_json::Value) -> tempfile::TempDir {
    const HIDDEN: usize = 12;
    let dir = tempfile::tempdir().unwrap();
    let tokenizer = real_parts::minilm_dir().unwrap().join("tokenizer.json");
    std::os::unix::fs::symlink(tokenizer, dir.path().join("tokenizer.json")).unwrap();
    let mut all = json!({
        "model_type": "bert", "vocab_size": 30_522, "hidden_size": HIDDEN, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 24, "hidden_act": "gelu", "max_position_embeddings": 32,
        "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    });
    all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    std::fs::write(dir.path().join("config.json"), all.to_string()).unwrap();

    let layer = "bert.encoder.layer.0";
    let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
    for (name, rows) in [("word", 30_522), ("position", 32), ("token_type", 2)] {
        shapes.push((format!("bert.embeddings.{name}_embeddings.weight"), vec![rows, HIDDEN]));
    }
    for norm in [
        "bert.embeddings",
        &format!("{layer}.attention.output"),
        &format!("{layer}.output"),
    ] {
        shapes.push((format!("{norm}.LayerNorm.weight"), vec![HIDDEN]));
        shapes.push((format!("{norm}.LayerNorm.bias"), vec![HIDDEN]));
    }
    for (name, to, from) in [
        (format!("{layer}.attention.self.query"), HIDDEN, HIDDEN),
        (format!("{layer}.attention.self.key"), HIDDEN, HIDDEN),
        (format!("{layer}.attention.self.value"), HIDDEN, HIDDEN),
        (format!("{layer}.attention.output.dense"), HIDDEN, HIDDEN),
        (format!("{layer}.intermediate.dense"), 24, HIDDEN),
        (format!("{layer}.output.dense"), HIDDEN, 24),
        ("bert.pooler.dense".to_owned(), HIDDEN, HIDDEN),
        ("classifier".to_owned(), 1, HIDDEN),
    ] {
        shapes.push((format!("{name}.weight"), vec![to, from]));
        shapes.push((format!("{name}.bias"), vec![to]));
    }
    // safetensors: the length of a header of JSON, the header, the numbers
    let mut random = pgai_sea_tests::Random::new(1);
    let (mut header, mut numbers) = (serde_json::Map::new(), Vec::new());
    for (name, shape) in shapes {
        let begin = numbers.len();
        for _ in 0..shape.iter().product() {
            let number = f32::from(u16::try_from(random.below(2_001)).unwrap()) / 1_000.0 - 1.0;
            numbers.extend(number.to_le_bytes());
        }
        header.insert(
            name,
            json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, numbers.len()]}),
        );
    }
    let header = serde_json::Value::from(header).to_string();
    let mut file = u64::try_from(header.len()).unwrap().to_le_bytes().to_vec();
    file.extend(header.into_bytes());
    file.extend(numbers);
    std::fs::write(dir.path().join("model.safetensors"), file).unwrap();
    dir
}

#[tokio::test]
async fn a_cross_encoder_runs_in_this_process() {
    let identity = json!({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}});
    let dir = cross_encoder(&identity);
    let model = LocalReranker::from_dir(dir.path()).unwrap();
    let passages = passages(20);
    let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
    let scores = model.rerank(QUERY, &passages).await.unwrap();
    let close = |a: f32, b: f32| (a - b).abs() < 1e-5;
    assert!(scores.iter().any(|score| !close(*score, scores[0])), "{scores:?}");
    // whatever stands beside a passage, and wherever it stands
    for (passage, score) in passages.iter().zip(&scores) {
        assert!(close(model.rerank(QUERY, &[passage]).await.unwrap()[0], *score));
    }
    assert!(model.rerank(QUERY, &[]).await.unwrap().is_empty());
    // question and passage are not the same to it
    let [there, back] = [(QUERY, passages[0]), (passages[0], QUERY)];
    let there = model.rerank(there.0, &[there.1]).await.unwrap()[0];
    let back = model.rerank(back.0, &[back.1]).await.unwrap()[0];
    assert!(!close(there, back), "{there} {back}");
    // longer than it reads
    let long = "lighthouse ".repeat(500);
    assert!(model.rerank(QUERY, &[&long]).await.unwrap()[0].is_finite());

    let logistic = LocalReranker::from_dir(cross_encoder(&json!({})).path()).unwrap();
    let bounded = logistic.rerank(QUERY, &passages).await.unwrap();
    let expected = scores.iter().map(|score| 1.0 / (1.0 + (-score).exp()));
    assert!(
        bounded
            .iter()
            .zip(expected)
            .all(|(found, expected)| close(*found, expected))
    );

    let other = json!({"sbert_ce_default_activation_function": "torch.nn.modules.activation.Tanh"});
    let error = LocalReranker::from_dir(cross_encoder(&other).path()).unwrap_err();
    assert!(matches!(error, LocalError::Unsupported { .. }), "{error}");
    let error = LocalReranker::from_dir(real_parts::minilm_dir().unwrap()).unwrap_err();
    assert!(
        error.to_string().contains("classifier"),
        "an embedding model has no such head: {error}"
    );
}
