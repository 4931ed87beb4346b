//! OpenAI's API: what is asked, and what its answers mean.

use std::time::Duration;

use pgai_sea::embedder::{EmbedError, OpenAi};
use pgai_sea_tests::providers::{Provider, embedding_of};
use serde_json::{Value, json};

use super::answers::{Answers, answer};
use super::{embed, everything};

const KEY: &str = "sk-0123456789";

/// What one answer comes to for a model of two dimensions and these texts.
async fn outcome(answer: String, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
    // some are asked for twice: a server may only dislike how the vectors were asked for
    let server = Answers::start(vec![answer.clone(), answer]).await;
    let openai = OpenAi::new("m", 2).base_url(&server.url).api_key(KEY);
    embed(&openai, texts).await
}

fn vectors(items: &Value) -> String {
    answer("200 OK", &[], &json!({ "object": "list", "data": items }).to_string())
}

#[tokio::test]
async fn the_request_is_what_compatible_servers_understand() {
    let server = Answers::start(vec![vectors(&json!([{ "index": 0, "embedding": [0, 1] }]))]).await;
    let openai = OpenAi::new("m", 2)
        .base_url(format!("{}/v1/?api-version=7", server.url))
        .api_key(format!("{KEY}\n")) // as read from a file
        .user("somebody");
    embed(&openai, &["größer"]).await.unwrap();

    let request = server.requests().await.pop().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/embeddings?api-version=7 HTTP/1.1"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains(&format!("authorization: bearer {KEY}\r\n")), "{head}");
    assert!(head.contains("user-agent: pgai-sea/"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        json!({ "model": "m", "input": ["größer"], "dimensions": 2, "user": "somebody", "encoding_format": "base64" })
    );
}

#[tokio::test]
async fn packed_vectors_are_those_that_numbers_say() {
    let provider = Provider::start();
    let openai = OpenAi::new("text-embedding-3-small", 8)
        .api_key(Provider::API_KEY)
        .base_url(provider.openai_url());
    let vectors = embed(&openai, &["a text", "another"]).await.unwrap();
    let model = "text-embedding-3-small";
    assert_eq!(vectors, ["a text", "another"].map(|text| embedding_of(model, text, 8)));
    assert_eq!(provider.requests()[0].body["encoding_format"], "base64");
}

#[tokio::test]
async fn a_server_that_refuses_packed_vectors_is_asked_for_numbers_from_then_on() {
    let numbers = || vectors(&json!([{ "index": 0, "embedding": [0, 1] }]));
    for refusal in [
        answer(
            "422 Unprocessable Entity",
            &[],
            r#"{"detail":"extra fields not permitted"}"#,
        ),
        answer("500 Internal Server Error", &[], "KeyError"),
        vectors(&json!([{ "index": 0, "embedding": "AAAA" }])),
    ] {
        let server = Answers::start(vec![refusal, numbers(), numbers()]).await;
        let openai = OpenAi::new("m", 2).base_url(&server.url);
        for openai in [openai.clone(), openai] {
            assert_eq!(embed(&openai, &["a text"]).await.unwrap(), [[0., 1.]]);
        }
        let asked = server.requests().await;
        let packed: Vec<bool> = asked.iter().map(|request| request.contains("base64")).collect();
        assert_eq!(packed, [true, false, false]);
    }
}

#[tokio::test]
async fn a_text_that_is_refused_later_is_not_asked_for_again() {
    let packed = vectors(&json!([{ "index": 0, "embedding": "AAAAAAAAgD8=" }]));
    let refusal = answer("400 Bad Request", &[], r#"{"error":{"message":"too long"}}"#);
    let server = Answers::start(vec![packed, refusal]).await;
    let openai = OpenAi::new("m", 2).base_url(&server.url);
    assert_eq!(embed(&openai, &["a text"]).await.unwrap(), [[0., 1.]]);
    let error = embed(&openai, &["a text"]).await.unwrap_err();
    assert!(matches!(error, EmbedError::Refused { .. }), "{error:?}");
    assert_eq!(server.requests().await.len(), 2);
}

#[tokio::test]
async fn vectors_are_put_in_the_order_of_the_texts() {
    let items = json!([{ "index": 1, "embedding": [0, 1] }, { "index": 0, "embedding": [1, 0] }]);
    let embedded = outcome(vectors(&items), &["first", "second"]).await.unwrap();
    assert_eq!(embedded, [[1., 0.], [0., 1.]]);
}

#[tokio::test]
async fn unusable_answers_are_told_apart() {
    let one = |vector: Value| vectors(&json!([{ "index": 0, "embedding": vector }]));
    for (given, says) in [
        (one(json!([0.5, 0.5])), "1 vectors for 2 texts"),
        (vectors(&json!([])), "0 vectors for 2 texts"),
        (
            vectors(&json!([{ "index": 0, "embedding": [0, 1] }, { "index": 0, "embedding": [0, 1] }])),
            "two vectors with index 0",
        ),
        (
            vectors(&json!([{ "index": 0, "embedding": [0, 1e40] }, { "index": 1, "embedding": [0, 1] }])),
            "not finite",
        ),
        (one(json!("AAAA")), "not the JSON that was expected"),
        (
            answer("200 OK", &[], r#"{"data": [{"index": 0, "embed"#),
            "not the JSON that was expected",
        ),
        (answer("200 OK", &[], "<html><title>Log in</title>"), "Log in"),
    ] {
        let error = outcome(given, &["first", "second"]).await.unwrap_err();
        assert!(matches!(error, EmbedError::Answer { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn another_number_of_dimensions_is_named_with_the_configured_one() {
    let items = json!([{ "index": 0, "embedding": [0, 1, 2] }]);
    let error = outcome(vectors(&items), &["a text"]).await.unwrap_err();
    assert!(matches!(error, EmbedError::Answer { .. }), "{error:?}");
    let shown = error.to_string();
    assert!(
        shown.contains("`m` gave a vector of 3 dimensions, configured are 2"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_status_says_whose_trouble_it_is() {
    let openai_error = |message: &str, param: Value| {
        json!({ "error": { "message": message, "type": "invalid_request_error", "param": param, "code": null } })
            .to_string()
    };
    let later = outcome(
        answer(
            "429 Too Many Requests",
            &["retry-after: 7"],
            &openai_error("slow down", Value::Null),
        ),
        &["a text"],
    );
    let later = later.await.unwrap_err();
    assert!(later.is_transient());
    assert_eq!(later.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(later.to_string(), "openai answered 429, try again later: slow down");

    let later = outcome(answer("503 Service Unavailable", &[], "upstream"), &["a text"])
        .await
        .unwrap_err();
    assert!(later.is_transient() && later.retry_after().is_none(), "{later:?}");

    let text = outcome(
        answer("400 Bad Request", &[], &openai_error("too long", json!("input"))),
        &["a text"],
    );
    let text = text.await.unwrap_err();
    assert!(matches!(text, EmbedError::Refused { status: 400, .. }), "{text:?}");

    // not the text's fault: no other text would fare better
    let setting = outcome(
        answer(
            "400 Bad Request",
            &[],
            &openai_error("at most 1536", json!("dimensions")),
        ),
        &["a text"],
    );
    let setting = setting.await.unwrap_err();
    assert!(matches!(setting, EmbedError::Configuration { .. }), "{setting:?}");

    let place = outcome(answer("404 Not Found", &[], r#"{"detail":"Not Found"}"#), &["a text"])
        .await
        .unwrap_err();
    assert!(matches!(place, EmbedError::Configuration { .. }), "{place:?}");
    assert!(place.to_string().contains("http://127.0.0.1"), "{place}");

    // a relay says 200, and the provider behind it said something else
    let relayed = json!({ "error": { "message": "Provider returned error", "code": 429 } }).to_string();
    let relayed = outcome(answer("200 OK", &[], &relayed), &["a text"]).await.unwrap_err();
    assert!(
        matches!(relayed, EmbedError::Unavailable { status: 429, .. }),
        "{relayed:?}"
    );
    let relayed = outcome(answer("200 OK", &[], r#"{"error":"no upstream"}"#), &["a text"])
        .await
        .unwrap_err();
    assert!(
        matches!(relayed, EmbedError::Unavailable { status: 502, .. }),
        "{relayed:?}"
    );

    // no time mends this one
    let spent = json!({ "error": { "message": "check your plan", "code": "insufficient_quota" } }).to_string();
    let spent = outcome(answer("429 Too Many Requests", &[], &spent), &["a text"])
        .await
        .unwrap_err();
    assert!(matches!(spent, EmbedError::Configuration { .. }), "{spent:?}");
}

#[tokio::test]
async fn nobody_there_and_an_answer_that_breaks_off_may_pass() {
    let openai = OpenAi::new("m", 2).base_url("http://127.0.0.1:1/v1");
    let error = embed(&openai, &["a text"]).await.unwrap_err();
    assert!(error.is_transient());
    assert!(
        error.to_string().contains("http://127.0.0.1:1/v1/embeddings"),
        "{error}"
    );

    let whole = vectors(&json!([{ "index": 0, "embedding": [0, 1] }]));
    let error = outcome(whole[..whole.len() - 5].to_owned(), &["a text"])
        .await
        .unwrap_err();
    assert!(matches!(error, EmbedError::Unreachable { .. }), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let openai = OpenAi::new("m", 2)
        .base_url(format!("http://{}", listener.local_addr().unwrap()))
        .timeout(Duration::from_millis(200));
    let error = embed(&openai, &["a text"]).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn no_part_of_a_key_is_left_where_a_message_is_cut() {
    let said = format!("{} {KEY} is no key of ours", "x".repeat(290));
    for body in [said.clone(), json!({ "error": { "message": said } }).to_string()] {
        for status in ["401 Unauthorized", "200 OK"] {
            let error = outcome(answer(status, &[], &body), &["a text"]).await.unwrap_err();
            let shown = everything(&error);
            assert!(!shown.contains(&KEY[..4]), "{status}: {shown}");
        }
    }
    // neither where the reader of the JSON repeats it
    let error = outcome(answer("200 OK", &[], &json!({ "data": KEY }).to_string()), &["a text"]).await;
    let shown = everything(&error.unwrap_err());
    assert!(!shown.contains(&KEY[..4]) && shown.contains("[api key]"), "{shown}");
}

#[tokio::test]
async fn secrets_are_nowhere_to_be_read() {
    // some servers repeat the key that they refuse
    let refusal = json!({ "error": { "message": format!("{KEY} is no key of ours, me:hunter2") } }).to_string();
    let server = Answers::start(vec![answer("401 Unauthorized", &[], &refusal)]).await;
    let url = server.url.replace("http://", "http://me:hunter2@") + "/v1?token=hunter2";
    let openai = OpenAi::new("m", 2).base_url(url).api_key(KEY);

    let error = embed(&openai, &["a text"]).await.unwrap_err();
    assert!(error.to_string().contains("[api key] is no key of ours"), "{error}");
    server.requests().await; // and now it is gone
    let gone = embed(&openai, &["a text"]).await.unwrap_err();
    assert!(gone.is_transient(), "{gone:?}");
    for shown in [format!("{openai:?}"), everything(&error), everything(&gone)] {
        assert!(!shown.contains(KEY) && !shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn a_request_has_one_authorization_header() {
    let one = || vectors(&json!([{ "index": 0, "embedding": [0, 1] }]));
    let server = Answers::start(vec![one(), one()]).await;
    let url = server.url.replace("http://", "http://me:hunter2@");
    let without_key = OpenAi::new("m", 2).base_url(url);
    for openai in [without_key.clone().api_key(KEY), without_key] {
        embed(&openai, &["a text"]).await.unwrap();
    }
    let authorization = server.requests().await.into_iter().map(|request| {
        let headers = request
            .lines()
            .filter(|line| line.to_ascii_lowercase().starts_with("authorization:"));
        headers
            .map(|line| line.split_once(": ").unwrap().1.to_owned())
            .collect::<Vec<_>>()
    });
    let authorization: Vec<_> = authorization.collect();
    assert_eq!(
        authorization,
        [[format!("Bearer {KEY}")], ["Basic bWU6aHVudGVyMg==".to_owned()]]
    );
}

#[tokio::test]
async fn a_response_is_read_no_further_than_vectors_can_need() {
    let padding = " ".repeat(8 << 20);
    let large = format!(r#"{{"data": [{padding}{{"index": 0, "embedding": [0, 1]}}]}}"#);
    let error = outcome(answer("200 OK", &[], &large), &["a text"]).await.unwrap_err();
    assert!(matches!(error, EmbedError::Answer { .. }), "{error:?}");
    assert!(error.to_string().contains("the response has more than"), "{error}");
    // the start of an error page is enough
    let page = format!("<title>Overloaded</title>{padding}");
    let error = outcome(answer("503 Service Unavailable", &[], &page), &["a text"])
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "openai answered 503, try again later: Overloaded");
}

#[tokio::test]
async fn a_missing_key_is_asked_for() {
    let provider = Provider::start();
    let openai = OpenAi::new("text-embedding-3-small", 8).base_url(provider.openai_url());
    let error = embed(&openai, &["a text"]).await.unwrap_err();
    assert!(
        error.to_string().contains("wants an API key and none is set"),
        "{error}"
    );
}

#[tokio::test]
async fn ada_is_not_asked_for_dimensions_and_has_only_its_own() {
    let provider = Provider::start();
    let ada = |dimensions| {
        OpenAi::new("text-embedding-ada-002", dimensions)
            .api_key(Provider::API_KEY)
            .base_url(provider.openai_url())
    };
    let vectors = embed(&ada(1536), &["a text"]).await.unwrap();
    assert_eq!(vectors[0].len(), 1536);
    assert!(provider.requests()[0].body.get("dimensions").is_none());

    let error = embed(&ada(768), &["a text"]).await.unwrap_err();
    assert!(
        error.to_string().contains("1536 dimensions, configured are 768"),
        "{error}"
    );
    assert_eq!(provider.requests().len(), 1, "nothing was sent");
}

#[tokio::test]
async fn long_texts_are_cut_to_what_the_model_reads() {
    let provider = Provider::start();
    let openai = OpenAi::new("text-embedding-3-small", 8)
        .api_key(Provider::API_KEY)
        .base_url(provider.openai_url());
    let long = "word".to_owned() + &" word".repeat(20_000);
    embed(&openai, &["short", &long]).await.unwrap();
    let sent = provider.texts();
    assert_eq!(sent[0], "short");
    assert_eq!(sent[1], "word".to_owned() + &" word".repeat(8190));
}
