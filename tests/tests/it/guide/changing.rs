//! The page on changing a model.

use std::process::{Command, Stdio};
use std::sync::Arc;

use pgai_sea::migration::prelude::*;
use pgai_sea::testing::{FakeEmbedder, embed_all};
use pgai_sea::{Embedder, Embedders, catalog};
use pgai_sea_tests::{Catalog, TestResult, on_catalog};
use sea_orm::DatabaseConnection;

use super::blog_post;
use crate::pages::Page;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/changing.md"));

#[rustfmt::skip] // laid out as on the page
async fn titles(db: DatabaseConnection, embedders: Embedders) -> Result<Vec<String>, pgai_sea::search::SearchError> {
    use pgai_sea::prelude::*;

    // embedders: Embedders::new(), once for the application
    let posts = blog_post::Entity::search_text(&embedders, "How do I index a column?").limit(5).all(&db).await?;

    Ok(posts.into_iter().map(|hit| hit.source.title).collect())
}

#[rustfmt::skip] // laid out as on the page
async fn begin(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    use pgai_sea::ChangeVectorizer;

    // say only what changes
    let change = ChangeVectorizer::new("public_blog_posts_embedding_store")
        .embedding(Embedding::openai("text-embedding-3-large", 768))
        .chunking(Chunking::recursive_character_text_splitter().chunk_size(400).chunk_overlap(50));
    manager.change_vectorizer(change).await?;

    Ok(())
}

fn said(arguments: &[String]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{arguments:?}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

#[tokio::test]
async fn the_change_of_the_page() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        super::posts(&test).await?;
        let (small, large) = (FakeEmbedder::new(768), FakeEmbedder::new(768));
        let embedders = [("text-embedding-3-small", &small), ("text-embedding-3-large", &large)]
            .into_iter()
            // every question is to be embedded, to be seen
            .fold(Embedders::new().remember_queries(0), |embedders, (model, embedder)| {
                embedders.embedder("openai", model, Arc::new(embedder.clone()) as Arc<dyn Embedder>)
            });
        let first = async || {
            let titles = titles(test.db.clone(), embedders.clone()).await?;
            Ok::<_, pgai_sea::search::SearchError>(titles.first().cloned())
        };
        let answering = async || {
            let vectorizer = catalog::vectorizer(&test.db, "public_blog_posts_embedding_store").await?;
            Ok::<_, catalog::CatalogError>(vectorizer.config.embedding.model().to_owned())
        };
        assert_eq!(first().await?.as_deref(), Some("postgres indexes"));

        let mut commands = PAGE.commands(&test.url).into_iter();
        let mut shown = String::new();
        let mut next = || shown.push_str(&said(&commands.next().unwrap()));
        next();
        begin(&SchemaManager::new(&test.db)).await?;
        next();
        embed_all(&test.db, &large).await?;
        assert_eq!(first().await?.as_deref(), Some("postgres indexes"));
        next();

        for (model, answers) in [
            ("text-embedding-3-large", &large),
            ("text-embedding-3-small", &small),
            ("text-embedding-3-large", &large),
        ] {
            next();
            assert_eq!(answering().await?, model);
            answers.forget_requests();
            assert_eq!(first().await?.as_deref(), Some("postgres indexes"));
            assert_eq!(
                answers.requests().len(),
                1,
                "the question is embedded by the model that answers"
            );
        }
        next();
        assert_eq!(commands.len(), 0);
        assert_eq!(
            shown.trim_end(),
            PAGE.blocks("console").join("\n"),
            "what the page shows"
        );
        let left: i64 = test.value("select count(*) from ai.vectorizer").await?;
        assert_eq!(left, 1);
        assert_eq!(first().await?.as_deref(), Some("postgres indexes"));
        Ok(())
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("changing.rs"));
}
