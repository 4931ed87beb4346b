//! Searches follow the rows.

use std::collections::BTreeMap;

use pgai_sea::prelude::*;
use pgai_sea_tests::providers::embedding_of;
use pgai_sea_tests::{TestResult, on_both_catalogs};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, ModelTrait};

use super::blog::{Blog, DIMENSIONS, MODEL, blog_post};
use blog_post::content_embeddings;

/// The nearest chunk to `text`: the post's id, its title, the chunk, and the distance.
async fn nearest(
    blog: &Blog,
    text: &str,
) -> Result<(i32, String, String, f64), Box<dyn std::error::Error + Send + Sync>> {
    let hits = content_embeddings::Entity::search(embedding_of(MODEL, text, DIMENSIONS))
        .limit(1)
        .with_source()
        .all(&blog.test.db)
        .await?;
    let hit = hits.into_iter().next().ok_or("nothing was found")?;
    Ok((hit.source.id, hit.source.title, hit.embedding.chunk, hit.distance))
}

#[tokio::test]
async fn an_inserted_row_is_found_an_updated_one_by_its_new_text_and_a_deleted_one_not_at_all() {
    on_both_catalogs(async |test| -> TestResult {
        let blog = Blog::new(test).await?;
        let db = &blog.test.db;
        let sea = blog.publish("Tides", "The sea rises and falls twice a day").await?;
        let bread = blog.publish("Bread", "Flour, water, salt and patience").await?;
        assert_eq!(blog.queued().await?, (2, 0));

        let report = blog.work().await?;
        assert_eq!((report.rows(), report.chunks_written()), (2, 2));
        assert_eq!(blog.queued().await?, (0, 0));
        let (id, title, chunk, distance) = nearest(&blog, "Bread - Flour, water, salt and patience").await?;
        assert_eq!(
            (id, title.as_str(), chunk.as_str()),
            (bread, "Bread", "Bread - Flour, water, salt and patience")
        );
        assert!(distance.abs() < 1e-5, "{distance}");

        let post = blog_post::Entity::find_by_id(bread).one(db).await?.ok_or("no post")?;
        let mut post: blog_post::ActiveModel = post.into();
        post.content = Set("A starter that is fed every morning".to_owned());
        let post = post.update(db).await?;
        assert_eq!(blog.queued().await?, (1, 0));
        blog.work().await?;
        let (id, _, chunk, distance) = nearest(&blog, "Bread - A starter that is fed every morning").await?;
        assert_eq!(
            (id, chunk.as_str()),
            (bread, "Bread - A starter that is fed every morning")
        );
        assert!(distance.abs() < 1e-5, "{distance}");
        let (.., distance) = nearest(&blog, "Bread - Flour, water, salt and patience").await?;
        assert!(distance > 0.5, "the old text is still found, at {distance}");

        post.delete(db).await?;
        blog.work().await?;
        let tides = BTreeMap::from([(sea, vec!["Tides - The sea rises and falls twice a day".to_owned()])]);
        blog.assert_embedded(&tides).await?;
        assert_eq!(
            nearest(&blog, "Bread - A starter that is fed every morning").await?.0,
            sea
        );
        assert_eq!(blog.queued().await?, (0, 0));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn posts_come_with_their_chunks_and_chunks_with_their_post() {
    on_both_catalogs(async |test| -> TestResult {
        let blog = Blog::new(test).await?;
        let db = &blog.test.db;
        // longer than one chunk of 800 characters, cut at a full stop
        let sentences = ["a", "b", "c"].map(|letter| letter.repeat(600));
        let id = blog.publish("Long", &sentences.join(".")).await?;
        blog.work().await?;
        let expected: Vec<_> = sentences.iter().map(|sentence| format!("Long - {sentence}")).collect();
        blog.assert_embedded(&BTreeMap::from([(id, expected.clone())])).await?;

        let pairs = blog_post::Entity::find()
            .find_with_related(content_embeddings::Entity)
            .all(db)
            .await?;
        let [(post, chunks)] = &pairs[..] else {
            panic!("one post: {pairs:?}")
        };
        assert_eq!((post.id, chunks.len()), (id, 3));

        let posts = blog_post::Entity::load()
            .with(content_embeddings::Entity)
            .all(db)
            .await?;
        let mut loaded: Vec<_> = posts[0].content_embeddings.iter().collect();
        loaded.sort_by_key(|chunk| chunk.chunk_seq);
        assert_eq!(
            loaded.iter().map(|chunk| &chunk.chunk).collect::<Vec<_>>(),
            expected.iter().collect::<Vec<_>>()
        );

        let chunk = content_embeddings::Entity::find().one(db).await?.ok_or("no chunk")?;
        let post = chunk.find_related(blog_post::Entity).one(db).await?;
        assert_eq!(post.map(|post| post.title), Some("Long".to_owned()));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_edit_and_a_delete_while_the_old_text_is_being_embedded_leave_nothing_stale() {
    on_both_catalogs(async |test| -> TestResult {
        let blog = Blog::new(test).await?;
        let db = &blog.test.db;
        let edited = blog.publish("Edited", "the text before").await?;
        let deleted = blog.publish("Deleted", "a text that goes").await?;
        blog.provider.hold();
        let changes = async {
            blog.provider.wait_for_requests(1).await;
            // neither waits for the worker
            let post = blog_post::ActiveModel {
                id: Set(edited),
                content: Set("the text after".to_owned()),
                ..Default::default()
            };
            post.update(db).await?;
            blog_post::Entity::delete_by_id(deleted).exec(db).await?;
            blog.provider.release();
            Ok::<_, sea_orm::DbErr>(())
        };
        let (report, outcome) = tokio::join!(blog.work(), changes);
        outcome?;
        report?;
        blog.work().await?;
        assert_eq!(blog.queued().await?, (0, 0));
        blog.assert_embedded(&BTreeMap::from([(edited, vec!["Edited - the text after".to_owned()])]))
            .await
    })
    .await;
}
