//! The page on testing.

use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{TestResult, on_both_catalogs};
use sea_orm::DatabaseConnection;

use super::blog_post;
use crate::pages::Page;
use crate::readme::m0001_search;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/testing.md"));

#[rustfmt::skip] // laid out as on the page
pub(crate) mod words {
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType};

/// Texts with the same words are near to each other.
#[derive(Debug)]
struct Words;

#[async_trait::async_trait]
impl Embedder for Words {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        let vector = |text: &&str| {
            let mut vector = vec![0.01; 768];
            for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()) {
                let place = word.bytes().fold(7_usize, |hash, byte| (hash * 31 + usize::from(byte)) % 768);
                vector[place] += 1.0;
            }
            vector
        };
        Ok(Embeddings::new(texts.iter().map(vector).collect()))
    }
}

    pub(crate) async fn embed(texts: &[&str], input_type: InputType) -> Result<Embeddings, EmbedError> {
        Words.embed(texts, input_type).await
    }

    pub(super) async fn run(db: sea_orm::DatabaseConnection) -> super::TestResult {
        use super::blog_post;

        use std::sync::Arc;

        use pgai_sea::prelude::*;
        use pgai_sea::worker::Worker;
        use sea_orm::{ActiveModelTrait, ActiveValue::Set};

        // db: a database of the test's own, after Migrator::up
        for (title, content) in [("postgres", "A B-tree keeps keys in order"), ("bread", "Flour, water and salt")] {
            let post = blog_post::ActiveModel {
                title: Set(title.to_owned()),
                content: Set(content.to_owned()),
                ..Default::default()
            };
            post.insert(&db).await?;
        }

        let worker = Worker::new(db.clone()).embedder("openai", "text-embedding-3-small", Arc::new(Words));
        let report = worker.run_once().await?;
        assert_eq!((report.rows(), report.errors().count()), (2, 0));

        let best = blog_post::Entity::search_text(&Words, "flour and water").one(&db).await?;
        assert_eq!(best.map(|hit| hit.source.title).as_deref(), Some("bread"));

        Ok(())
    }
}

async fn wait(db: DatabaseConnection, id: i32) -> TestResult {
    use std::time::Duration;

    use blog_post::content_embeddings;
    use pgai_sea::catalog::wait_until_embedded;

    wait_until_embedded(&db, content_embeddings::Entity, id, Duration::from_secs(10)).await?;

    Ok(())
}

#[tokio::test]
async fn the_test_of_the_page() {
    on_both_catalogs(async |test| {
        test.execute("create table blog_posts (id serial primary key, title text not null, content text not null)")
            .await?;
        m0001_search::Migration.up(&SchemaManager::new(&test.db)).await?;
        words::run(test.db.clone()).await?;

        test.execute("insert into blog_posts (id, title, content) values (42, 'late', 'text')")
            .await?;
        let (waited, embedded) = tokio::join!(wait(test.db.clone(), 42), super::embed(&test));
        embedded?;
        waited?;
        let found: i64 = test
            .value("select count(*) from blog_posts_embedding_store where id = 42")
            .await?;
        assert_eq!(found, 1);
        Ok(())
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("testing.rs"));
}
