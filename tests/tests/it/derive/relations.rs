//! Both `Related` implementations, in everything of SeaORM's that uses them.

use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::{
    ColumnTrait, EntityTrait, JoinType, LoaderTrait, ModelTrait, QueryFilter, QueryOrder, QuerySelect, RelationTrait,
};

use super::blog::blog_post::{self, content_embeddings};
use super::blog::create;

/// Every chunk with its post, as SQL sees it.
const PAIRS: &str = "select p.title || ': ' || e.chunk from blog_posts p join blog_posts_embedding_store e using (id)
    order by p.id, e.chunk_seq";

fn pair(post: &blog_post::Model, embedding: &content_embeddings::Model) -> String {
    format!("{}: {}", post.title, embedding.chunk)
}

#[tokio::test]
async fn a_row_has_its_columns() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let row = content_embeddings::Entity::find()
            .filter(content_embeddings::Column::Chunk.eq("dog one"))
            .one(&test.db)
            .await?
            .unwrap();
        let uuid = "select embedding_uuid from blog_posts_embedding_store where chunk = 'dog one'";
        assert_eq!(row.embedding_uuid, test.value::<uuid::Uuid>(uuid).await?);
        assert_eq!((row.id, row.chunk_seq), (11, 1));
        assert_eq!(row.embedding.as_slice(), [0.0, 1.0, 1.0]);
        let same = content_embeddings::Entity::find_by_id(row.embedding_uuid)
            .one(&test.db)
            .await?;
        assert_eq!(same, Some(row));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn find_with_related() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        let posts = blog_post::Entity::find()
            .find_with_related(content_embeddings::Entity)
            .order_by_asc(blog_post::Column::Id)
            .order_by_asc(content_embeddings::Column::ChunkSeq)
            .all(&test.db)
            .await?;
        let pairs: Vec<_> = posts
            .iter()
            .flat_map(|(post, chunks)| chunks.iter().map(move |chunk| pair(post, chunk)))
            .collect();
        assert_eq!(pairs, test.values::<String>(PAIRS).await?);
        assert_eq!(
            posts.iter().map(|(_, chunks)| chunks.len()).collect::<Vec<_>>(),
            [3, 2, 0]
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn find_also_related_from_both_sides() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        let expected = test.values::<String>(PAIRS).await?;
        let down = blog_post::Entity::find()
            .find_also_related(content_embeddings::Entity)
            .order_by_asc(blog_post::Column::Id)
            .order_by_asc(content_embeddings::Column::ChunkSeq)
            .all(&test.db)
            .await?;
        assert_eq!(
            down.len(),
            expected.len() + 1,
            "a post without embeddings is a row as well"
        );
        let pairs: Vec<_> = down
            .iter()
            .filter_map(|(post, chunk)| Some(pair(post, chunk.as_ref()?)))
            .collect();
        assert_eq!(pairs, expected);
        let up = content_embeddings::Entity::find()
            .find_also_related(blog_post::Entity)
            .order_by_asc(blog_post::Column::Id)
            .order_by_asc(content_embeddings::Column::ChunkSeq)
            .all(&test.db)
            .await?;
        let pairs: Vec<_> = up
            .iter()
            .map(|(chunk, post)| pair(post.as_ref().unwrap(), chunk))
            .collect();
        assert_eq!(pairs, expected);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn find_related_from_both_sides() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        let post = blog_post::Entity::find_by_id(11).one(&test.db).await?.unwrap();
        let chunks = post
            .find_related(content_embeddings::Entity)
            .order_by_asc(content_embeddings::Column::ChunkSeq)
            .all(&test.db)
            .await?;
        assert_eq!(
            chunks.iter().map(|chunk| &*chunk.chunk).collect::<Vec<_>>(),
            ["dog zero", "dog one"]
        );
        let back = chunks[0].find_related(blog_post::Entity).one(&test.db).await?;
        assert_eq!(back, Some(post));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn joins_with_filters_on_both_sides() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        let expected = "select e.chunk from blog_posts_embedding_store e join blog_posts p on p.id = e.id
            where p.title = 'cats' and e.chunk_seq > 0 order by e.chunk_seq";
        let expected = test.values::<String>(expected).await?;
        assert_eq!(expected.len(), 2);
        let chunks: Vec<String> = content_embeddings::Entity::find()
            .select_only()
            .column(content_embeddings::Column::Chunk)
            .join(JoinType::InnerJoin, content_embeddings::Relation::Source.def())
            .filter(blog_post::Column::Title.eq("cats"))
            .filter(content_embeddings::Column::ChunkSeq.gt(0))
            .order_by_asc(content_embeddings::Column::ChunkSeq)
            .into_tuple()
            .all(&test.db)
            .await?;
        assert_eq!(chunks, expected);
        let posts = blog_post::Entity::find()
            .inner_join(content_embeddings::Entity)
            .filter(blog_post::Column::Id.lt(12))
            .filter(content_embeddings::Column::Chunk.starts_with("dog"))
            .distinct()
            .all(&test.db)
            .await?;
        assert_eq!(posts.iter().map(|post| post.id).collect::<Vec<_>>(), [11]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn load_many_and_load_one() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        let posts = blog_post::Entity::find()
            .order_by_asc(blog_post::Column::Id)
            .all(&test.db)
            .await?;
        let in_order = content_embeddings::Entity::find().order_by_asc(content_embeddings::Column::ChunkSeq);
        let chunks = posts.load_many(in_order, &test.db).await?;
        let pairs: Vec<_> = posts
            .iter()
            .zip(&chunks)
            .flat_map(|(post, chunks)| chunks.iter().map(move |chunk| pair(post, chunk)))
            .collect();
        assert_eq!(pairs, test.values::<String>(PAIRS).await?);
        let sources = chunks[0].load_one(blog_post::Entity, &test.db).await?;
        assert_eq!(sources, vec![Some(posts[0].clone()); 3]);
        Ok(())
    })
    .await;
}
