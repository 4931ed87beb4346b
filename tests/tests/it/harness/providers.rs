//! The providers' APIs, as the real ones answer, and the faults, each seen by this project's own clients.

use std::time::{Duration, Instant};

use pgai_sea::embedder::{EmbedError, Embedder, InputType, Ollama, OpenAi};
use pgai_sea_tests::providers::{Api, Fault, Provider, embedding_of};

const MODEL: &str = "text-embedding-3-small";

fn openai(provider: &Provider) -> OpenAi {
    OpenAi::new(MODEL, 64)
        .api_key(Provider::API_KEY)
        .base_url(provider.openai_url())
}

async fn embed(embedder: &dyn Embedder, text: &str) -> Result<Vec<Vec<f32>>, EmbedError> {
    Ok(embedder.embed(&[text], InputType::Document).await?.vectors)
}

#[tokio::test]
async fn openai_gives_each_text_its_vector_and_the_request_is_kept() {
    let provider = Provider::start();
    let asked = ["one", "another"];
    let vectors = openai(&provider)
        .embed(&asked, InputType::Document)
        .await
        .unwrap()
        .vectors;
    let expected: Vec<_> = asked.iter().map(|text| embedding_of(MODEL, text, 64)).collect();
    assert_eq!(vectors, expected);
    let requests = provider.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (
            requests[0].api,
            requests[0].model.as_str(),
            requests[0].texts.as_slice()
        ),
        (Api::OpenAi, MODEL, asked.map(str::to_owned).as_slice())
    );
}

#[tokio::test]
async fn openai_wants_its_key_and_a_model_that_it_has() {
    let provider = Provider::start();
    let error = embed(&openai(&provider).api_key("sk-wrong"), "a text")
        .await
        .unwrap_err();
    assert!(matches!(error, EmbedError::Configuration { .. }), "{error}");
    let unknown = OpenAi::new("no-such-model", 64)
        .api_key(Provider::API_KEY)
        .base_url(provider.openai_url());
    let error = embed(&unknown, "a text").await.unwrap_err();
    assert!(error.to_string().contains("no-such-model"), "{error}");
}

#[tokio::test]
async fn ollama_pulls_a_published_model_once_and_embeds_with_it() {
    let provider = Provider::start();
    provider.publish("all-minilm", 384);
    let ollama = Ollama::new("all-minilm", 384).base_url(provider.ollama_url());
    for text in ["one", "another"] {
        let vectors = embed(&ollama, text).await.unwrap();
        assert_eq!(vectors, [embedding_of("all-minilm", text, 384)]);
    }
    assert_eq!(provider.pulled(), ["all-minilm"]);
    let missing = Ollama::new("no-such-model", 384).base_url(provider.ollama_url());
    embed(&missing, "a text").await.unwrap_err();
}

#[tokio::test]
async fn a_fault_meets_one_request_and_the_next_is_answered() {
    let provider = Provider::start();
    let openai = openai(&provider);
    // until there is an answer with vectors, a client may ask again for them in another form
    assert!(embed(&openai, "a text").await.is_ok());
    provider.next(Fault::TooManyRequests(Some(7)));
    let error = embed(&openai, "a text").await.unwrap_err();
    assert!(matches!(error, EmbedError::Unavailable { status: 429, .. }), "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));

    provider.next(Fault::ServerError);
    let error = embed(&openai, "a text").await.unwrap_err();
    assert!(error.is_transient(), "{error}");

    provider.next(Fault::Truncated);
    let error = embed(&openai, "a text").await.unwrap_err();
    assert!(matches!(error, EmbedError::Unreachable { .. }), "{error}");

    provider.next(Fault::Dimensions(3));
    let error = embed(&openai, "a text").await.unwrap_err();
    assert!(!error.is_transient(), "{error}");

    assert!(embed(&openai, "a text").await.is_ok());
    provider.always(Fault::ServerError);
    for _ in 0..2 {
        assert!(embed(&openai, "a text").await.is_err());
    }
    provider.always(None);
    assert!(embed(&openai, "a text").await.is_ok());
}

#[tokio::test]
async fn a_refused_text_takes_its_request_with_it() {
    let provider = Provider::start();
    provider.refuse("forbidden");
    let error = openai(&provider)
        .embed(&["fine", "a forbidden text"], InputType::Document)
        .await
        .unwrap_err();
    assert!(matches!(error, EmbedError::Refused { status: 400, .. }), "{error}");
    assert!(embed(&openai(&provider), "fine").await.is_ok());
}

#[tokio::test]
async fn a_held_request_is_answered_when_it_is_released() {
    let provider = Provider::start();
    provider.hold();
    let openai = openai(&provider);
    let asked = tokio::spawn(async move { embed(&openai, "a text").await });
    provider.wait_for_requests(1).await;
    assert!(!asked.is_finished());
    provider.release();
    assert!(asked.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_delayed_answer_is_the_right_one() {
    let provider = Provider::start();
    let delay = Duration::from_millis(200);
    provider.next(Fault::Delay(delay));
    let started = Instant::now();
    assert_eq!(
        embed(&openai(&provider), "a text").await.unwrap(),
        [embedding_of(MODEL, "a text", 64)]
    );
    assert!(started.elapsed() >= delay);
}
