//! Keys of any type and of several columns.

use pgai_sea_tests::{Catalog, on_catalog};

use super::{Posts, SHAPE};

#[tokio::test]
async fn keys_of_several_columns_and_of_any_type_are_gone_through() {
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, 1).await?;
        posts.test.execute("create extension if not exists citext").await.ok();
        for (columns, key, value, descending) in [
            ("a text, b int", "a, b", "'k' || i % 7, i", true),
            ("a timestamptz", "a", "now() + i * interval '1.001 seconds'", false),
            (
                "a citext, b float8",
                "a, b",
                "case when i % 2 = 0 then 'K' else 'k' end || i, i / 7.0::float8",
                true,
            ),
        ] {
            let has_citext = "select exists (select from pg_type where typname = 'citext')";
            if columns.contains("citext") && !posts.test.value::<bool>(has_citext).await? {
                continue;
            }
            let embedding = posts.embedding();
            posts
                .test
                .execute(&format!(
                    "select ai.drop_vectorizer('posts', drop_all => true); drop table posts;
                     create table posts ({columns}, title text, body text, primary key ({key}));
                     insert into posts select {value}, 'T' || i || ' {key}', 'text of row ' || i
                        from generate_series(1, 150) i;
                     select ai.backfill_vectorizer(ai.create_vectorizer('posts', name => 'posts', {embedding}, {SHAPE},
                        enqueue_existing => false), descending => {descending})"
                ))
                .await?;
            let ordinary = posts.ordinary().len();
            let said = posts.backfilled().await?;
            assert!(said.contains(", 0 at the ordinary price"), "{said}");
            posts.worked_off().await?;
            assert_eq!(posts.ordinary().len(), ordinary);
            posts.assert_paid_once().await?;
            // which pays the ordinary price
            posts.assert_as_fresh(key, "posts_embedding_store").await?;
        }
        Ok(())
    })
    .await;
}

/// A backfill in the order of a column that has begun goes on by key, over the rows that are left.
#[tokio::test]
async fn what_was_embedded_before_is_not_embedded_again() {
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, 100).await?;
        let embedding = posts.embedding();
        posts
            .test
            .execute(&format!(
                "select ai.drop_vectorizer('posts', drop_all => true); create index on posts (body);
                 select ai.create_vectorizer('posts', name => 'posts', {embedding}, {SHAPE});
                 delete from ai._vectorizer_q_2 where id > 40"
            ))
            .await?;
        posts.worked_off().await?;
        posts
            .test
            .execute("select ai.backfill_vectorizer('posts', order_by => 'body')")
            .await?;
        let ordinary = posts.ordinary().len();
        posts.backfilled().await?;
        posts.worked_off().await?;
        assert_eq!(posts.ordinary().len(), ordinary);
        let by_batch = posts.provider.texts_of_batches();
        assert!(
            by_batch.iter().all(|text| !posts.ordinary().contains(text)),
            "{by_batch:?}"
        );
        posts.assert_paid_once().await?;
        posts.assert_as_fresh("id", "posts_embedding_store").await
    })
    .await;
}
