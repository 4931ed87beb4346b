//! The page, as it is sent. What a browser makes of it is in `browser.rs`.

use pgai_sea_tests::{Catalog, TestResult, on_catalog};
use reqwest::StatusCode;

use crate::service::Service;

pub(crate) const HOSTILE_TITLE: &str =
    r#"</title><script>window.owned = 1</script>"><img src=x onerror=window.owned=1>"#;
pub(crate) const HOSTILE_BODY: &str = "Whoever runs <script>window.owned = 2</script> & '\"><svg \
    onload=window.owned=2> is in trouble: \
                                       markup in a comment of a stranger is executed in the browser of every visitor.";

#[tokio::test]
async fn markup_in_articles_and_queries_is_text() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::start(test).await?;
        service.publish(HOSTILE_TITLE, HOSTILE_BODY).await?;
        service.search_indexed("anything").await?;
        let response = service
            .get("/?q=%22%3E%3Cscript%3Escript+injection+in+comments%3C/script%3E%26page=7")
            .await?;
        assert_eq!(response.status(), StatusCode::OK);
        let policy = response.headers()["content-security-policy"].to_str()?.to_owned();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let html = response.text().await?;
        assert!(html.contains("window.owned"), "the article was not found:\n{html}");
        // the page's own, and no other
        assert_eq!(html.matches("<script").count(), 1, "{html}");
        for tag in ["<img", "<svg"] {
            assert!(!html.contains(tag), "{tag} in\n{html}");
        }
        assert!(
            html.contains(r#"value="&#34;&#62;"#),
            "the query's quote ends the attribute:\n{html}"
        );
        service.stop().await
    })
    .await;
}

#[tokio::test]
async fn it_works_without_a_script() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let service = Service::without_worker(test).await?;
        let html = async |path: &str, status: StatusCode| -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
            let response = service.get(path).await?;
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8", "{path}");
            Ok(response.text().await?)
        };
        assert!(html("/", StatusCode::OK).await?.contains("There are no articles yet."));
        service.publish("Tides", "The sea rises and falls.").await?;
        let waiting = html("/?q=tides", StatusCode::OK).await?;
        assert!(waiting.contains("Indexing 0 of 1 articles"), "{waiting}");
        assert!(waiting.contains("Nothing found"), "{waiting}");
        assert!(waiting.contains(r#"value="tides""#), "{waiting}");
        let long = html(&format!("/?q={}", "x".repeat(501)), StatusCode::BAD_REQUEST).await?;
        assert!(
            long.contains("the query has 501 characters, 500 are the most"),
            "{long}"
        );
        let page = html("/?page=first", StatusCode::BAD_REQUEST).await?;
        assert!(page.contains(r#"role="alert""#), "{page}");
        for (path, content_type) in [
            ("/style.css", "text/css; charset=utf-8"),
            ("/search.js", "text/javascript; charset=utf-8"),
            ("/icon.svg", "image/svg+xml"),
        ] {
            let response = service.get(path).await?;
            assert_eq!(
                (response.status(), &response.headers()["content-type"]),
                (StatusCode::OK, &content_type.parse()?)
            );
        }
        service.stop().await
    })
    .await;
}
