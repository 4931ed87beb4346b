//! Which rows are on which page.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::sea_query::{Expr, ExprTrait, NullOrdering};
use sea_orm::{EntityTrait, JoinType, Order, RelationDef, RelationTrait};

use super::library::{filled, found, page, passage, ranked, shelf};

const QUERY: [f32; 3] = [3.0, 2.0, 1.0];
const METRICS: [Metric; 4] = [Metric::Cosine, Metric::L2, Metric::InnerProduct, Metric::L1];

#[tokio::test]
async fn pages_of_an_exact_search_follow_each_other_also_where_many_are_at_one_distance() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        for metric in METRICS {
            let all = ranked(&chunks, metric, &QUERY, |_| true);
            let mut read = Vec::new();
            for number in 0.. {
                let search = passage::chunks::Entity::search(QUERY).metric(metric).exact();
                let hits = search.page(number, 37).all(&test.db).await?;
                if hits.is_empty() {
                    break;
                }
                read.extend(found(&hits));
            }
            assert_eq!(read, all, "{metric:?}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_maximum_and_a_least_similarity_cut_every_page() {
    on_catalog(Catalog::Ours, async |test| {
        let chunks = filled(&test).await?;
        for (metric, max) in [
            (Metric::Cosine, 0.1),
            (Metric::Cosine, 0.3),
            (Metric::L2, 2.0),
            (Metric::InnerProduct, -9.0),
            (Metric::L1, 3.0),
        ] {
            let all = ranked(&chunks, metric, &QUERY, |_| true);
            let within: Vec<_> = all.iter().filter(|hit| hit.0 <= max).cloned().collect();
            assert!(!within.is_empty() && within.len() < all.len(), "{metric:?} {max}");
            let search = || passage::chunks::Entity::search(QUERY).metric(metric).max_distance(max);
            assert_eq!(search().count(&test.db).await?, within.len() as u64, "{metric:?}");
            for (offset, limit) in [
                (0, 5),
                (0, 2_000),
                (within.len() - 1, 10),
                (within.len(), 10),
                (within.len() + 7, 10),
            ] {
                let hits = search()
                    .offset(offset as u64)
                    .limit(limit as u64)
                    .exact()
                    .all(&test.db)
                    .await?;
                assert_eq!(
                    found(&hits),
                    page(&within, offset, limit),
                    "{metric:?} {offset} {limit}"
                );
                assert_eq!(hits.missing(), 0);
                let hits = search().offset(offset as u64).limit(limit as u64).all(&test.db).await?;
                let (hits, page) = (found(&hits), page(&within, offset, limit));
                assert!(
                    hits.iter().map(|hit| hit.0).eq(page.iter().map(|hit| hit.0)),
                    "{metric:?} {offset} {limit}"
                );
            }
        }

        let all = ranked(&chunks, Metric::Cosine, &QUERY, |_| true);
        let search = passage::chunks::Entity::search(QUERY)
            .min_similarity(0.75)
            .limit(2_000)
            .exact();
        let similar: Vec<_> = all.iter().filter(|hit| hit.0 <= 0.25).cloned().collect();
        assert_eq!(found(&search.all(&test.db).await?), similar);
        let all = ranked(&chunks, Metric::InnerProduct, &QUERY, |_| true);
        let search = passage::chunks::Entity::search(QUERY)
            .metric(Metric::InnerProduct)
            .min_similarity(12.0);
        let similar: Vec<_> = all.iter().filter(|hit| hit.0 <= -12.0).cloned().collect();
        assert_eq!(found(&search.limit(2_000).exact().all(&test.db).await?), similar);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_order_of_ones_own_decides_between_equals() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        let mut all = ranked(&chunks, Metric::L1, &QUERY, |_| true);
        // the sort is stable: what it leaves equal stays in the order of keys
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then((b.1.1, b.2).cmp(&(a.1.1, a.2))));
        let hits = passage::chunks::Entity::search(QUERY)
            .metric(Metric::L1)
            .then_order_by(passage::Column::Number, Order::Desc)
            .then_order_by(passage::chunks::Column::ChunkSeq, Order::Desc)
            .exact()
            .page(1, 100)
            .all(&test.db)
            .await?;
        assert_eq!(found(&hits), page(&all, 100, 100));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_table_is_joined_from_either_side_and_under_another_name() {
    on_catalog(Catalog::Ours, async |test| {
        let chunks = filled(&test).await?;
        let attic = ranked(&chunks, Metric::Cosine, &QUERY, |chunk| chunk.shelf() == 1);
        let search = || passage::chunks::Entity::search(QUERY).limit(2_000).exact();
        let to_shelf = || passage::Relation::Shelf.def();
        let from_shelf = || -> RelationDef {
            shelf::Entity::belongs_to(passage::Entity)
                .from(shelf::Column::Id)
                .to(passage::Column::ShelfId)
                .into()
        };
        let room = |name: &'static str| Expr::col((name, shelf::Column::Room)).eq("attic");
        for search in [
            search().join(JoinType::InnerJoin, to_shelf()).filter(room("scan")),
            search()
                .join_rev(JoinType::InnerJoin, from_shelf())
                .filter(room("scan")),
            search()
                .join_as(JoinType::InnerJoin, to_shelf(), "here")
                .filter(room("here")),
            search()
                .join_as_rev(JoinType::InnerJoin, from_shelf(), "there")
                .filter(room("there")),
            search()
                .join(JoinType::InnerJoin, to_shelf())
                .join_as(JoinType::LeftJoin, to_shelf(), "here")
                .filter(room("scan"))
                .filter(room("here")),
        ] {
            assert_eq!(found(&search.all(&test.db).await?), attic);
        }

        // of equals those without a value first, which PostgreSQL has last
        let mut all = ranked(&chunks, Metric::L1, &QUERY, |_| true);
        let value = |seq: i32| (seq != 1).then_some(seq);
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(value(a.2).cmp(&value(b.2))));
        let hits = search()
            .metric(Metric::L1)
            .then_order_by_with_nulls(Expr::cust("nullif(chunk_seq, 1)"), Order::Asc, NullOrdering::First)
            .all(&test.db)
            .await?;
        assert_eq!(found(&hits), all);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_page_may_be_larger_than_any_table() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        let all = ranked(&chunks, Metric::Cosine, &QUERY, |_| true);
        let search = || passage::chunks::Entity::search(QUERY);
        let hits = search().limit(u64::MAX).exact().all(&test.db).await?;
        assert_eq!(found(&hits), all);
        let hits = search().limit(u64::MAX).all(&test.db).await?;
        assert_eq!(hits.len(), all.len());
        let hits = search()
            .limit(u64::MAX)
            .offset(3)
            .quantized(Quantized::halfvec())
            .all(&test.db)
            .await?;
        assert_eq!(hits.len(), all.len() - 3);
        let hits = search()
            .limit(u64::MAX)
            .best_per_source()
            .with_source()
            .all(&test.db)
            .await?;
        assert_eq!(hits.len() as u64, search().best_per_source().count(&test.db).await?);
        for far in [
            search().page(u64::MAX, 10),
            search().offset(u64::MAX),
            search().page(u64::MAX, u64::MAX).exact(),
        ] {
            let hits = far.all(&test.db).await?;
            assert!(hits.is_empty() && hits.missing() == 0);
        }
        let hits = search().offset(u64::MAX).max_scan_tuples(100).all(&test.db).await?;
        assert!(hits.is_empty() && hits.missing() == 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_page_of_no_rows_is_empty_and_what_cannot_be_compared_is_still_refused() {
    on_both_catalogs(async |test| {
        filled(&test).await?;
        let search = || passage::chunks::Entity::search(QUERY).limit(0);
        for search in [
            search(),
            search().exact(),
            search().best_per_source(),
            search().max_scan_tuples(1),
        ] {
            let hits = search.all(&test.db).await?;
            assert!(hits.is_empty() && hits.missing() == 0);
        }
        let refused = passage::chunks::Entity::search([1.0])
            .limit(0)
            .all(&test.db)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, SearchError::Dimensions { actual: 1, .. }),
            "{refused}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_distance_that_is_no_number_is_refused() {
    on_catalog(Catalog::Ours, async |test| {
        filled(&test).await?;
        for search in [
            passage::chunks::Entity::search(QUERY).max_distance(f64::NAN),
            passage::chunks::Entity::search(QUERY).min_similarity(f64::NAN),
        ] {
            let counted = search.clone().count(&test.db).await.unwrap_err();
            let refused = search.all(&test.db).await.unwrap_err();
            assert_eq!(refused.to_string(), counted.to_string());
            assert!(refused.to_string().contains("NaN"), "{refused}");
        }
        // an infinity is a number to compare with
        let all = passage::chunks::Entity::search(QUERY).count(&test.db).await?;
        let search = || passage::chunks::Entity::search(QUERY).limit(2_000);
        assert_eq!(
            search().max_distance(f64::INFINITY).all(&test.db).await?.len() as u64,
            all
        );
        assert!(search().max_distance(f64::NEG_INFINITY).all(&test.db).await?.is_empty());
        assert_eq!(search().max_distance(f64::NEG_INFINITY).count(&test.db).await?, 0);
        Ok(())
    })
    .await;
}
