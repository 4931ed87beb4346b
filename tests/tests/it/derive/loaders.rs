//! The entity loader, two deep and from both ends.

use pgai_sea_tests::{Catalog, on_catalog};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};

use super::blog::blog_post::{self, content_embeddings};
use super::blog::{author, create};

const CHUNKS: &str = "select count(*) from blog_posts_embedding_store where id =";

#[tokio::test]
async fn a_post_brings_its_embeddings() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        let posts = blog_post::Entity::load()
            .with(content_embeddings::Entity)
            .with(author::Entity)
            .order_by_asc(blog_post::Column::Id)
            .all(&test.db)
            .await?;
        for post in &posts {
            let count: i64 = test.value(&format!("{CHUNKS} {}", post.id)).await?;
            assert_eq!(i64::try_from(post.content_embeddings.len())?, count, "post {}", post.id);
            assert!(post.content_embeddings.iter().all(|chunk| chunk.id == post.id));
            assert_eq!(post.author.as_ref().unwrap().id, post.author_id);
        }
        assert_eq!(posts.len(), 3);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_author_brings_posts_and_their_embeddings() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        let authors = author::Entity::load()
            .with((blog_post::Entity, content_embeddings::Entity))
            .order_by_asc(author::Column::Id)
            .all(&test.db)
            .await?;
        let mut chunks: Vec<String> = authors[0]
            .posts
            .iter()
            .flat_map(|post| post.content_embeddings.iter())
            .map(|chunk| format!("{}: {}", chunk.id, chunk.chunk))
            .collect();
        chunks.sort();
        let expected = "select e.id || ': ' || e.chunk from blog_posts_embedding_store e join blog_posts p using (id)
            where p.author_id = 1 order by 1";
        assert_eq!(chunks, test.values::<String>(expected).await?);
        assert!(authors[1].posts.iter().all(|post| post.content_embeddings.is_empty()));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_embedding_brings_its_post_and_the_posts_author() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        let chunks = content_embeddings::Entity::load()
            .with((blog_post::Entity, author::Entity))
            .filter(content_embeddings::Column::Chunk.starts_with("dog"))
            .all(&test.db)
            .await?;
        assert_eq!(chunks.len(), 2);
        for chunk in &chunks {
            let post = chunk.source.as_ref().unwrap();
            assert_eq!((post.id, &*post.title), (chunk.id, "dogs"));
            assert_eq!(post.author.as_ref().unwrap().name, "ada");
        }
        Ok(())
    })
    .await;
}
