//! The page on quality.

use pgai_sea::Embedder;
use pgai_sea::quality::{Judgments, Report};
use pgai_sea_tests::{TestResult, on_both_catalogs};
use sea_orm::DatabaseConnection;

use super::blog_post;
use crate::pages::Page;
use crate::readme::model768;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/quality.md"));

async fn made(db: DatabaseConnection) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    use blog_post::content_embeddings;
    use pgai_sea::quality::Judgments;

    let judgments = Judgments::known_items::<content_embeddings::Entity, _>(&db, 100, 1).await?;
    let file = judgments.to_toml(); // write it to a file, and put the questions in your users' words

    Ok(file)
}

#[allow(clippy::print_stdout, reason = "as on the page")]
async fn measured(
    db: DatabaseConnection,
    embedder: impl Embedder,
    file: &std::path::Path,
) -> Result<Report, Box<dyn std::error::Error + Send + Sync>> {
    use pgai_sea::assert_quality;
    use pgai_sea::prelude::*;
    use pgai_sea::quality::{Judgments, evaluate_search};

    let judgments = Judgments::from_file(file)?; // "tests/judgments.toml"
    let search = |question: &str| blog_post::Entity::search_text(&embedder, question).limit(10);
    let report = evaluate_search(&judgments, &db, search).await?;
    println!("{report}");

    assert_quality!(report, ndcg >= 0.8, recall >= 0.9);

    Ok(report)
}

#[allow(clippy::print_stdout, reason = "as on the page")]
async fn compared(db: DatabaseConnection, embedder: impl Embedder, judgments: Judgments, report: Report) -> TestResult {
    use pgai_sea::prelude::*;

    use pgai_sea::quality::{Report, evaluate};

    let before = report.to_json(); // keep it in a file

    // any ranking of keys can be measured, as this hybrid search
    let after = evaluate(&judgments, 10, async |question| {
        let search = blog_post::Entity::search_text(&embedder, question).limit(10);
        let hits = search.hybrid(FullText::any(question)).all(&db).await?;
        Ok::<_, SearchError>(hits.iter().map(|hit| hit.source.id.to_string()).collect())
    })
    .await?;
    println!("{}", after.compare(&Report::from_json(&before)?));

    assert_eq!(after.compare(&report).questions, 2);
    Ok(())
}

#[tokio::test]
async fn the_measurements_of_the_page() {
    on_both_catalogs(async |test| {
        super::posts(&test).await?;
        let questions = PAGE.block("toml", "[[questions]]");
        let judgments = Judgments::from_toml(&questions)?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("judgments.toml");

        let made = Judgments::from_toml(&made(test.db.clone()).await?)?;
        assert!(!made.questions.is_empty());

        // what the embedder of tests finds, which knows words alone
        let answered = Judgments::new([("How do I index a column?", [1]), ("flour and water", [2])]);
        std::fs::write(&file, answered.to_toml())?;
        let report = measured(test.db.clone(), model768(), &file).await?;
        assert_eq!(judgments.questions.len(), 2);
        compared(test.db.clone(), model768(), answered, report).await
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("quality.rs"));
}
