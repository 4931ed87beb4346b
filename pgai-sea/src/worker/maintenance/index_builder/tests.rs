//! What is built.

use super::*;
use crate::worker::queue::key_sql::KeySql;

fn index(indexing: &Indexing, column: &str) -> Option<IndexBuilder> {
    let key_sql = KeySql {
        id: 7,
        source: r#""s""#.into(),
        queue: r#""q""#.into(),
        failed: None,
        keys: Vec::new(),
        is_bytes: false,
    };
    let (schema, table) = ("public", "Posts");
    let place = EmbeddingPlace { schema, table, column };
    IndexBuilder::new((7, "v"), Some(indexing), place, (Arc::new(Queue::new(&key_sql)), false))
}

/// The table of the embeddings, or the one that its partitions make.
fn target(index: &IndexBuilder, is_partitioned: bool) -> Target {
    Target {
        schema: "public".to_owned(),
        table: "Posts".to_owned(),
        index: index.name.clone(),
        is_partitioned,
    }
}

fn sql(indexing: impl Into<Indexing>) -> Option<String> {
    let index = index(&indexing.into(), "embedding");
    index.map(|index| index.statement(&target(&index, false), "ext", "vector", 3))
}

#[test]
fn a_column_of_another_type_has_its_operator_class() {
    let index = index(&Indexing::hnsw().opclass("vector_ip_ops").into(), "e").unwrap();
    assert_eq!(
        index.statement(&target(&index, false), "ext", "halfvec", 3),
        concat!(
            r#"CREATE INDEX CONCURRENTLY "_vectorizer_7_hnsw" ON "public"."Posts" "#,
            r#"USING hnsw ("e" "ext"."halfvec_ip_ops")"#
        )
    );
}

#[test]
fn what_takes_in_the_indexes_of_partitions_is_not_built_concurrently() {
    let index = index(&Indexing::hnsw().into(), "e").unwrap();
    assert_eq!(
        index.statement(&target(&index, true), "ext", "vector", 3),
        r#"CREATE INDEX "_vectorizer_7_hnsw" ON "public"."Posts" USING hnsw ("e" "ext"."vector_cosine_ops")"#
    );
}

#[test]
fn the_configuration_is_what_is_built() {
    let hnsw = Indexing::hnsw().opclass("vector_ip_ops").m(8).ef_construction(32);
    assert_eq!(
        sql(hnsw).unwrap(),
        concat!(
            r#"CREATE INDEX CONCURRENTLY "_vectorizer_7_hnsw" ON "public"."Posts" "#,
            r#"USING hnsw ("embedding" "ext"."vector_ip_ops") WITH (m = 8, ef_construction = 32)"#
        )
    );
    assert_eq!(
        sql(Indexing::hnsw()).unwrap(),
        concat!(
            r#"CREATE INDEX CONCURRENTLY "_vectorizer_7_hnsw" ON "public"."Posts" "#,
            r#"USING hnsw ("embedding" "ext"."vector_cosine_ops")"#
        )
    );
    assert_eq!(
        sql(Indexing::hnsw().m(8).binary()).unwrap(),
        concat!(
            r#"CREATE INDEX CONCURRENTLY "_vectorizer_7_hnsw_binary" ON "public"."Posts" USING hnsw "#,
            r#"((("ext"."binary_quantize"("embedding"))::bit(3)) "ext"."bit_hamming_ops") WITH (m = 8)"#
        )
    );
    let diskann = Indexing::diskann()
        .storage_layout("plain")
        .num_neighbors(50)
        .max_alpha(1.5);
    assert_eq!(
        sql(diskann).unwrap(),
        concat!(
            r#"CREATE INDEX CONCURRENTLY "_vectorizer_7_diskann" ON "public"."Posts" "#,
            r#"USING diskann ("embedding") WITH (storage_layout = 'plain', num_neighbors = 50, max_alpha = 1.5)"#
        )
    );
    assert_eq!(sql(Indexing::none()), None);
}

#[test]
fn an_empty_queue_is_waited_for_unless_it_is_not_wanted() {
    let when = |indexing: Hnsw| index(&indexing.into(), "c").unwrap().when;
    let hnsw = Indexing::hnsw().min_rows(5);
    assert_eq!(
        when(hnsw.clone()),
        BuildWhen {
            min_rows: 5,
            queue_is_empty: true
        }
    );
    assert!(!when(hnsw.create_when_queue_empty(false)).queue_is_empty);
}
