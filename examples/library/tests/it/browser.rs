//! A person drops a PDF in and finds its page. Run with `-- --ignored browser`, where Chromium and chromedriver are
//! installed.

use fantoccini::Locator;
use pgai_sea::Chunking;
use pgai_sea::document::preview;
use pgai_sea_tests::{Catalog, TestResult, on_catalog};

use crate::driver::Browser;
use crate::service::Service;

/// What the page shows of the hits.
const SHOWN: &str = r#"
    return [...document.querySelectorAll(".hits article")].map((article) => ({
        name: article.querySelector("h2").textContent,
        href: article.querySelector("h2 a").getAttribute("href"),
        page: Number(article.querySelector(".page")?.value ?? 0),
        passage: article.querySelector(".passage").textContent,
        distance: Number(article.querySelector(".distance").value),
    }));
"#;

#[tokio::test]
#[ignore = "needs chromium and chromedriver (`apt-get install chromium chromium-driver`): run with `-- --ignored \
    browser`"]
async fn a_pdf_is_dropped_in_and_its_page_is_found() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::start(test).await?;
        service.write("tides.md", "The moon pulls the sea twice a day.")?;
        let browser = Browser::start(true).await;
        browser.client.goto(&service.url).await?;
        assert_eq!(browser.ask("return document.activeElement.id").await, "q");

        let pdf = "Sacred Texts of PostgreSQL.pdf";
        service.drop_in(pdf)?;
        let parsed = preview(service.folder.path().join(pdf))?;
        let chunking = Chunking::recursive_character_text_splitter()
            .chunk_size(400)
            .chunk_overlap(0);
        let passages = parsed.passages(&chunking.into())?;
        // a question is a part of the last passage: of the last page
        let last = passages.iter().rev().find(|passage| passage.text.len() > 100).unwrap();
        let question: String = last.text.chars().take(120).collect();
        service
            .page_with(&question, |page| page.contains(pdf) && !page.contains("Reading"))
            .await?;

        browser
            .client
            .find(Locator::Css("#q"))
            .await?
            .send_keys(&question.replace('\n', " "))
            .await?;
        browser.client.find(Locator::Css("form button")).await?.click().await?;
        browser
            .wait_until("return document.querySelector('.hits article') !== null")
            .await;
        let shown = browser.ask(SHOWN).await;
        let shown = shown.as_array().unwrap();
        let first = &shown[0];
        assert_eq!(first["name"], pdf);
        assert_eq!(first["passage"], last.text.as_str());
        assert_eq!(first["page"], last.place.page.unwrap());
        let distances: Vec<f64> = shown.iter().map(|hit| hit["distance"].as_f64().unwrap()).collect();
        assert!(distances.is_sorted(), "{distances:?}");
        // every hit of the document is one of its passages, on its page
        for hit in shown.iter().filter(|hit| hit["name"] == pdf) {
            let is_it = |passage: &&pgai_sea::document::Passage| hit["passage"] == passage.text.as_str();
            let passage = passages.iter().find(is_it).unwrap();
            assert_eq!(hit["page"], passage.place.page.unwrap());
        }
        // the link opens the document at its page
        let href = first["href"].as_str().unwrap();
        assert!(href.ends_with(&format!("#page={}", first["page"])), "{href}");
        let file = service.get(href).await?;
        assert_eq!(file.headers()["content-type"], "application/pdf");
        assert_eq!(file.bytes().await?, std::fs::read(service.folder.path().join(pdf))?);
        browser.close().await;
        service.stop().await
    })
    .await;
}
