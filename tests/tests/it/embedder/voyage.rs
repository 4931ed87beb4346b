//! Voyage AI's API: what is asked, and what its answers mean.

use pgai_sea::config::Embedding;
use pgai_sea::embedder::{EmbedError, Embedder, VoyageAi, from_config};
use serde_json::{Value, json};

use super::answers::{Answers, answer};
use super::{body, embed, everything};

const KEY: &str = "pa-0123456789";

fn one() -> String {
    let data = json!([{ "object": "embedding", "embedding": [0, 1], "index": 0 }]);
    let body = json!({ "object": "list", "data": data, "model": "m", "usage": { "total_tokens": 3 } });
    answer("200 OK", &[], &body.to_string())
}

#[tokio::test]
async fn chunks_are_documents_and_searches_queries() {
    let server = Answers::start(vec![one(), one(), one()]).await;
    let voyage = |model: &str| {
        VoyageAi::new(model, 2)
            .base_url(format!("{}/v1", server.url))
            .api_key(KEY)
    };
    assert_eq!(embed(&voyage("voyage-3-lite"), &["größer"]).await.unwrap(), [[0., 1.]]);
    voyage("voyage-3.5").embed_query("a search").await.unwrap();
    embed(&voyage("voyage-2").input_type("query"), &["a text"])
        .await
        .unwrap();

    let requests = server.requests().await;
    let head = requests[0].to_ascii_lowercase();
    assert!(head.starts_with("post /v1/embeddings http/1.1"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {KEY}\r\n")), "{head}");
    let bodies: Vec<Value> = requests.iter().map(|request| body(request)).collect();
    assert_eq!(
        bodies,
        [
            json!({ "model": "voyage-3-lite", "input": ["größer"], "input_type": "document" }),
            // one of the models that have vectors of several lengths
            json!({ "model": "voyage-3.5", "input": ["a search"], "input_type": "query", "output_dimension": 2 }),
            json!({ "model": "voyage-2", "input": ["a text"], "input_type": "query" }),
        ]
    );
}

#[test]
fn requests_are_as_large_as_voyage_takes_them() {
    for (model, tokens) in [
        ("voyage-3.5-lite", 1_000_000),
        ("voyage-3.5", 320_000),
        ("voyage-code-3", 120_000),
        ("voyage-of-tomorrow", 120_000),
    ] {
        let limits = VoyageAi::new(model, 2).limits();
        assert_eq!((limits.inputs, limits.tokens), (1_000, Some(tokens)), "{model}");
    }
}

#[tokio::test]
async fn a_status_says_whose_trouble_it_is_and_no_secret() {
    let detail = |message: &str| json!({ "detail": message }).to_string();
    for (status, message, is) in [
        ("400 Bad Request", "the request was too long", "Refused"),
        (
            "401 Unauthorized",
            "Provided API key pa-0123456789 is invalid.",
            "Configuration",
        ),
        ("429 Too Many Requests", "your rate limits are RPM of 3", "Unavailable"),
        ("502 Bad Gateway", "try again", "Unavailable"),
    ] {
        let server = Answers::start(vec![answer(status, &[], &detail(message))]).await;
        let voyage = VoyageAi::new("voyage-3", 2).base_url(&server.url).api_key(KEY);
        let error = embed(&voyage, &["a text"]).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(is), "{error:?}");
        assert!(
            error.to_string().contains(&message.replace(KEY, "[api key]")),
            "{error}"
        );
        let shown = everything(&error) + &format!("{voyage:?}");
        assert!(!shown.contains(KEY), "{shown}");
    }
}

#[test]
fn a_configuration_names_the_key_and_says_what_is_known_later() {
    let build = |config: Value| {
        let config: Embedding = serde_json::from_value(config).unwrap();
        from_config(&config, |name| (name == "TEAM_KEY").then(|| KEY.to_owned()))
    };
    let config = json!({
        "implementation": "voyageai", "config_type": "embedding", "model": "voyage-3.5", "dimensions": 512,
        "input_type": "document", "api_key_name": "VOYAGE_API_KEY",
    });
    let error = build(config.clone()).unwrap_err();
    assert!(matches!(error, EmbedError::Configuration { .. }), "{error:?}");
    assert!(
        error.to_string().starts_with("voyageai cannot embed: `VOYAGE_API_KEY`"),
        "{error}"
    );
    let mut config = config;
    config["api_key_name"] = json!("TEAM_KEY");
    config["output_dtype"] = json!("float");
    let embedder = format!("{:?}", build(config).unwrap());
    assert!(
        embedder.contains("output_dtype") && !embedder.contains(KEY),
        "{embedder}"
    );
}
