//! Distances and functions in queries written with SeaORM alone, against the same computed in Rust.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, Random, TestDatabase, on_both_catalogs, on_catalog};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, QueryOrder, QuerySelect, TryGetable};

use super::items::item::Column::{Half, Sparse, Whole};
use super::items::{self, by_method as expression, item, mostly_zero, numbers, random_bits};
use super::notes::{create, note, vector};

#[tokio::test]
async fn columns_order_filter_and_select_by_distance() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let embedding = note::embeddings::Column::Embedding;
        let nearest = note::embeddings::Entity::find()
            .order_by_asc(embedding.l2_distance(vector(5)))
            .one(&test.db)
            .await?;
        assert_eq!(nearest.map(|row| row.id), Some(5));

        let same_direction = vector(5).map(|x| x * 2.0);
        let near: Vec<(i32, f64)> = note::embeddings::Entity::find()
            .select_only()
            .column(note::embeddings::Column::Id)
            .column_as(embedding.cosine_distance(same_direction), "distance")
            .filter(embedding.cosine_distance(same_direction).lt(1e-6))
            .into_tuple()
            .all(&test.db)
            .await?;
        assert_eq!(near.len(), 1, "{near:?}");
        assert_eq!(near[0].0, 5);

        // against another row's vector, as a subquery
        let of_seven = Query::select()
            .column(note::embeddings::Column::Embedding)
            .from(note::embeddings::Entity)
            .and_where(Expr::col(note::embeddings::Column::Id).eq(7))
            .take();
        let nearest = note::embeddings::Entity::find()
            .order_by_asc(embedding.l1_distance(of_seven))
            .one(&test.db)
            .await?;
        assert_eq!(nearest.map(|row| row.id), Some(7));
        Ok(())
    })
    .await;
}

/// The distances of vectors, whatever type they are of.
const METRICS: [Metric; 4] = [Metric::L2, Metric::Cosine, Metric::InnerProduct, Metric::L1];

fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let length = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let product: f64 = pairs().map(|(a, b)| a * b).sum();
    match metric {
        Metric::L2 => pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
        Metric::Cosine => 1.0 - product / (length(a) * length(b)),
        Metric::InnerProduct => -product,
        Metric::L1 => pairs().map(|(a, b)| (a - b).abs()).sum(),
        other => panic!("{other:?} is not of vectors"),
    }
}

/// What `expr` is for each item, by id.
async fn of_items<T>(test: &TestDatabase, expr: Expr) -> Result<Vec<T>, DbErr>
where
    T: TryGetable + Send,
{
    item::Entity::find()
        .select_only()
        .column_as(expr, "value")
        .order_by_asc(item::Column::Id)
        .into_tuple()
        .all(&test.db)
        .await
}

/// The vectors of each type, as numbers.
fn vectors(items: &[item::Model]) -> [Vec<Vec<f32>>; 3] {
    let of = |vector: fn(&item::Model) -> Vec<f32>| items.iter().map(vector).collect();
    [
        of(|item| item.whole.as_ref().unwrap().to_vec()),
        of(|item| item.half.as_ref().unwrap().to_vec()),
        of(|item| item.sparse.as_ref().unwrap().to_vec()),
    ]
}

/// pgvector adds numbers of 32 bits.
#[track_caller]
fn assert_close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= 1e-5 * (1.0 + expected.abs()),
            "{what}: {found} is not {expected}"
        );
    }
}

#[tokio::test]
async fn every_distance_of_every_type_of_numbers_is_right() {
    on_catalog(Catalog::Bare, async |test| {
        let random = &mut Random::new(3);
        let items = items::create(&test, random, 60).await?;
        let [whole, half, sparse] = vectors(&items);
        for metric in METRICS {
            let query = numbers(random);
            let as_array: [f32; items::DIMENSIONS] = query.clone().try_into().unwrap();
            // columns are cast to the narrower type where the argument is of it
            let halved = HalfVec::from(query.clone());
            let sparse_query = SparseVec::from(mostly_zero(random));
            let halves: Vec<_> = whole
                .iter()
                .map(|vector| HalfVec::from(vector.clone()).to_vec())
                .collect();
            let to = |vectors: &[Vec<f32>], query: &[f32]| -> Vec<f64> {
                vectors.iter().map(|vector| distance(metric, vector, query)).collect()
            };
            let cases = [
                (expression(metric, Whole, query.clone()), to(&whole, &query)),
                (expression(metric, Whole, query.as_slice()), to(&whole, &query)),
                (expression(metric, as_array, Whole), to(&whole, &query)),
                (
                    expression(metric, Whole, PgVector::from(query.clone())),
                    to(&whole, &query),
                ),
                (expression(metric, Whole, &halved), to(&whole, &halved.to_vec())),
                (
                    expression(metric, Whole, &sparse_query),
                    to(&whole, &sparse_query.to_vec()),
                ),
                (expression(metric, Half, halved.clone()), to(&half, &halved.to_vec())),
                (expression(metric, Half, query.clone()), to(&half, &halved.to_vec())),
                (
                    expression(metric, Sparse, sparse_query.clone()),
                    to(&sparse, &sparse_query.to_vec()),
                ),
                (expression(metric, Sparse, query.clone()), to(&sparse, &query)),
                (
                    expression(metric, Whole.cast_halfvec(16), query.clone()),
                    to(&halves, &halved.to_vec()),
                ),
                (
                    expression(metric, Half.cast_vector(16), query.clone()),
                    to(&half, &query),
                ),
                (
                    expression(metric, Whole.cast_sparsevec(16), sparse_query.clone()),
                    to(&whole, &sparse_query.to_vec()),
                ),
                // one column and another
                (
                    expression(metric, Sparse.cast_vector(16), Whole),
                    sparse.iter().zip(&whole).map(|(a, b)| distance(metric, a, b)).collect(),
                ),
            ];
            for (i, (expr, expected)) in cases.into_iter().enumerate() {
                let found: Vec<f64> = of_items(&test, expr).await?;
                assert_close(&found, &expected, &format!("{metric:?}, case {i}"));
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn distances_of_bits_are_right() {
    on_catalog(Catalog::Bare, async |test| {
        let random = &mut Random::new(4);
        let items = items::create(&test, random, 60).await?;
        for query in [
            random_bits(random),
            Bits::from([false; items::DIMENSIONS]),
            Bits::from([true; items::DIMENSIONS]),
        ] {
            let count = |is_counted: fn(bool, bool) -> bool| -> Vec<f64> {
                let pairs = |item: &item::Model| {
                    let bits = item.bits.as_slice().iter().zip(query.as_slice());
                    f64::from(u32::try_from(bits.filter(|(a, b)| is_counted(**a, **b)).count()).unwrap())
                };
                items.iter().map(pairs).collect()
            };
            let (both, either) = (count(|a, b| a && b), count(|a, b| a || b));
            let jaccard: Vec<_> = both
                .iter()
                .zip(either)
                .map(|(both, either)| if *both == 0.0 { 1.0 } else { 1.0 - both / either })
                .collect();
            let found: Vec<f64> = of_items(&test, item::Column::Bits.hamming_distance(query.clone())).await?;
            assert_close(&found, &count(|a, b| a != b), "hamming");
            let found: Vec<f64> = of_items(&test, item::Column::Bits.jaccard_distance(&query)).await?;
            assert_close(&found, &jaccard, "jaccard");
        }
        // of quantized vectors
        let query = numbers(random);
        let expr = Whole
            .binary_quantize()
            .cast_bit(16)
            .hamming_distance(query.clone().binary_quantize());
        let found: Vec<f64> = of_items(&test, expr).await?;
        let expected: Vec<_> = items
            .iter()
            .map(|item| {
                let of_item = Bits::quantize(item.whole.as_ref().unwrap().as_slice());
                let pairs = of_item
                    .as_slice()
                    .iter()
                    .zip(Bits::quantize(&query).as_slice().to_vec());
                f64::from(u32::try_from(pairs.filter(|(a, b)| **a != *b).count()).unwrap())
            })
            .collect();
        assert_close(&found, &expected, "quantized");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn another_row_of_the_table_is_an_aliased_column() {
    on_catalog(Catalog::Bare, async |test| {
        let items = items::create(&test, &mut Random::new(5), 30).await?;
        let other = Alias::new("other");
        let expr = Expr::col((other.clone(), Whole)).l2_distance(Whole);
        let select = Query::select()
            .expr(Expr::col((other.clone(), item::Column::Id)))
            .expr(expr)
            .from(item::Entity)
            .join_as(
                sea_orm::JoinType::InnerJoin,
                item::Entity,
                other.clone(),
                Expr::col((item::Entity, item::Column::Id)).eq(1),
            )
            .order_by((other, item::Column::Id), sea_orm::Order::Asc)
            .take();
        let rows = test.db.query_all(&select).await?;
        let found: Vec<f64> = rows
            .iter()
            .map(|row| row.try_get_by_index(1))
            .collect::<Result<_, _>>()?;
        let to = |item: &item::Model| item.whole.as_ref().unwrap().to_vec();
        let expected: Vec<_> = items
            .iter()
            .map(|item| distance(Metric::L2, &to(item), &to(&items[0])))
            .collect();
        assert_close(&found, &expected, "self join");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn functions_and_aggregates_are_right() {
    on_catalog(Catalog::Bare, async |test| {
        let items = items::create(&test, &mut Random::new(6), 40).await?;
        let [whole, half, sparse] = vectors(&items);
        let norm = |v: &Vec<f32>| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let norms = |vectors: &[Vec<f32>]| vectors.iter().map(norm).collect::<Vec<f64>>();
        let wide = |v: &[f32]| v.iter().copied().map(f64::from).collect::<Vec<_>>();

        assert_eq!(of_items::<i32>(&test, Whole.vector_dims()).await?, [16; 40]);
        assert_eq!(of_items::<i32>(&test, Half.vector_dims()).await?, [16; 40]);
        assert_close(&of_items(&test, Whole.vector_norm()).await?, &norms(&whole), "vector");
        assert_close(&of_items(&test, Half.l2_norm()).await?, &norms(&half), "halfvec");
        assert_close(&of_items(&test, Sparse.l2_norm()).await?, &norms(&sparse), "sparsevec");

        let unit: Vec<PgVector> = of_items(&test, Whole.l2_normalize()).await?;
        for (unit, vector) in unit.iter().zip(&whole) {
            let expected: Vec<_> = vector.iter().map(|x| f64::from(*x) / norm(vector)).collect();
            assert_close(&wide(unit.as_slice()), &expected, "l2_normalize");
        }
        let unit: Vec<SparseVec> = of_items(&test, Sparse.l2_normalize()).await?;
        for (unit, vector) in unit.iter().zip(&sparse) {
            let expected: Vec<_> = vector.iter().map(|x| f64::from(*x) / norm(vector)).collect();
            assert_close(&wide(&unit.to_vec()), &expected, "l2_normalize");
        }
        let parts: Vec<PgVector> = of_items(&test, Whole.subvector(3, 5)).await?;
        for (part, vector) in parts.iter().zip(&whole) {
            assert_eq!(part.as_slice(), &vector[2..7]);
        }
        let quantized: Vec<Bits> = of_items(&test, Half.binary_quantize()).await?;
        for (bits, vector) in quantized.iter().zip(&half) {
            assert_eq!(*bits, Bits::quantize(vector));
        }
        let halved: Vec<HalfVec> = of_items(&test, Whole.cast_halfvec(16)).await?;
        for (halved, vector) in halved.iter().zip(&whole) {
            assert_eq!(
                *halved,
                HalfVec::from(vector.clone()),
                "PostgreSQL and Rust round alike"
            );
        }
        let sparse_again: Vec<SparseVec> = of_items(&test, Sparse.cast_vector(16).cast_sparsevec(16)).await?;
        for (again, vector) in sparse_again.iter().zip(&sparse) {
            assert_eq!(again.to_vec(), *vector);
        }

        // SeaORM's own aggregates
        let aggregate = async |expr: Expr| -> Result<PgVector, DbErr> {
            let select = item::Entity::find().select_only().column_as(expr, "value");
            let value: Option<PgVector> = select.into_tuple().one(&test.db).await?;
            value.ok_or_else(|| DbErr::Custom("no row".into()))
        };
        let sums: Vec<f64> = (0..16).map(|i| whole.iter().map(|v| f64::from(v[i])).sum()).collect();
        let means: Vec<f64> = sums.iter().map(|sum| sum / 40.0).collect();
        assert_close(
            &wide(aggregate(ColumnTrait::sum(&Whole)).await?.as_slice()),
            &sums,
            "sum",
        );
        assert_close(
            &wide(aggregate(Expr::col(Whole).avg()).await?.as_slice()),
            &means,
            "avg",
        );
        Ok(())
    })
    .await;
}
