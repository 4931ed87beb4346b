//! A user's own table with a column of every type of pgvector, filled at random.

use pgai_sea::pgvector::IntoVector;
use pgai_sea::prelude::*;
use pgai_sea_tests::{Random, TestDatabase, TestResult};
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::PgVector;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, EntityTrait, Schema};

pub(super) mod item {
    use pgai_sea::pgvector::{Bits, HalfVec, SparseVec};
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "items")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        #[sea_orm(column_type = "Vector(Some(16))", nullable)]
        pub whole: Option<PgVector>,
        #[sea_orm(column_type = r#"custom("halfvec(16)")"#, nullable)]
        pub half: Option<HalfVec>,
        #[sea_orm(column_type = r#"custom("sparsevec(16)")"#, nullable)]
        pub sparse: Option<SparseVec>,
        #[sea_orm(column_type = r#"custom("bit(16)")"#)]
        pub bits: Bits,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// The length of all of them.
pub(super) const DIMENSIONS: usize = 16;

/// Creates the table from the entity.
pub(super) async fn create_table(test: &TestDatabase) -> TestResult {
    let backend = test.db.get_database_backend();
    let create = Schema::new(backend).create_table_from_entity(item::Entity);
    test.db.execute(&create).await?;
    Ok(())
}

/// Creates the table and fills it.
pub(super) async fn create(
    test: &TestDatabase,
    random: &mut Random,
    rows: i32,
) -> Result<Vec<item::Model>, sea_orm::DbErr> {
    create_table(test)
        .await
        .map_err(|error| sea_orm::DbErr::Custom(error.to_string()))?;
    let items: Vec<_> = (1..=rows).map(|id| random_item(random, id)).collect();
    let models = items.iter().cloned().map(|item| item::ActiveModel {
        id: Set(item.id),
        whole: Set(item.whole),
        half: Set(item.half),
        sparse: Set(item.sparse),
        bits: Set(item.bits),
    });
    item::Entity::insert_many(models).exec(&test.db).await?;
    Ok(items)
}

/// Numbers of which none is zero.
pub(super) fn numbers(random: &mut Random) -> Vec<f32> {
    (0..DIMENSIONS)
        .map(|_| {
            let size = f32::from(u16::try_from(random.below(1000) + 1).unwrap()) / 64.0;
            if random.below(2) == 0 { size } else { -size }
        })
        .collect()
}

/// Numbers of which most are zero, and the first is not.
pub(super) fn mostly_zero(random: &mut Random) -> Vec<f32> {
    let mut numbers = numbers(random);
    for number in numbers.iter_mut().skip(1) {
        if random.below(4) > 0 {
            *number = 0.0;
        }
    }
    numbers
}

pub(super) fn random_bits(random: &mut Random) -> Bits {
    (0..DIMENSIONS).map(|_| random.below(2) == 0).collect()
}

fn random_item(random: &mut Random, id: i32) -> item::Model {
    item::Model {
        id,
        whole: Some(PgVector::from(numbers(random))),
        half: Some(numbers(random).into()),
        sparse: Some(mostly_zero(random).into()),
        bits: random_bits(random),
    }
}

/// The expression of the metric's own method.
pub(super) fn by_method<L, R>(metric: Metric, left: impl IntoVector<L>, right: impl IntoVector<R>) -> Expr {
    match metric {
        Metric::L2 => left.l2_distance(right),
        Metric::Cosine => left.cosine_distance(right),
        Metric::InnerProduct => left.max_inner_product(right),
        Metric::L1 => left.l1_distance(right),
        Metric::Hamming => left.hamming_distance(right),
        Metric::Jaccard => left.jaccard_distance(right),
        other => panic!("{other:?} is new"),
    }
}
