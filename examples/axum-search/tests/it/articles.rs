//! Writing and reading articles.

use pgai_sea_tests::{Catalog, TestResult, on_catalog};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::service::Service;

/// Checks that a response is a problem as RFC 9457 has it, and gives back what it says.
async fn problem(response: Response, status: StatusCode) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await?;
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem["title"].as_str(), status.canonical_reason());
    Ok(problem["detail"].as_str().expect("a detail").to_owned())
}

#[tokio::test]
async fn an_article_is_written_read_replaced_and_deleted() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::without_worker(test).await?;
        let draft = json!({"title": " Tides ", "body": "The sea rises\nand falls.\n"});
        let response = service.send(Method::POST, "/articles", &draft).await?;
        assert_eq!(response.status(), StatusCode::CREATED);
        let address = response.headers()["location"].to_str()?.to_owned();
        let written: Value = response.json().await?;
        let id = written["id"].as_i64().expect("a number");
        assert_eq!(
            written,
            json!({"id": id, "title": "Tides", "body": "The sea rises\nand falls."})
        );
        assert_eq!(address, format!("/articles/{id}"));
        assert_eq!(service.get(&address).await?.json::<Value>().await?, written);

        let draft = json!({"title": "Tides \u{1f30a}", "body": "Twice a day."});
        let response = service.send(Method::PUT, &address, &draft).await?;
        assert_eq!(response.status(), StatusCode::OK);
        let replaced: Value = response.json().await?;
        assert_eq!(
            replaced,
            json!({"id": id, "title": "Tides \u{1f30a}", "body": "Twice a day."})
        );
        assert_eq!(service.get(&address).await?.json::<Value>().await?, replaced);

        let response = service.send(Method::DELETE, &address, &Value::Null).await?;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        for response in [
            service.get(&address).await?,
            service.send(Method::PUT, &address, &draft).await?,
            service.send(Method::DELETE, &address, &Value::Null).await?,
        ] {
            let detail = problem(response, StatusCode::NOT_FOUND).await?;
            assert_eq!(detail, format!("there is no article {id}"));
        }
        service.stop().await
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_and_says_why() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::without_worker(test).await?;
        let long = |characters: usize| "ü".repeat(characters);
        for (title, body, why) in [
            (" \n", "text", "the title is empty"),
            ("title", "\t", "the body is empty"),
            (&long(201), "text", "the title has 201 characters, 200 are the most"),
            (
                "title",
                &long(20_001),
                "the body has 20001 characters, 20000 are the most",
            ),
            ("title", "a\0b", "the body has a NUL character"),
            ("two\nlines", "text", "the title is more than one line"),
        ] {
            let draft = json!({"title": title, "body": body});
            let response = service.send(Method::POST, "/articles", &draft).await?;
            let detail = problem(response, StatusCode::UNPROCESSABLE_ENTITY).await?;
            assert!(detail.contains(why), "{detail}");
            let response = service.send(Method::PUT, "/articles/1", &draft).await?;
            assert_eq!(problem(response, StatusCode::UNPROCESSABLE_ENTITY).await?, detail);
        }
        // as long as it may be
        service.publish(&long(200), &long(20_000)).await?;

        let draft = json!({"title": "a", "body": "b", "author": "c"});
        let response = service.send(Method::POST, "/articles", &draft).await?;
        let detail = problem(response, StatusCode::UNPROCESSABLE_ENTITY).await?;
        assert!(detail.contains("author"), "{detail}");
        let response = service.post("application/json", "{".to_owned()).await?;
        problem(response, StatusCode::BAD_REQUEST).await?;
        // a form of another site can send this without asking, and JSON not
        let response = service
            .post("text/plain", r#"{"title": "a", "body": "b"}"#.to_owned())
            .await?;
        problem(response, StatusCode::UNSUPPORTED_MEDIA_TYPE).await?;
        let response = service.post("application/json", "x".repeat(300_000)).await?;
        problem(response, StatusCode::PAYLOAD_TOO_LARGE).await?;
        assert_eq!(service.test.value::<i64>("select count(*) from articles").await?, 1);
        service.stop().await
    })
    .await;
}

#[tokio::test]
async fn other_addresses_and_methods_are_problems_as_well() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::without_worker(test).await?;
        problem(service.get("/nowhere").await?, StatusCode::NOT_FOUND).await?;
        problem(service.get("/articles/first").await?, StatusCode::BAD_REQUEST).await?;
        let response = service.get("/articles").await?;
        assert_eq!(response.headers()["allow"], "POST");
        problem(response, StatusCode::METHOD_NOT_ALLOWED).await?;
        for (address, why) in [
            ("/search", "nothing to search for"),
            ("/search?q=%20", "nothing to search for"),
            ("/search?q=tides&page=0", "there are pages 1 to 100, and no page 0"),
            ("/search?q=tides&page=101", "there are pages 1 to 100, and no page 101"),
            ("/search?q=tides&page=-1", "page"),
            (
                &format!("/search?q={}", "x".repeat(501)),
                "the query has 501 characters, 500 are the most",
            ),
        ] {
            let detail = problem(service.get(address).await?, StatusCode::BAD_REQUEST).await?;
            assert!(detail.contains(why), "{detail}");
        }
        service.stop().await
    })
    .await;
}
