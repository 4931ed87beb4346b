//! A store of `halfvec`, in SQL.

use pgai_sea_tests::{Catalog, on_catalog};

use super::{BLOG, embed, refusal, take, vectorize};

#[tokio::test]
async fn a_store_has_the_type_and_a_wider_index() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let more = ", destination => ai.destination_halfvec(ai.destination_table(target_table => 'halves'))";
        vectorize(&test, "blog", more).await?;
        let destination: serde_json::Value = test.value("select config -> 'destination' from ai.vectorizer").await?;
        assert_eq!(
            destination,
            serde_json::json!({"implementation": "table", "config_type": "destination", "target_schema": "public",
                "target_table": "halves", "view_schema": "public", "view_name": "blog_embedding",
                "vector_type": "halfvec"})
        );
        let columns: Vec<String> = test
            .values(
                "select format('%s %s %s', attrelid::regclass, format_type(atttypid, atttypmod), attstorage)
                 from pg_attribute
                 where attname = 'embedding' and attrelid in ('halves'::regclass, 'blog_embedding'::regclass)
                 order by 1",
            )
            .await?;
        assert_eq!(columns, ["blog_embedding halfvec(3) e", "halves halfvec(3) m"]);
        // what is said of the type that is there anyway is not kept
        let said = "select ai._vectorizer_destination
            ('{\"vector_type\": \"vector\"}' || ai.destination_table(), 's', 't')";
        assert_eq!(
            test.value::<serde_json::Value>(said).await?,
            test.value::<serde_json::Value>("select ai._vectorizer_destination(ai.destination_table(), 's', 't')")
                .await?
        );
        let wide = "create table wide (id int primary key, content text);
            select ai.create_vectorizer('wide', loading => ai.loading_column('content'), indexing => ai.indexing_hnsw(),
                embedding => ai.embedding_openai('m', 4000), destination => ai.destination_halfvec())";
        test.execute(wide).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_leaves_nothing() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        for (more, said) in [
            (
                "destination => ai.destination_table() || '{\"vector_type\": \"bit\"}'",
                "22023 destination: vector_type is \"bit\", it must be vector or halfvec",
            ),
            (
                "destination => ai.destination_halfvec(ai.destination_column('e')), chunking => ai.chunking_none()",
                "22023 destination: the vectors are in the column \"e\", whose type the table has and not the \
                    vectorizer",
            ),
            (
                "destination => ai.destination_halfvec(), indexing => ai.indexing_hnsw(),
                    embedding => ai.embedding_openai('m', 4001)",
                "P0001 indexing: hnsw takes a halfvec of at most 4000 dimensions, and these have 4001",
            ),
        ] {
            let embedding = if more.contains("embedding_openai") {
                ""
            } else {
                ", embedding => ai.embedding_openai('m', 3)"
            };
            let create = format!(
                "select ai.create_vectorizer('blog', loading => ai.loading_column('content'), {more}{embedding})"
            );
            assert_eq!(refusal(&test, &create).await?, said);
        }
        let left: i64 = test.value("select count(*) from ai.vectorizer").await?;
        assert_eq!(left, 0);
        Ok(())
    })
    .await;
}

/// What finds a store finds it whatever its type: a rename, a release, a drop.
#[tokio::test]
async fn a_store_is_found_and_dropped() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog values (1, 'one', 'c'), (2, 'two', 'd')")
            .await?;
        let id = vectorize(&test, "blog", ", destination => ai.destination_halfvec()").await?;
        take(&test, id).await?;
        embed(&test).await?;
        test.execute(&format!(
            "alter table blog_embedding_store rename to somewhere; alter table blog rename id to number;
             select ai.refresh_vectorizer({id})"
        ))
        .await?;
        let store: String = test
            .value(
                "select d ->> 'target_table' || ' ' || (d ->> 'vector_type')
                 from ai.vectorizer cross join lateral (select config -> 'destination') x (d)",
            )
            .await?;
        assert_eq!(store, "somewhere halfvec");
        test.execute("alter table somewhere rename to blog_embedding_store")
            .await?;
        test.execute(&format!(
            "begin; select ai.release_vectorizer({id}); alter table blog alter column number type bigint;
             select ai.refresh_vectorizer({id}); commit"
        ))
        .await?;
        test.execute("delete from blog where number = 1; alter table blog rename number to id")
            .await?;
        test.execute(&format!("select ai.refresh_vectorizer({id})")).await?;
        let kept: Vec<i64> = test.values("select id from blog_embedding_store").await?;
        assert_eq!(kept, [2]);
        test.execute(&format!("select ai.drop_vectorizer({id}, drop_all => true)"))
            .await?;
        let left: bool = test.value("select to_regclass('blog_embedding_store') is null").await?;
        assert!(left);
        Ok(())
    })
    .await;
}
