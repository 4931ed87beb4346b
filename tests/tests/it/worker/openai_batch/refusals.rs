//! What cannot go through batches is refused, before anything is taken over, with what to do.

use pgai_sea_tests::providers::Provider;
use pgai_sea_tests::{Catalog, TestResult, on_catalog};

use super::{Posts, SHAPE, said};

async fn refused(posts: &Posts, part: &str) -> TestResult {
    let output = posts.backfill().output().await?;
    let said = said(&output);
    assert!(!output.status.success() && said.contains(part), "{said}");
    assert_eq!(said.lines().count(), 1, "one sentence: {said}");
    let kept = "select coalesce(bool_or(backfill ? 'batch'), false) from ai.vectorizer_generation";
    if posts.test.catalog == Catalog::Ours {
        assert!(!posts.test.value::<bool>(kept).await?, "workers have to go on");
    }
    Ok(())
}

#[tokio::test]
async fn servers_and_keys_that_do_not_do() {
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, 60).await?;
        let mut command = posts.backfill();
        let output = command.env("OPENAI_API_KEY", "sk-another-one").output().await?;
        let told = said(&output);
        assert!(told.contains("does not accept the API key (401"), "{told}");
        assert!(!told.contains("sk-another-one"), "{told}");
        let mut command = posts.backfill();
        let output = command.env_remove("OPENAI_API_KEY").output().await?;
        assert!(
            said(&output).contains("wants an API key and none is set in `OPENAI_API_KEY`"),
            "{output:?}"
        );
        posts.provider.has_no_batches();
        refused(&posts, "has no interface for batches (404): let workers embed it").await?;
        posts.worked_off().await?;
        assert!(posts.chunks().await? >= 120);
        assert!(!said(&output).contains(Provider::API_KEY));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn other_providers_other_names_and_vectorizers_that_are_paused() {
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, 60).await?;
        posts.test.execute("update ai.vectorizer set disabled = true").await?;
        refused(&posts, "it is paused").await?;
        posts
            .test
            .execute(&format!(
                "select ai.drop_vectorizer('posts', drop_all => true);
                 select ai.backfill_vectorizer(ai.create_vectorizer('posts', name => 'posts', {SHAPE},
                    embedding => ai.embedding_ollama('m', 8, base_url => '{}'), enqueue_existing => false))",
                posts.provider.ollama_url()
            ))
            .await?;
        refused(
            &posts,
            "it is for vectorizers with `embedding_openai`, and this one has `ollama`",
        )
        .await?;
        posts
            .test
            .execute("select ai.drop_vectorizer('posts', drop_all => true)")
            .await?;
        refused(&posts, "there is no vectorizer \"posts\"").await
    })
    .await;
}

#[tokio::test]
async fn pgais_catalog() {
    on_catalog(Catalog::Pgai, async |test| {
        let provider = Provider::start();
        let posts = Posts { test, provider };
        let embedding = posts.embedding();
        posts
            .test
            .execute(&format!(
                "create table posts (id int primary key, title text, body text);
                 select ai.create_vectorizer('posts', name => 'posts', {embedding}, {SHAPE})"
            ))
            .await?;
        refused(
            &posts,
            "pgai's schema queues all rows at once, and they cannot go through batches",
        )
        .await
    })
    .await;
}
