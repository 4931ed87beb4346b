//! What LiteLLM reaches, provider by provider: what is asked, and what the answers mean.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pgai_sea::config::Embedding;
use pgai_sea::embedder::{EmbedError, Embedder, InputType, LiteLlm, from_config};
use serde_json::{Value, json};

use super::answers::{Answers, answer};
use super::{body, embed, everything};

const KEY: &str = "key-0123456789";

/// The embedder of a stored configuration, where only these variables are set.
fn build(model: &str, more: &Value, variables: &[(&str, &str)]) -> Result<Arc<dyn Embedder>, EmbedError> {
    let mut config =
        json!({ "implementation": "litellm", "config_type": "embedding", "model": model, "dimensions": 2 });
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let config: Embedding = serde_json::from_value(config).unwrap();
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    from_config(&config, |name| variables.get(name).map(|&value| value.to_owned()))
}

/// What a provider is asked for two texts, its answer being in this form, and that the vectors arrive in order.
async fn asked(model: &str, options: Value, variables: &[(&str, &str)], response: Value) -> (String, Value) {
    let server = Answers::start(vec![answer("200 OK", &[], &response.to_string())]).await;
    let address = |text: &str| text.replace("SERVER", &server.url);
    let options: Value = serde_json::from_str(&address(&options.to_string())).unwrap();
    let variables: Vec<(&str, String)> = variables.iter().map(|(name, value)| (*name, address(value))).collect();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let embedder = build(model, &json!({ "extra_options": options }), &variables).unwrap();
    let shown = format!("{embedder:?}");
    assert!(!shown.contains(KEY) && !shown.contains("hunter2"), "{shown}");
    assert_eq!(
        embed(&*embedder, &["a", "b"]).await.unwrap(),
        [[0., 1.], [1., 0.]],
        "{model}"
    );
    let request = server.requests().await.pop().unwrap();
    let head = request.split_once("\r\n\r\n").unwrap().0.to_ascii_lowercase();
    (head, body(&request))
}

fn openais() -> Value {
    json!({ "data": [{ "index": 1, "embedding": [1, 0] }, { "index": 0, "embedding": [0, 1] }] })
}

#[tokio::test]
async fn cohere() {
    let key = [("COHERE_API_KEY", KEY)];
    let by_type = json!({ "id": "1", "embeddings": { "float": [[0, 1], [1, 0]] }, "texts": ["a", "b"] });
    let (head, body) = asked(
        "cohere/embed-v4.0",
        json!({ "api_base": "SERVER" }),
        &key,
        by_type.clone(),
    )
    .await;
    assert!(head.starts_with("post /v2/embed http/1.1"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {KEY}\r\n")), "{head}");
    let texts = ["a", "b"];
    assert_eq!(
        body,
        json!({
            "model": "embed-v4.0", "texts": texts, "input_type": "search_document", "embedding_types": ["float"],
            "output_dimension": 2,
        })
    );
    // LiteLLM takes the whole address; a model without a prefix is Cohere's by its name; a gateway may leave out the
    // type
    let plain = json!({ "embeddings": [[0, 1], [1, 0]] });
    let options = json!({ "api_base": "SERVER/v1/embed", "input_type": "clustering", "truncate": "START" });
    let (head, body) = asked("embed-english-v3.0", options, &key, plain).await;
    assert!(head.starts_with("post /v2/embed http/1.1"), "{head}");
    assert_eq!(
        body,
        json!({
            "model": "embed-english-v3.0", "texts": texts, "input_type": "clustering", "embedding_types": ["float"],
            "truncate": "START",
        })
    );

    let server = Answers::start(vec![answer("200 OK", &[], &by_type.to_string())]).await;
    let cohere = LiteLlm::new("cohere/embed-english-v3.0", 2)
        .api_key(KEY)
        .api_base(&server.url);
    let cohere = cohere.build(|_| None).unwrap();
    cohere.embed(&["a", "b"], InputType::Query).await.unwrap();
    assert_eq!(super::body(&server.requests().await[0])["input_type"], "search_query");
}

#[tokio::test]
async fn mistral() {
    let variables = [("MISTRAL_API_KEY", KEY), ("MISTRAL_API_BASE", "SERVER/v1")];
    let (head, body) = asked("mistral/mistral-embed", json!({}), &variables, openais()).await;
    assert!(head.starts_with("post /v1/embeddings http/1.1"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {KEY}\r\n")), "{head}");
    assert_eq!(body, json!({ "model": "mistral-embed", "input": ["a", "b"] }));
    let options = json!({ "dimensions": 2, "num_retries": 3, "encoding_format": "float" });
    let (_, body) = asked("mistral/codestral-embed", options, &variables, openais()).await;
    assert_eq!(
        body,
        json!({ "model": "codestral-embed", "input": ["a", "b"], "output_dimension": 2 })
    );
}

#[tokio::test]
async fn azure() {
    let variables = [("AZURE_API_KEY", KEY), ("AZURE_API_BASE", "SERVER/")];
    let (head, body) = asked("azure/text-embedding-3-small", json!({}), &variables, openais()).await;
    let path = "/openai/deployments/text-embedding-3-small/embeddings?api-version=2024-10-21";
    assert!(head.starts_with(&format!("post {path} http/1.1")), "{head}");
    assert!(head.contains(&format!("\r\napi-key: {KEY}\r\n")), "{head}");
    assert!(!head.contains("authorization"), "{head}");
    assert_eq!(body["dimensions"], 2);
    // nobody knows what runs in a deployment of another name
    let options = json!({ "api_version": "2023-05-15" });
    let (head, body) = asked("azure/ours", options, &variables, openais()).await;
    assert!(
        head.starts_with("post /openai/deployments/ours/embeddings?api-version=2023-05-15 http/1.1"),
        "{head}"
    );
    assert_eq!(body, json!({ "model": "ours", "input": ["a", "b"] }));

    let error = build("azure/ours", &json!({}), &[("AZURE_API_KEY", KEY)]).unwrap_err();
    assert!(error.to_string().contains("`AZURE_API_BASE`"), "{error}");
}

/// Of a redirected request's headers HTTP clients take `Authorization` out, and know of no other.
#[tokio::test]
async fn a_redirection_does_not_lead_the_key_to_another_host() {
    let other = Answers::start(vec![answer("200 OK", &[], &openais().to_string())]).await;
    let location = format!("location: {}/elsewhere?token=hunter2", other.url);
    for status in ["307 Temporary Redirect", "308 Permanent Redirect", "302 Found"] {
        let server = Answers::start(vec![answer(status, &[&location], "")]).await;
        let variables = [("AZURE_API_KEY", KEY), ("AZURE_API_BASE", server.url.as_str())];
        let azure = build("azure/ours", &json!({}), &variables).unwrap();
        let error = embed(&*azure, &["a", "b"]).await.unwrap_err();
        assert!(matches!(error, EmbedError::Configuration { .. }), "{error:?}");
        let shown = everything(&error);
        let says = format!(
            "redirects ({}) to {}/elsewhere: set the base URL",
            &status[..3],
            other.url
        );
        assert!(shown.contains(&server.url) && shown.contains(&says), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(other.is_waiting());
    }
}

#[tokio::test]
async fn huggingface() {
    let vectors = json!([[0, 1], [1, 0]]);
    let options = json!({ "api_base": "SERVER/model", "normalize": true, "task_type": "feature-extraction" });
    let (head, body) = asked("huggingface/BAAI/bge-small-en", options, &[("HF_TOKEN", KEY)], vectors).await;
    assert!(head.starts_with("post /model http/1.1"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {KEY}\r\n")), "{head}");
    assert_eq!(body, json!({ "inputs": ["a", "b"], "normalize": true }));
    let public = build(
        "huggingface/BAAI/bge-small-en",
        &json!({}),
        &[("HUGGINGFACE_API_KEY", KEY)],
    )
    .unwrap();
    let public = format!("{public:?}");
    assert!(
        public.contains("/models/BAAI/bge-small-en/pipeline/feature-extraction"),
        "{public}"
    );

    // a model that is being loaded
    let loading =
        json!({ "error": "Model BAAI/bge-small-en is currently loading", "estimated_time": 20.5 }).to_string();
    let server = Answers::start(vec![answer("503 Service Unavailable", &[], &loading)]).await;
    let model = LiteLlm::new("huggingface/BAAI/bge-small-en", 2)
        .api_base(&server.url)
        .build(|_| None)
        .unwrap();
    let error = embed(&*model, &["a"]).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_millis(20_500)), "{error:?}");
    // one that has a vector for each token
    let tokens = json!([[[0, 1], [1, 0]]]).to_string();
    let server = Answers::start(vec![answer("200 OK", &[], &tokens)]).await;
    let model = LiteLlm::new("huggingface/bert", 2)
        .api_base(&server.url)
        .build(|_| None)
        .unwrap();
    let error = embed(&*model, &["a"]).await.unwrap_err();
    assert!(matches!(error, EmbedError::Answer { .. }), "{error:?}");
}

#[tokio::test]
async fn openai_voyage_and_ollama() {
    let (head, body) = asked(
        "openai/text-embedding-3-small",
        json!({ "user": "somebody" }),
        &[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", "SERVER/v1")],
        openais(),
    )
    .await;
    assert!(head.starts_with("post /v1/embeddings http/1.1"), "{head}");
    assert_eq!(
        body,
        json!({ "model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 2, "user": "somebody" })
    );
    let options = json!({ "api_base": "SERVER/v1/embeddings", "dimensions": 2 });
    let (head, body) = asked("voyage/voyage-3.5", options, &[("VOYAGE_API_KEY", KEY)], openais()).await;
    assert!(head.starts_with("post /v1/embeddings http/1.1"), "{head}");
    assert_eq!(
        body,
        json!({ "model": "voyage-3.5", "input": ["a", "b"], "input_type": "document", "output_dimension": 2 })
    );
    let options = json!({ "num_ctx": 512, "keep_alive": "5m" });
    let vectors = json!({ "embeddings": [[0, 1], [1, 0]] });
    let (head, body) = asked("ollama/all-minilm", options, &[("OLLAMA_API_BASE", "SERVER")], vectors).await;
    assert!(head.starts_with("post /api/embed http/1.1"), "{head}");
    assert_eq!(
        body,
        json!({ "model": "all-minilm", "input": ["a", "b"], "options": { "num_ctx": 512 }, "keep_alive": "5m" })
    );
}

#[tokio::test]
async fn the_proxy_gets_what_its_configuration_calls_the_model() {
    let proxy = [("LITELLM_PROXY_API_BASE", "SERVER"), ("LITELLM_PROXY_API_KEY", KEY)];
    let always = [proxy[0], proxy[1], ("USE_LITELLM_PROXY", "True")];
    for (model, variables, asked_for) in [
        ("litellm_proxy/our-model", &proxy[..], "our-model"),
        (
            "bedrock/amazon.titan-embed-text-v2",
            &proxy[..],
            "bedrock/amazon.titan-embed-text-v2",
        ),
        ("our-model", &proxy[..], "our-model"),
        ("cohere/embed-v4.0", &always[..], "cohere/embed-v4.0"),
    ] {
        let options = json!({ "dimensions": 2, "extra": "hunter2" });
        let (head, body) = asked(model, options, variables, openais()).await;
        assert!(head.starts_with("post /embeddings http/1.1"), "{head}");
        assert!(head.contains(&format!("authorization: bearer {KEY}\r\n")), "{head}");
        assert_eq!(
            body,
            json!({ "model": asked_for, "input": ["a", "b"], "dimensions": 2, "extra": "hunter2" })
        );
    }
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for (model, more, says) in [
        ("cohere/m", json!({}), "`COHERE_API_KEY`"),
        ("cohere/m", json!({ "api_key_name": "TEAM_KEY" }), "`TEAM_KEY`"),
        ("mistral/m", json!({}), "`MISTRAL_API_KEY`"),
        ("huggingface/m", json!({}), "`HUGGINGFACE_API_KEY`"),
        ("voyage/m", json!({}), "`VOYAGE_API_KEY`"),
        ("litellm_proxy/m", json!({}), "`LITELLM_PROXY_API_BASE`"),
        ("bedrock/m", json!({}), "there is no way to `bedrock/m` here"),
        ("m", json!({}), "there is no way to `m` here"),
        (
            "cohere/m",
            json!({ "extra_options": { "api_key": KEY } }),
            "everyone who reads the catalog can read it",
        ),
        (
            "cohere/m",
            json!({ "extra_options": { "timeout": "long" } }),
            "`timeout` is not a number",
        ),
        (
            "cohere/m",
            json!({ "extra_options": { "api_base": 7 } }),
            "`api_base` is not a text",
        ),
        (
            "cohere/m",
            json!({ "extra_options": [KEY] }),
            "extra_options is not an object",
        ),
    ] {
        let error = build(model, &more, &[]).unwrap_err();
        assert!(matches!(error, EmbedError::Configuration { .. }), "{error:?}");
        let shown = everything(&error);
        assert!(shown.contains(says) && !shown.contains(KEY), "{shown}");
    }
}

#[tokio::test]
async fn a_status_says_whose_trouble_it_is_and_no_secret() {
    for (model, status, response, is) in [
        (
            "cohere/m",
            "400 Bad Request",
            json!({ "message": "invalid request: too long" }),
            "Refused",
        ),
        (
            "cohere/m",
            "404 Not Found",
            json!({ "message": "model 'm' not found" }),
            "Configuration",
        ),
        (
            "cohere/m",
            "401 Unauthorized",
            json!({ "message": format!("invalid api token {KEY}") }),
            "Configuration",
        ),
        (
            "cohere/m",
            "429 Too Many Requests",
            json!({ "message": "trial key" }),
            "Unavailable",
        ),
        (
            "mistral/m",
            "400 Bad Request",
            json!({ "message": "Too many tokens in batch", "code": "3210" }),
            "Refused",
        ),
        (
            "mistral/m",
            "422 Unprocessable Entity",
            json!({ "detail": [{ "msg": "bad" }] }),
            "Refused",
        ),
        (
            "azure/m",
            "404 Not Found",
            json!({ "error": { "code": "DeploymentNotFound", "message": "no" } }),
            "Configuration",
        ),
        (
            "azure/m",
            "429 Too Many Requests",
            json!({ "error": { "code": "429", "message": "wait" } }),
            "Unavailable",
        ),
        (
            "huggingface/m",
            "413 Payload Too Large",
            json!({ "error": "too long", "error_type": "Validation" }),
            "Refused",
        ),
        (
            "huggingface/m",
            "424 Failed Dependency",
            json!({ "error": "inference failed" }),
            "Unavailable",
        ),
        (
            "litellm_proxy/m",
            "500 Internal Server Error",
            json!({ "error": { "message": "x" } }),
            "Unavailable",
        ),
    ] {
        let server = Answers::start(vec![answer(status, &["retry-after: 7"], &response.to_string())]).await;
        let embedder = LiteLlm::new(model, 2)
            .api_key(KEY)
            .api_base(&server.url)
            .build(|_| None)
            .unwrap();
        let error = embed(&*embedder, &["a text"]).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(is), "{model} {status}: {error:?}");
        assert_eq!(
            error.retry_after(),
            (is == "Unavailable").then_some(Duration::from_secs(7))
        );
        let shown = everything(&error) + &format!("{embedder:?}");
        assert!(!shown.contains(KEY), "{shown}");
    }
}
