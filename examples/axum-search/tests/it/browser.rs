//! The page in a browser. These tests are run with `-- --ignored browser`, where Chromium and chromedriver are
//! installed.

use axum_search::seed;
use fantoccini::Locator;
use fantoccini::key::Key;
use pgai_sea_tests::{Catalog, TestResult, on_catalog};
use reqwest::Method;
use serde_json::{Value, json};

use crate::driver::{Browser, PATIENCE};
use crate::page::{HOSTILE_BODY, HOSTILE_TITLE};
use crate::service::Service;

/// What the page shows of the hits, in the words of the JSON.
const SHOWN: &str = r##"
    return [...document.querySelectorAll("#answer ol:not(.nearest) article")].map((article) => ({
        id: Number(article.id.replace("article-", "")),
        title: article.querySelector("h2").textContent,
        distance: Number(article.querySelector("data").value),
        printed: article.querySelector("data").textContent,
        passage: article.querySelector("mark").textContent,
        text: article.querySelector(".text:not(details *)").textContent,
        whole: article.querySelector("details .text")?.textContent ?? null,
    }));
"##;

/// Types a query as a person does, and waits until its hits are there.
async fn type_query(browser: &Browser, query: &str) {
    let input = browser.client.find(Locator::Css("#q")).await.unwrap();
    input.clear().await.unwrap();
    input.send_keys(query).await.unwrap();
    wait_for(browser, query).await;
}

/// Waits until the page shows what is found for this query, with everything indexed.
async fn wait_for(browser: &Browser, query: &str) {
    let query = serde_json::to_string(query).unwrap();
    browser
        .wait_until(&format!(
            "const answer = document.getElementById('answer');
             return new URL(location).searchParams.get('q') === {query}
                 && !answer.hasAttribute('aria-busy') && !('indexing' in answer.dataset);"
        ))
        .await;
}

/// Checks that the page shows exactly what the JSON says, in its order.
async fn assert_shows(browser: &Browser, answer: &Value) {
    let shown = browser.ask(SHOWN).await;
    let (shown, hits) = (shown.as_array().unwrap(), answer["hits"].as_array().unwrap());
    assert_eq!(shown.len(), hits.len(), "{shown:?}");
    for (shown, hit) in shown.iter().zip(hits) {
        assert_eq!(shown["id"], hit["id"]);
        assert_eq!(shown["title"], hit["title"]);
        let (on_page, distance) = (shown["distance"].as_f64().unwrap(), hit["distance"].as_f64().unwrap());
        assert!((on_page - distance).abs() < 1e-6, "{on_page} for {distance}");
        assert_eq!(shown["printed"], format!("{distance:.3}"));
        assert_eq!(shown["passage"], hit["passage"]["text"]);
        // the passage stands in its article's text
        let body = hit["body"].as_str().unwrap();
        let text = shown["text"].as_str().unwrap();
        assert!(body.contains(text.trim_matches(['…', ' '])), "{text}");
        assert!(text.contains(shown["passage"].as_str().unwrap()), "{text}");
        if text != body {
            assert_eq!(shown["whole"], body);
        }
    }
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver (`apt-get install chromium chromium-driver`): run with `-- --ignored \
    browser`"]
async fn hits_come_while_one_types_and_follow_edits() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::start(test).await?;
        let browser = Browser::start(true).await;
        browser.client.goto(&service.url).await?;
        assert_eq!(browser.ask("return document.activeElement.id").await, "q");

        // articles arrive while the page is open
        seed::articles(&service.test.db).await?;
        let query = "how do I keep passwords?";
        type_query(&browser, query).await;
        let answer = service.search_indexed(query).await?;
        assert_eq!(answer["hits"][0]["title"], "Passwords at rest");
        assert!(answer["hits"].as_array().unwrap().len() > 1, "{answer}");
        assert_shows(&browser, &answer).await;
        assert_eq!(browser.ask("return document.activeElement.id").await, "q");
        assert!(browser.client.title().await?.starts_with(query));

        // from page to page, and back
        let query = "why is my query slow";
        type_query(&browser, query).await;
        assert_shows(&browser, &service.search(query, 1).await?).await;
        browser.client.find(Locator::Css("[rel=next]")).await?.click().await?;
        browser
            .wait_until("return document.querySelector('ol')?.start === 6")
            .await;
        assert_shows(&browser, &service.search(query, 2).await?).await;
        browser.client.find(Locator::Css("[rel=prev]")).await?.click().await?;
        browser
            .wait_until("return document.querySelector('ol')?.start === 1")
            .await;

        type_query(&browser, "a recipe for pancakes with maple syrup").await;
        let status = browser.client.find(Locator::Css("#status")).await?;
        assert_eq!(status.text().await?, "Nothing found: no article is about that.");

        // an edit
        let query = "a recipe for pancakes";
        let id = answer["hits"][0]["id"].as_i64().unwrap();
        let address = format!("/articles/{id}");
        let draft = json!({"title": "Breakfast", "body": "It is Sunday.\n\nPancakes: whisk eggs, milk and flour, and \
            fry them in butter."});
        service.send(Method::PUT, &address, &draft).await?.error_for_status()?;
        type_query(&browser, query).await;
        let answer = service.search_indexed(query).await?;
        assert_eq!(answer["hits"][0]["id"], id);
        assert_shows(&browser, &answer).await;

        // a delete, looked for again with the same words
        service
            .send(Method::DELETE, &address, &Value::Null)
            .await?
            .error_for_status()?;
        let input = browser.client.find(Locator::Css("#q")).await?;
        input.send_keys(&char::from(Key::Enter).to_string()).await?;
        browser
            .wait_until("return document.querySelectorAll('#answer ol:not(.nearest) article').length === 0")
            .await;
        wait_for(&browser, query).await;
        browser.close().await;
        service.stop().await
    })
    .await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver (`apt-get install chromium chromium-driver`): run with `-- --ignored \
    browser`"]
async fn markup_of_strangers_is_shown_as_text_and_not_run() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::start(test).await?;
        service.publish(HOSTILE_TITLE, HOSTILE_BODY).await?;
        service.publish("Tides", "The sea rises and falls twice a day.").await?;
        let browser = Browser::start(true).await;
        browser.client.goto(&service.url).await?;
        for query in [
            "script injection in comments",
            r#""><img src=x onerror="window.owned = 3"> script injection in comments"#,
            "</title></p><script>window.owned = 4</script> script injection in comments",
        ] {
            type_query(&browser, query).await;
            let answer = service.search_indexed(query).await?;
            assert_eq!(answer["hits"][0]["title"], HOSTILE_TITLE);
            assert_shows(&browser, &answer).await;
            // typed, and then as a link that someone sent
            for _ in 0..2 {
                let title = browser.ask("return document.title").await;
                assert_eq!(title, format!("{query} – Search by meaning"));
                assert_eq!(browser.ask("return document.getElementById('q').value").await, query);
                assert_eq!(
                    browser
                        .ask("return document.querySelectorAll('img, svg, body script').length")
                        .await,
                    0
                );
                assert_eq!(browser.ask("return window.owned ?? null").await, Value::Null);
                browser.client.refresh().await?;
                wait_for(&browser, query).await;
            }
        }
        browser.close().await;
        service.stop().await
    })
    .await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver (`apt-get install chromium chromium-driver`): run with `-- --ignored \
    browser`"]
async fn without_scripts_it_is_a_form() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::start(test).await?;
        seed::articles(&service.test.db).await?;
        let query = "two people change the same row";
        let answer = service.search_indexed(query).await?;
        let browser = Browser::start(false).await;
        browser.client.goto(&service.url).await?;
        browser.client.find(Locator::Css("#q")).await?.send_keys(query).await?;
        browser.client.find(Locator::Css("form button")).await?.click().await?;
        let wait = browser.client.wait().at_most(PATIENCE);
        wait.for_element(Locator::Css("#answer article")).await?;
        // chromedriver's own scripts run all the same
        assert_shows(&browser, &answer).await;
        browser.close().await;
        service.stop().await
    })
    .await;
}
