//! An index of one bit a number, in SQL.

use pgai_sea_tests::{Catalog, on_catalog};

use super::{BLOG, refusal, vectorize};

#[tokio::test]
async fn it_is_kept_beside_what_pgai_has() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let more = ", indexing => ai.indexing_binary(ai.indexing_hnsw(min_rows => 7, m => 8))";
        vectorize(&test, "blog", more).await?;
        let indexing = "select config -> 'indexing' from ai.vectorizer";
        assert_eq!(
            test.value::<serde_json::Value>(indexing).await?,
            serde_json::json!({"implementation": "hnsw", "config_type": "indexing", "min_rows": 7,
                "opclass": "vector_cosine_ops", "m": 8, "create_when_queue_empty": true, "quantized": "binary"})
        );
        // of any length, in any of the two types, and afterwards
        test.execute(
            "create table wide (id int primary key, content text, e halfvec(4001));
             select ai.create_vectorizer('wide', loading => ai.loading_column('content'),
                indexing => ai.indexing_binary(), embedding => ai.embedding_openai('m', 16000));
             select ai.create_vectorizer('wide', name => 'e', loading => ai.loading_column('content'),
                indexing => ai.indexing_binary(), embedding => ai.embedding_openai('m', 4001),
                chunking => ai.chunking_none(), destination => ai.destination_column('e'));
             select ai.set_scheduling(1, indexing => ai.indexing_binary())",
        )
        .await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_leaves_nothing() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        test.execute("alter table blog add column e sparsevec(3)").await?;
        for (more, said) in [
            (
                "indexing => ai.indexing_hnsw() || '{\"quantized\": \"halfvec\"}'",
                "22023 indexing: quantized is \"halfvec\", it must be binary",
            ),
            (
                "indexing => ai.indexing_binary(ai.indexing_diskann())",
                "22023 indexing: diskann has no index of bits",
            ),
            (
                "indexing => ai.indexing_binary(ai.indexing_none())",
                "22023 indexing: none has no index of bits",
            ),
            (
                "indexing => ai.indexing_binary(ai.indexing_hnsw(opclass => 'vector_l2_ops'))",
                "22023 indexing: a binary index compares bits, and opclass \"vector_l2_ops\" has no effect on it",
            ),
            (
                "indexing => ai.indexing_binary(), destination => ai.destination_column('e'),
                    chunking => ai.chunking_none()",
                "22023 indexing: pgvector has no bits of a sparsevec",
            ),
        ] {
            let create = format!(
                "select ai.create_vectorizer('blog', loading => ai.loading_column('content'), {more},
                    embedding => ai.embedding_openai('m', 3))"
            );
            assert_eq!(refusal(&test, &create).await?, said);
        }
        let left: i64 = test.value("select count(*) from ai.vectorizer").await?;
        assert_eq!(left, 0);
        Ok(())
    })
    .await;
}
