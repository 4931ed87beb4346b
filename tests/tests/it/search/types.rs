//! Columns of pgvector's other types through SeaORM: everything that goes in comes out.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, Random, on_catalog};
use sea_orm::ActiveValue::{NotSet, Set, Unchanged};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use super::items::{DIMENSIONS, create, create_table, item, mostly_zero, numbers, random_bits};

#[tokio::test]
async fn the_column_types_are_the_tables() {
    on_catalog(Catalog::Bare, async |test| {
        create_table(&test).await?;
        let types: Vec<String> = test
            .values(
                "select attname || ' ' || format_type(atttypid, atttypmod) from pg_attribute
                 where attrelid = 'items'::regclass and attnum > 1 order by attnum",
            )
            .await?;
        assert_eq!(
            types,
            [
                "whole vector(16)",
                "half halfvec(16)",
                "sparse sparsevec(16)",
                "bits bit(16)"
            ]
        );
        // and schema sync finds nothing to do
        let module = "it::search::items::item";
        let before = pgai_sea_tests::Snapshot::of(&test.db).await?;
        test.db.get_schema_registry(module).sync(&test.db).await?;
        assert_eq!(pgai_sea_tests::Snapshot::of(&test.db).await?, before);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn whatever_is_written_is_read() {
    on_catalog(Catalog::Bare, async |test| {
        let random = &mut Random::new(1);
        let mut items = create(&test, random, 50).await?; // by insert_many
        let all = async || item::Entity::find().order_by_asc(item::Column::Id).all(&test.db).await;
        assert_eq!(all().await?, items);

        // insert, whose row comes back, and NULL
        let null = item::Model {
            id: 51,
            whole: None,
            half: None,
            sparse: None,
            bits: random_bits(random),
        };
        assert_eq!(null.clone().into_active_model().insert(&test.db).await?, null);
        items.push(null);
        assert_eq!(all().await?, items);

        // some NULL and some not in one statement, which has to type the NULLs
        let half: Vec<_> = [None, Some(HalfVec::from(numbers(random)))]
            .into_iter()
            .zip(52..)
            .map(|(half, id)| item::Model {
                id,
                whole: None,
                sparse: half.as_ref().map(|_| SparseVec::from(mostly_zero(random))),
                half,
                bits: random_bits(random),
            })
            .collect();
        item::Entity::insert_many(half.iter().cloned().map(IntoActiveModel::into_active_model))
            .exec(&test.db)
            .await?;
        items.extend(half);
        assert_eq!(all().await?, items);

        // update of a model, to a value and to NULL
        let (bits, sparse) = (random_bits(random), SparseVec::from(mostly_zero(random)));
        items[0] = item::ActiveModel {
            id: Unchanged(1),
            whole: NotSet,
            half: Set(None),
            sparse: Set(Some(sparse.clone())),
            bits: Set(bits.clone()),
        }
        .update(&test.db)
        .await?;
        assert_eq!(
            (&items[0].half, &items[0].sparse, &items[0].bits),
            (&None, &Some(sparse), &bits)
        );
        // and of many
        let half = HalfVec::from(numbers(random));
        item::Entity::update_many()
            .col_expr(item::Column::Half, Expr::val(half.clone()))
            .filter(item::Column::Id.gt(40))
            .exec(&test.db)
            .await?;
        items
            .iter_mut()
            .filter(|item| item.id > 40)
            .for_each(|item| item.half = Some(half.clone()));
        assert_eq!(all().await?, items);

        // and of what is there already
        items[1].bits = random_bits(random);
        item::Entity::insert(items[1].clone().into_active_model())
            .on_conflict(
                OnConflict::column(item::Column::Id)
                    .update_column(item::Column::Bits)
                    .to_owned(),
            )
            .exec(&test.db)
            .await?;
        assert_eq!(all().await?, items);
        Ok(())
    })
    .await;
}

type Parts = (Option<HalfVec>, SparseVec, Bits);

#[tokio::test]
async fn filters_and_partial_results_know_the_types() {
    on_catalog(Catalog::Bare, async |test| {
        let items = create(&test, &mut Random::new(2), 20).await?;
        let [third, eighth] = [&items[2], &items[7]];
        let ids = async |filter: Expr| {
            let select = item::Entity::find().select_only().column(item::Column::Id);
            select
                .filter(filter)
                .order_by_asc(item::Column::Id)
                .into_tuple::<i32>()
                .all(&test.db)
                .await
        };
        assert_eq!(ids(item::Column::Half.eq(third.half.clone())).await?, [3]);
        assert_eq!(ids(item::Column::Sparse.eq(third.sparse.clone())).await?, [3]);
        assert_eq!(ids(item::Column::Bits.eq(third.bits.clone())).await?, [3]);
        let either = [third.bits.clone(), eighth.bits.clone()];
        assert_eq!(ids(item::Column::Bits.is_in(either)).await?, [3, 8]);
        assert_eq!(ids(item::Column::Half.ne(third.half.clone())).await?.len(), 19);
        assert_eq!(ids(item::Column::Sparse.is_null()).await?, [0; 0]);

        let parts: Option<Parts> = item::Entity::find_by_id(8)
            .select_only()
            .columns([item::Column::Half, item::Column::Sparse, item::Column::Bits])
            .into_tuple()
            .one(&test.db)
            .await?;
        let (half, sparse, bits) = parts.ok_or("no item")?;
        assert_eq!(
            (half, Some(sparse), bits),
            (eighth.half.clone(), eighth.sparse.clone(), eighth.bits.clone())
        );

        // also where a query has made text of it, and of bits of any length
        let text: HalfVec = test.value("select half::text from items where id = 8").await?;
        assert_eq!(Some(text), eighth.half);
        let quantized: Bits = test.value("select binary_quantize('[1,-1,0.5]'::vector)").await?;
        assert_eq!(quantized.to_string(), "101");
        assert_eq!(test.value::<Option<Bits>>("select null::bit(3)").await?, None);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    on_catalog(Catalog::Bare, async |test| {
        create_table(&test).await?;
        let insert = async |half: HalfVec, sparse: SparseVec, bits: Bits| {
            let item = item::Model {
                id: 1,
                whole: None,
                half: Some(half),
                sparse: Some(sparse),
                bits,
            };
            let refused = item.into_active_model().insert(&test.db).await.unwrap_err();
            refused.to_string()
        };
        let (half, sparse) = (|n| HalfVec::from(vec![1.0; n]), |n| SparseVec::from(vec![1.0; n]));
        let bits = |n| Bits::from(vec![true; n]);
        let (right, wrong) = (DIMENSIONS, DIMENSIONS + 1);
        let refused = insert(half(wrong), sparse(right), bits(right)).await;
        assert!(refused.contains("expected 16 dimensions, not 17"), "{refused}");
        let refused = insert(half(right), sparse(wrong), bits(right)).await;
        assert!(refused.contains("expected 16 dimensions, not 17"), "{refused}");
        // neither cut nor filled up
        for length in [1, 15, 17] {
            let refused = insert(half(right), sparse(right), bits(length)).await;
            assert!(
                refused.contains(&format!("bit string length {length} does not match type bit(16)")),
                "{refused}"
            );
        }
        let refused = insert(HalfVec::from(vec![1e6; right]), sparse(right), bits(right)).await;
        assert!(refused.contains("infinite value not allowed in halfvec"), "{refused}");

        let refused = test
            .value::<HalfVec>("select '[1]'::vector as v")
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("its type is vector, not halfvec"), "{refused}");
        Ok(())
    })
    .await;
}
