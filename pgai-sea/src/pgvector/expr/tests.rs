use sea_orm::prelude::PgVector;
use sea_orm::sea_query::{Alias, Expr, PostgresQueryBuilder, Query, Value};
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, QueryOrder, QueryTrait};

use super::quantized::Quantization;
use super::*;
use crate::pgvector::{Bits, HalfVec, SparseVec};
use crate::search::ai;

mod store {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "store")]
    pub(super) struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(column_type = "Vector(Some(3))")]
        pub embedding: PgVector,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn sql(expr: Expr) -> String {
    Query::select().expr(expr).to_string(PostgresQueryBuilder)
}

#[test]
fn each_distance_has_its_operator() {
    let column = || Expr::col("e");
    assert_eq!(sql(column().l2_distance(vec![1.0])), r#"SELECT "e" <-> '[1]'"#);
    assert_eq!(
        sql(column().cosine_distance([1.0].as_slice())),
        r#"SELECT "e" <=> '[1]'"#
    );
    assert_eq!(
        sql(column().max_inner_product(PgVector::from(vec![1.0]))),
        r#"SELECT "e" <#> '[1]'"#
    );
    assert_eq!(sql(column().l1_distance([1.0])), r#"SELECT "e" <+> '[1]'"#);
    assert_eq!(
        sql(column().hamming_distance(Bits::from([true, false]))),
        r#"SELECT "e" <~> '10'::"bit""#
    );
    assert_eq!(
        sql(column().jaccard_distance(Bits::from([true, false]))),
        r#"SELECT "e" <%> '10'::"bit""#
    );
}

#[test]
fn columns_numbers_and_functions_stand_on_either_side() {
    let column = store::Column::Embedding;
    assert_eq!(
        sql(column.l2_distance(column)),
        r#"SELECT "store"."embedding" <-> "store"."embedding""#
    );
    assert_eq!(
        sql(vec![2.0].cosine_distance(column)),
        r#"SELECT '[2]' <=> "store"."embedding""#
    );
    assert_eq!(
        sql(column.cosine_distance(ai::ollama_embed("m", "it's"))),
        r#"SELECT "store"."embedding" <=> (ai.ollama_embed(model => 'm', input_text => E'it\'s'))"#
    );
    assert_eq!(
        sql(Expr::col((Alias::new("other"), column)).l1_distance(column)),
        r#"SELECT "other"."embedding" <+> "store"."embedding""#
    );
}

#[test]
fn the_other_types_are_arguments() {
    let column = store::Column::Embedding;
    assert_eq!(
        sql(column.l2_distance(HalfVec::from([0.5]))),
        r#"SELECT "store"."embedding" <-> '[0.5]'"#
    );
    assert_eq!(
        sql(column.l2_distance(SparseVec::from([0.0, 0.5]))),
        r#"SELECT "store"."embedding" <-> '{2:0.5}/2'::"sparsevec""#
    );
}

#[test]
fn functions_and_casts() {
    let column = || store::Column::Embedding;
    for (expr, expected) in [
        (column().vector_dims(), r#"vector_dims("store"."embedding")"#),
        (column().vector_norm(), r#"vector_norm("store"."embedding")"#),
        (column().l2_norm(), r#"l2_norm("store"."embedding")"#),
        (column().l2_normalize(), r#"l2_normalize("store"."embedding")"#),
        (column().binary_quantize(), r#"binary_quantize("store"."embedding")"#),
        (column().subvector(1, 2), r#"subvector("store"."embedding", 1, 2)"#),
        (column().cast_vector(3), r#"CAST("store"."embedding" AS vector(3))"#),
        (column().cast_halfvec(3), r#"CAST("store"."embedding" AS halfvec(3))"#),
        (
            column().cast_sparsevec(3),
            r#"CAST("store"."embedding" AS sparsevec(3))"#,
        ),
        (
            column().binary_quantize().cast_bit(3),
            r#"CAST(binary_quantize("store"."embedding") AS bit(3))"#,
        ),
        // SeaORM's own
        (ColumnTrait::avg(&column()), r#"AVG("store"."embedding")"#),
        (ColumnTrait::sum(&column()), r#"SUM("store"."embedding")"#),
    ] {
        assert_eq!(sql(expr), format!("SELECT {expected}"));
    }
}

#[test]
fn what_an_index_is_built_on_is_what_a_query_says() {
    let column = || Expr::col("e");
    assert_eq!(Quantization::HalfVec.of(column(), 8), column().cast_halfvec(8));
    assert_eq!(
        Quantization::Binary.of(column(), 8),
        column().binary_quantize().cast_bit(8)
    );
}

#[test]
fn values_are_bound() {
    let statement = store::Entity::find()
        .order_by_asc(store::Column::Embedding.cosine_distance(vec![0.25, 1.0]))
        .build(DbBackend::Postgres);
    assert!(
        statement.sql.ends_with(r#"ORDER BY "store"."embedding" <=> $1 ASC"#),
        "{}",
        statement.sql
    );
    assert_eq!(
        statement.values.unwrap().0,
        vec![Value::Vector(Some(vec![0.25, 1.0].into()))]
    );

    let statement = store::Entity::find()
        .order_by_asc(Expr::col("bits").hamming_distance(Bits::from([true, true])))
        .build(DbBackend::Postgres);
    assert!(
        statement.sql.ends_with(r#"ORDER BY "bits" <~> $1::"bit" ASC"#),
        "{}",
        statement.sql
    );
    assert_eq!(statement.values.unwrap().0, vec!["11".into()]);
}
