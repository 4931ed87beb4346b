//! The SQL of searches, word for word.

use super::*;
use crate::search::error::SearchError;
use crate::search::{IterativeScan, Quantized, SearchTrait};

/// A source and a store as the derive makes them, by hand.
pub(in crate::search) mod source {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "posts")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(in crate::search) mod store {
    use sea_orm::RelationDef;
    use sea_orm::entity::prelude::*;

    use super::source;
    use crate::entity::{Declaration, DeclaredDestination, EmbeddingTrait, Sealed};
    use crate::search::{Chunks, Searched};
    use crate::vectorizer::CreateVectorizer;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "store")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub embedding_uuid: Uuid,
        pub id: i32,
        pub chunk_seq: i32,
        pub chunk: String,
        #[sea_orm(column_type = "Vector(Some(3))")]
        pub embedding: PgVector,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    impl Sealed for Entity {}

    impl EmbeddingTrait for Entity {
        type Source = source::Entity;

        const DECLARATION: Declaration = Declaration::new(
            module_path!(),
            (None, "posts"),
            "title",
            3,
            DeclaredDestination::Table {
                target_schema: None,
                target_table: "store",
                view_schema: None,
                view_name: "posts_embedding",
                halfvec: false,
            },
            Self::vectorizer,
        );

        fn vectorizer() -> CreateVectorizer {
            CreateVectorizer::new("posts")
        }

        fn source_column() -> source::Column {
            source::Column::Title
        }

        fn embedding_column() -> Column {
            Column::Embedding
        }

        fn key_columns() -> Vec<Column> {
            vec![Column::Id]
        }

        fn uuid_column() -> Option<Column> {
            Some(Column::EmbeddingUuid)
        }

        fn chunk_seq_column() -> Option<Column> {
            Some(Column::ChunkSeq)
        }

        fn chunk_column() -> Option<Column> {
            Some(Column::Chunk)
        }

        fn source_relation() -> Option<RelationDef> {
            let relation = Entity::belongs_to(source::Entity);
            Some(relation.from(Column::Id).to(source::Column::Id).into())
        }
    }

    impl Searched for Entity {
        type Embeddings = Self;
        type Projection = Chunks;
    }
}

#[test]
fn a_plain_search_is_one_select() {
    let statement = store::Entity::search([1.0, 2.0, 3.0]).limit(5).statement().unwrap();
    assert_eq!(
        statement.to_string(),
        concat!(
            r#"SELECT "store"."embedding_uuid" AS "c_embedding_uuid", "store"."id" AS "c_id", "#,
            r#""store"."chunk_seq" AS "c_chunk_seq", "store"."chunk" AS "c_chunk", "store"."embedding" <=> "#,
            r#"'[1,2,3]' AS "distance" FROM "store" WHERE TRUE ORDER BY "distance" ASC LIMIT 5"#,
        )
    );
}

fn sql<E: EmbeddingTrait, F: Projection<E>>(search: &crate::search::Search<'_, E, F>) -> String {
    search.statement().unwrap().to_string()
}

#[test]
fn pages_are_cut_by_the_database_and_distances_by_the_reader() {
    let search = store::Entity::search([1.0, 2.0, 3.0]).page(2, 10).max_distance(0.5);
    assert!(sql(&search).ends_with(r#"ORDER BY "distance" ASC LIMIT 10 OFFSET 20"#));
    assert!(search.plan.keeps(0.5) && !search.plan.keeps(0.51) && !search.plan.keeps(f64::NAN));
    let similar = store::Entity::search([1.0, 2.0, 3.0])
        .min_similarity(0.75)
        .max_distance(0.5);
    assert!(similar.plan.keeps(0.25) && !similar.plan.keeps(0.26));
}

#[test]
fn the_best_of_each_source_is_taken_from_several_times_as_many_chunks() {
    let sql = sql(&store::Entity::search([1.0, 2.0, 3.0]).best_per_source().limit(5));
    for part in [
        concat!(
            r#""store"."embedding" <=> '[1,2,3]' AS "distance" FROM "store" WHERE TRUE ORDER BY "distance" "#,
            r#"ASC LIMIT 40) AS "pgai_sea_hits""#,
        ),
        r#"SELECT DISTINCT ON ("k_0") "pgai_sea_hits".* FROM (SELECT "#,
        concat!(
            r#") AS "pgai_sea_hits" ORDER BY "k_0" ASC, "distance" ASC, "k_seq" ASC) AS "best" ORDER BY "#,
            r#""distance" ASC, "k_0" ASC LIMIT 5"#,
        ),
    ] {
        assert!(sql.contains(part), "{part}\nis not in\n{sql}");
    }
}

#[test]
fn an_exact_search_orders_by_what_no_index_has() {
    let sql = sql(&store::Entity::search([1.0, 2.0, 3.0]).exact().limit(5));
    assert!(
        sql.ends_with(concat!(
            r#"("store"."embedding" <=> '[1,2,3]') + (0) AS "distance" FROM "store" ORDER BY "#,
            r#""distance" ASC, "k_0" ASC, "k_seq" ASC LIMIT 5"#,
        )),
        "{sql}"
    );
}

#[test]
fn a_smaller_vector_finds_and_the_whole_one_ranks() {
    let search = || store::Entity::search([1.0, 2.0, 3.0]).limit(2);
    let halved = sql(&search().quantized(Quantized::halfvec()));
    let by = concat!(
        r#"ORDER BY CAST("store"."embedding" AS halfvec(3)) <=> CAST('[1,2,3]' AS halfvec(3)) ASC LIMIT 4) "#,
        r#"AS "pgai_sea_hits""#,
    );
    assert!(halved.contains(by), "{halved}");
    assert!(
        halved.ends_with(r#"ORDER BY "distance" ASC, "k_0" ASC, "k_seq" ASC LIMIT 2"#),
        "{halved}"
    );
    let bits = sql(&search().quantized(Quantized::binary().oversample(3)));
    let by = concat!(
        r#"ORDER BY CAST(binary_quantize("store"."embedding") AS bit(3)) <~> "#,
        r#"CAST(binary_quantize('[1,2,3]') AS bit(3)) ASC LIMIT 6"#,
    );
    assert!(bits.contains(by), "{bits}");
}

#[test]
fn settings_are_made_and_undone_by_the_statement() {
    let search = || store::Entity::search([1.0, 2.0, 3.0]);
    let sql = sql(&search().ef_search(200).probes(7));
    for (setting, value) in [("hnsw.ef_search", "200"), ("ivfflat.probes", "7")] {
        assert!(
            sql.contains(&format!("set_config('{setting}', '{value}', TRUE)")),
            "{sql}"
        );
    }
    assert!(!sql.contains("iterative_scan"), "{sql}");
    for (search, setter) in [
        (search().ef_search(1_001), "ef_search"),
        (search().probes(0), "probes"),
        (search().max_scan_tuples(0), "max_scan_tuples"),
    ] {
        let refused = search.statement().unwrap_err();
        assert!(
            matches!(refused, SearchError::Setting { setter: s, .. } if s == setter),
            "{refused}"
        );
    }
    let refused = search().metric(Metric::L2).min_similarity(0.5).statement().unwrap_err();
    assert!(
        matches!(refused, SearchError::NoSimilarity { metric: Metric::L2 }),
        "{refused}"
    );
}

#[test]
fn a_filter_joins_the_source_and_scans_on() {
    let sql = store::Entity::search([1.0, 2.0, 3.0])
        .filter(source::Column::Title.contains("sea"))
        .metric(Metric::L2)
        .limit(5)
        .statement()
        .unwrap()
        .to_string();
    for part in [
        concat!(
            r#"FROM "store" INNER JOIN "posts" ON "store"."id" = "posts"."id" WHERE "posts"."title" LIKE "#,
            r#"'%sea%' AND ((SELECT COUNT(*) FROM pgai_sea_scan) > 0) ORDER BY "distance" ASC LIMIT 5"#,
        ),
        r#""store"."embedding" <-> '[1,2,3]' AS "distance" FROM "store""#,
        concat!(
            r#"SELECT "pgai_sea_hits".* FROM "pgai_sea_hits" WHERE (SELECT COUNT(*) FROM pgai_sea_restore) "#,
            r#"> 0 ORDER BY "distance" ASC LIMIT 5"#,
        ),
        // a connection's larger value stays
        "GREATEST(NULLIF(current_setting('hnsw.ef_search', TRUE), '')::int4, 100)::text",
        "set_config('hnsw.iterative_scan', 'off', TRUE)",
    ] {
        assert!(sql.contains(part), "{part}\nis not in\n{sql}");
    }
}

#[test]
fn a_filtered_search_begins_with_a_look_that_may_fill_its_page() {
    let search = || store::Entity::search([1.0, 2.0, 3.0]).filter(source::Column::Title.contains("sea"));
    for (search, candidates, scan) in [
        (search().limit(500), "::int4, 1000)", "off"),
        (search().limit(501), "::int4, 1000)", "strict_order"),
        (search().best_per_source(), "::int4, 160)", "off"),
        (search().ef_search(20), "'20'", "off"),
        (search().ef_search(19), "'19'", "strict_order"),
        (search().max_probes(9), "::int4, 100)", "strict_order"),
    ] {
        let sql = search.statement().unwrap().to_string();
        let scan = format!("set_config('hnsw.iterative_scan', '{scan}', TRUE)");
        assert!(
            sql.contains(candidates) && sql.contains(&scan),
            "{candidates} and {scan}: {sql}"
        );
    }
    let relaxed = search().iterative_scan(IterativeScan::Relaxed).statement().unwrap();
    assert!(
        relaxed.sql.contains("'relaxed_order'") && !relaxed.sql.contains("ef_search"),
        "{}",
        relaxed.sql
    );
    let sql = search()
        .ef_search(50)
        .max_scan_tuples(7)
        .statement()
        .unwrap()
        .to_string();
    for part in [
        "set_config('hnsw.ef_search', '50', TRUE)",
        "set_config('hnsw.max_scan_tuples', '7', TRUE)",
    ] {
        assert!(sql.contains(part), "{part}\nis not in\n{sql}");
    }
}

#[test]
fn a_vector_of_the_wrong_length_is_refused_with_both_numbers() {
    let refused = store::Entity::search([1.0, 2.0]).statement().unwrap_err();
    assert!(matches!(
        refused,
        SearchError::Dimensions {
            expected: 3,
            actual: 2,
            ..
        }
    ));
    assert_eq!(
        refused.to_string(),
        "the query vector has 2 dimensions, the vectors in store have 3: embed the query with the vectorizer's model"
    );
    let refused = store::Entity::search([1.0, f32::NAN, 0.0]).statement().unwrap_err();
    assert!(matches!(refused, SearchError::NotFinite { position: 1, .. }));
}

#[test]
fn the_first_rows_are_written_and_long_pages_bound() {
    let sent = |limit, offset| {
        let search = store::Entity::search([1.0, 2.0, 3.0]).ef_search(1_000);
        let statement = search.limit(limit).offset(offset).statement().unwrap();
        (statement.sql, statement.values.unwrap().0.len())
    };
    let (sql, values) = sent(10, 0);
    assert!(sql.contains(r#"ORDER BY "distance" ASC LIMIT 10)"#), "{sql}");
    // the vector, a setting, and the limit of the page
    assert_eq!(values, 3);
    let (sql, _) = sent(10, 20);
    assert!(sql.contains(r#"ORDER BY "distance" ASC LIMIT 30)"#), "{sql}");
    let (sql, values) = sent(1_001, 0);
    assert!(sql.contains(r#"ORDER BY "distance" ASC LIMIT $"#), "{sql}");
    assert_eq!(values, 4);
    let plain = store::Entity::search([1.0, 2.0, 3.0]).page(1, 10).statement().unwrap();
    assert!(
        plain.sql.ends_with(r#"ORDER BY "distance" ASC LIMIT 10 OFFSET 10"#),
        "{}",
        plain.sql
    );
    assert_eq!(plain.values.unwrap().0.len(), 1);
}

#[test]
fn an_order_says_where_rows_without_a_value_come() {
    use sea_orm::sea_query::NullOrdering;
    let sql = sql(&store::Entity::search([1.0, 2.0, 3.0]).then_order_by_with_nulls(
        source::Column::Title,
        Order::Desc,
        NullOrdering::Last,
    ));
    assert!(
        sql.ends_with(r#"ORDER BY "distance" ASC, "t_0" DESC NULLS LAST, "k_0" ASC, "k_seq" ASC LIMIT 10"#),
        "{sql}"
    );
}
