//! Providers that answer what they should not, or nothing: the requests end, and the error says what to do.

use std::net::Ipv4Addr;
use std::time::Duration;

use pgai_sea::embedder::{EmbedError, Embedder, Ollama, OpenAi, VoyageAi};
use pgai_sea_tests::{Random, rounds, seed};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::answers::{Answers, answer};
use super::{body, embed};

/// A server that answers each connection's first bytes with these, and keeps it open.
async fn says(said: &'static [u8]) -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            stream.write_all(said).await.ok();
            open.push(stream);
        }
    });
    (port, task)
}

#[tokio::test]
async fn a_pull_that_falls_silent_ends() {
    let missing = answer("404 Not Found", &[], r#"{"error":"model 'm' not found"}"#);
    let begins = [
        // nothing at all
        String::new(),
        // a head without a body, and some progress that stops
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncontent-length: 9999\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{\"status\":\"pulling manifest\"}\n".to_owned(),
    ];
    for begin in begins {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let missing = missing.clone();
        let server = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            let (mut first, _) = listener.accept().await.unwrap();
            assert!(first.read(&mut buffer).await.unwrap() > 0);
            first.write_all(missing.as_bytes()).await.unwrap();
            first.shutdown().await.unwrap();
            let (mut pull, _) = listener.accept().await.unwrap();
            assert!(pull.read(&mut buffer).await.unwrap() > 0);
            pull.write_all(begin.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        });
        let ollama = Ollama::new("m", 2).base_url(url).timeout(Duration::from_secs(2));
        let error = embed(&ollama, &["a"]).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(
            error
                .to_string()
                .contains("has said nothing for 2 s while it pulls the model `m`"),
            "{error}"
        );
        server.abort();
    }
}

#[tokio::test]
async fn a_server_that_refuses_to_be_told_a_length_is_not_told_again() {
    let vllm = concat!(
        r#"{"object":"error","message":"Model \"m\" does not support matryoshka representation, "#,
        r#"changing output dimensions will lead to poor results.","#,
        r#""type":"BadRequestError","param":null,"code":400}"#
    );
    let vectors = r#"{"data":[{"index":0,"embedding":[1.0,2.0]}]}"#;
    let refusals = [
        vllm,
        r#"{"detail":[{"type":"extra_forbidden","loc":["body","dimensions"],
        "msg":"dimensions: Extra inputs are not permitted"}]}"#,
        r#"{"error":{"message":"this model has no dimensions","param":"dimensions"}}"#,
    ];
    for refusal in refusals {
        let (no, yes) = (answer("400 Bad Request", &[], refusal), answer("200 OK", &[], vectors));
        let answers = Answers::start(vec![no, yes.clone(), yes]).await;
        let openai = OpenAi::new("m", 2).base_url(answers.url.clone());
        assert_eq!(embed(&openai, &["a"]).await.unwrap(), [[1.0, 2.0]]);
        // clones know, too
        assert_eq!(embed(&openai.clone(), &["b"]).await.unwrap(), [[1.0, 2.0]]);
        let asked: Vec<_> = answers
            .requests()
            .await
            .iter()
            .map(|request| body(request)["dimensions"].clone())
            .collect();
        assert_eq!(asked, [json!(2), json!(null), json!(null)], "{refusal}");
    }
    // another length than the vectorizer has is no use
    let (no, yes) = (answer("400 Bad Request", &[], vllm), answer("200 OK", &[], vectors));
    let answers = Answers::start(vec![no.clone(), yes.clone(), no, yes]).await;
    let error = embed(&OpenAi::new("m", 3).base_url(answers.url.clone()), &["a"])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("matryoshka"), "{error}");
}

#[tokio::test]
async fn a_server_that_breaks_on_a_long_text_blames_the_text() {
    for message in [
        "input is too large to process. increase the physical batch size",
        "the input length exceeds the context length",
        "request (9000 tokens) exceeds the available context size (8192 tokens)",
        "This model's maximum context length is 512 tokens",
    ] {
        let said = json!({"error": {"code": 500, "message": message, "type": "server_error"}}).to_string();
        let no = answer("500 Internal Server Error", &[], &said);
        // OpenAI's is asked for numbers, too
        let answers = Answers::start(vec![no.clone(), no.clone(), no.clone(), no]).await;
        let url = answers.url.clone();
        let embedders: [Box<dyn Embedder>; 3] = [
            Box::new(OpenAi::new("m", 2).base_url(url.clone())),
            Box::new(Ollama::new("m", 2).base_url(url.clone())),
            Box::new(VoyageAi::new("m", 2).api_key("k").base_url(url)),
        ];
        for embedder in embedders {
            let error = embed(&*embedder, &["a"]).await.unwrap_err();
            assert!(matches!(error, EmbedError::Refused { status: 500, .. }), "{error:?}");
        }
    }
    // a server that is merely broken
    let no = answer(
        "500 Internal Server Error",
        &[],
        r#"{"error":"CUDA error: out of memory"}"#,
    );
    let answers = Answers::start(vec![no]).await;
    let error = embed(&Ollama::new("m", 2).base_url(answers.url.clone()), &["a"])
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn what_a_setting_mends_is_configuration() {
    let (port, _plain) = says(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let (other, _ssh) = says(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n").await;
    for (url, advice) in [
        (
            format!("https://127.0.0.1:{port}/v1"),
            "write `http://` in the base URL",
        ),
        (format!("http://127.0.0.1:{other}/v1"), "speaks no HTTP"),
    ] {
        let error = embed(&OpenAi::new("m", 2).base_url(url), &["a"]).await.unwrap_err();
        assert!(matches!(error, EmbedError::Configuration { .. }), "{error:?}");
        assert!(error.to_string().contains(advice), "{error}");
    }
    let tls = answer(
        "400 Bad Request",
        &[],
        "Client sent an HTTP request to an HTTPS server.",
    );
    let answers = Answers::start(vec![tls.clone(), tls]).await;
    let error = embed(&OpenAi::new("m", 2).base_url(answers.url.clone()), &["a"])
        .await
        .unwrap_err();
    assert!(matches!(error, EmbedError::Configuration { .. }), "{error:?}");
    assert!(error.to_string().contains("`https://`"), "{error}");
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let error = embed(&OpenAi::new("m", 2).base_url(format!("http://{closed}")), &["a"])
        .await
        .unwrap_err();
    assert!(error.is_transient(), "a server that is down may be back: {error:?}");
}

/// A whole answer, damaged at random: bytes changed, cut, repeated, nested.
fn damaged(random: &mut Random, whole: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=random.below(4) {
        let length = bytes.len().max(1) as u64;
        let at = usize::try_from(random.below(length)).unwrap();
        match random.below(6) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            2 => bytes.splice(at..at, *b"1e999").for_each(drop),
            3 => bytes.splice(at..at, b"[".repeat(300)).for_each(drop),
            4 => bytes.splice(at..at, *b"\\ud800\"\0null,{}").for_each(drop),
            _ => {
                let tail = bytes[at.min(bytes.len())..].to_vec();
                bytes.extend(tail);
            }
        }
    }
    bytes
}

#[tokio::test]
async fn no_answer_breaks_an_embedder() {
    let mut random = Random::new(seed(11));
    let wholes: [&[u8]; 4] = [
        br#"{"data":[{"index":0,"embedding":[1.0,2.0]},{"index":1,"embedding":"AACAPwAAAEA="}],
        "usage":{"total_tokens":3}}"#,
        br#"{"embeddings":[[1.0,2.0],[0.5,-1.0]],"prompt_eval_count":4}"#,
        br#"{"error":{"message":"no","code":"model_not_found","param":"model"},"estimated_time":20.5}"#,
        br#"<html><title>502 Bad Gateway</title></html>"#,
    ];
    let statuses = [
        "200 OK",
        "200 OK",
        "200 OK",
        "400 Bad Request",
        "404 Not Found",
        "429 Too Many Requests",
        "500 No",
    ];
    for _ in 0..rounds(150) {
        let whole = wholes[usize::try_from(random.below(4)).unwrap()];
        let bytes = damaged(&mut random, whole);
        let status = statuses[usize::try_from(random.below(7)).unwrap()];
        let after =
            ["1", "-1", "1e400", "Fri, 31 Dec 9999 23:59:59 GMT", "\u{7f}"][usize::try_from(random.below(5)).unwrap()];
        let head = format!(
            "HTTP/1.1 {status}\r\nretry-after: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            after.replace('\u{7f}', "soon"),
            bytes.len()
        );
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else {
                    return;
                };
                let mut buffer = vec![0; 8192];
                let _ = stream.read(&mut buffer).await;
                stream.write_all(head.as_bytes()).await.ok();
                stream.write_all(&bytes).await.ok();
                stream.shutdown().await.ok();
            }
        });
        let timeout = Duration::from_secs(5);
        let embedders: [Box<dyn Embedder>; 3] = [
            Box::new(OpenAi::new("m", 2).base_url(url.clone()).timeout(timeout)),
            Box::new(Ollama::new("m", 2).base_url(url.clone()).timeout(timeout)),
            Box::new(VoyageAi::new("m", 2).api_key("k").base_url(url).timeout(timeout)),
        ];
        for embedder in embedders {
            match embed(&*embedder, &["a", "b"]).await {
                Ok(vectors) => assert!(
                    vectors.len() == 2 && vectors.iter().all(|v| v.len() == 2 && v.iter().all(|n| n.is_finite())),
                    "{vectors:?}"
                ),
                Err(error) => assert!(error.to_string().chars().count() < 2_000, "{error}"),
            }
        }
        server.abort();
    }
}
