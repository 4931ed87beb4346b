//! A store in partitions, in SQL.

use pgai_sea_tests::{Catalog, on_catalog};

use super::{BLOG, refusal, vectorize};

#[tokio::test]
async fn what_cannot_be_is_refused_and_leaves_nothing() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        for (destination, said) in [
            (
                "ai.destination_partitioned(257)",
                "22023 destination: partitions is 257, it must be 1 to 256",
            ),
            (
                "ai.destination_partitioned(0)",
                "22023 destination: partitions is 0, it must be 1 to 256",
            ),
            (
                "ai.destination_partitioned(null, 'id')",
                "22023 destination: partition_by is \"id\", and partitions is missing",
            ),
            (
                "ai.destination_partitioned(4, 'title')",
                "22023 destination: partition_by is \"title\", which is no column of the primary key of \
                    public.blog",
            ),
            (
                "ai.destination_column('e') || '{\"partitions\": 4}', chunking => ai.chunking_none()",
                "22023 destination: the vectors are in the column \"e\", and partitioned as its table is",
            ),
        ] {
            let create = format!(
                "select ai.create_vectorizer('blog', loading => ai.loading_column('content'),
                     embedding => ai.embedding_openai('m', 3), destination => {destination})"
            );
            assert_eq!(refusal(&test, &create).await?, said);
        }
        // one partition is what every catalog has
        vectorize(&test, "blog", ", destination => ai.destination_partitioned(1)").await?;
        let said: bool = test
            .value("select bool_or(config -> 'destination' ?| '{partitions,partition_by}') from ai.vectorizer")
            .await?;
        assert!(!said);
        let kind: String = test
            .value("select relkind::text from pg_class where relname = 'blog_embedding_store'")
            .await?;
        assert_eq!(kind, "r");
        Ok(())
    })
    .await;
}

/// The partitions belong to whom the table belongs to, also when it is given away, and the policy of the store holds.
#[tokio::test]
async fn partitions_have_the_stores_owner() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let (first, second) = (test.role("first").await?, test.role("second").await?);
        test.execute(&format!("alter table blog owner to {first}")).await?;
        let id = vectorize(&test, "blog", ", destination => ai.destination_partitioned(2)").await?;
        let owners = async || {
            test.values::<String>(
                "select distinct relowner::regrole::text from pg_class
                 where relname ~ '^(blog_embedding_store|_vectorizer_store_\\d+_\\d)$' and relkind in ('r', 'p')",
            )
            .await
        };
        assert_eq!(owners().await?, [first.as_str()]);
        test.execute(&format!(
            "alter table blog owner to {second}; select ai.refresh_vectorizer({id})"
        ))
        .await?;
        assert_eq!(owners().await?, [second.as_str()]);
        let left: i64 = test
            .value(&format!(
                "select count(*) from pg_class where relname ~ '^_vectorizer_store_{id}_[01]$'"
            ))
            .await?;
        assert_eq!(left, 2);
        test.execute(&format!("select ai.drop_vectorizer({id}, drop_all => true)"))
            .await?;
        for role in [first, second] {
            test.drop_role(&role).await?;
        }
        Ok(())
    })
    .await;
}
