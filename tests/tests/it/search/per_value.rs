//! One hit for each value of a column, and the counts by values of what a hybrid search finds.

use std::collections::BTreeMap;

use pgai_sea::prelude::*;
use pgai_sea::search::{Cursor, Hits};
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, JoinType, RelationTrait};

use super::hybrid::{lantern, search};
use super::library::{Key, Stored, filled, found, passage, ranked, shelf, shelf_of};
use super::reference::{Hybrid, fused, give_words, rows};

const QUERY: [f32; 3] = [3.0, 2.0, 1.0];

/// The first hit of each value, in their order.
fn first_of<V: PartialEq>(all: &[(f64, Key, i32)], value: impl Fn(&Key) -> V) -> Vec<(f64, Key, i32)> {
    let mut best: Vec<(f64, Key, i32)> = Vec::new();
    for hit in all {
        if best.iter().all(|other| value(&other.1) != value(&hit.1)) {
            best.push(hit.clone());
        }
    }
    best
}

#[tokio::test]
async fn each_value_has_its_nearest_row() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        for metric in [Metric::Cosine, Metric::L2] {
            let all = ranked(&chunks, metric, &QUERY, |_| true);
            let search = || search().metric(metric).exact();
            let by_shelf = first_of(&all, shelf_of);
            assert_eq!(by_shelf.len(), 3);
            let hits = search().best_per(passage::Column::ShelfId).all(&test.db).await?;
            assert_eq!(found(&hits), by_shelf);
            assert_eq!(search().best_per(passage::Column::ShelfId).count(&test.db).await?, 3);
            // a joined table's column, and an expression that is NULL in a third of the rows
            let by_room = search()
                .join(JoinType::InnerJoin, passage::Relation::Shelf.def())
                .best_per(shelf::Column::Room);
            assert_eq!(found(&by_room.all(&test.db).await?), by_shelf);
            let known = search().best_per(Expr::cust("nullif(passages.tenant, 'a')"));
            let by_tenant = first_of(&all, |key| key.0.clone());
            assert_eq!(found(&known.all(&test.db).await?), by_tenant);
            // filters come before the best is taken
            let keep = |chunk: &Stored| chunk.seq == 1 && chunk.key.1 > 4;
            let kept = first_of(&ranked(&chunks, metric, &QUERY, keep), |key| key.0.clone());
            let hits = search()
                .filter(passage::Column::Number.gt(4))
                .filter(passage::chunks::Column::ChunkSeq.eq(1))
                .best_per(passage::Column::Tenant);
            assert_eq!(found(&hits.all(&test.db).await?), kept);
        }
        Ok(())
    })
    .await;
}

async fn pages<C: ConnectionTrait>(
    search: &pgai_sea::search::Search<'static, passage::chunks::Entity>,
    db: &C,
) -> Result<Vec<(f64, Key, i32)>, SearchError> {
    let mut all = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let hits: Hits<_> = search.clone().limit(7).after(after).all(db).await?;
        after = hits.next_cursor().cloned();
        all.extend(found(&hits));
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// Each passage has a title of its own: all that is said of sources holds for titles.
#[tokio::test]
async fn a_value_of_each_row_alone_is_the_row() {
    on_catalog(Catalog::Ours, async |test| {
        filled(&test).await?;
        give_words(&test).await?;
        let db = &test.db;
        let title = passage::Column::Title;
        for near in [1.0, 0.05, -1.0] {
            let per_row = || search().exact().max_distance(near).best_per_source();
            let per_value = || search().exact().max_distance(near).best_per(title);
            assert_eq!(
                found(&per_value().offset(3).limit(20).all(db).await?),
                found(&per_row().offset(3).limit(20).all(db).await?)
            );
            assert_eq!(per_value().count(db).await?, per_row().count(db).await?);
            assert_eq!(pages(&per_value(), db).await?, pages(&per_row(), db).await?);
            let hybrid = |search: pgai_sea::search::Search<'static, _>| search.limit(30).hybrid(lantern()).window(9);
            assert_eq!(
                fused(&hybrid(per_value()).all(db).await?),
                fused(&hybrid(per_row()).all(db).await?)
            );
            assert_eq!(hybrid(per_value()).count(db).await?, hybrid(per_row()).count(db).await?);
            let various = |search: pgai_sea::search::Search<'static, _>| search.diversify(0.4);
            assert_eq!(
                fused(&various(per_value()).all(db).await?),
                fused(&various(per_row()).all(db).await?)
            );
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_hybrid_search_is_counted_by_values() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        give_words(&test).await?;
        let rows = rows(&test, &chunks, Metric::Cosine, &QUERY).await?;
        for (window, max, is_grouped) in [(5, Some(-1.0), false), (40, Some(0.1), true), (9, None, false)] {
            let expected = Hybrid {
                max,
                is_grouped,
                ..Hybrid::of_window(window)
            };
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            for ((tenant, _), ..) in expected.of(&rows) {
                *counts.entry(tenant).or_default() += 1;
            }
            let mut counts: Vec<_> = counts.into_iter().collect();
            counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            let mut search = search();
            if let Some(max) = max {
                search = search.max_distance(max);
            }
            if is_grouped {
                search = search.best_per_source();
            }
            let ranking = search.clone().hybrid(lantern()).window(window as u64);
            let found: Vec<(String, u64)> = ranking.count_by(passage::Column::Tenant, &test.db).await?;
            assert_eq!(found, counts, "{window} {max:?} {is_grouped}");
            // without a text, as the search itself
            let found: Vec<(i32, u64)> = search
                .clone()
                .diversify(0.5)
                .count_by(passage::Column::ShelfId, &test.db)
                .await?;
            let itself: Vec<(i32, u64)> = search.count_by(passage::Column::ShelfId, &test.db).await?;
            assert_eq!(found, itself);
        }
        Ok(())
    })
    .await;
}

/// Whoever scores too little is no hit of the text, and may be one of the vectors all the same.
#[tokio::test]
async fn a_text_may_have_to_score() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        give_words(&test).await?;
        let all = rows(&test, &chunks, Metric::Cosine, &QUERY).await?;
        let mut scores: Vec<f64> = all.iter().filter_map(|row| row.text).collect();
        scores.sort_by(f64::total_cmp);
        scores.dedup();
        let [.., second, first] = scores[..] else {
            panic!("{scores:?}")
        };
        let least = f64::midpoint(first, second);
        let mut rows = all.clone();
        for row in &mut rows {
            row.text = row.text.filter(|score| *score >= least);
        }
        assert!(
            rows.iter().filter(|row| row.text.is_some()).count() < all.iter().filter(|row| row.text.is_some()).count()
        );
        for is_grouped in [false, true] {
            let expected = Hybrid {
                max: Some(0.05),
                is_grouped,
                ..Hybrid::of_window(200)
            };
            let expected = expected.of(&rows);
            let mut search = search().max_distance(0.05).limit(1_000);
            if is_grouped {
                search = search.best_per_source();
            }
            let ranking = search.hybrid(lantern().min_score(least)).window(200);
            assert_eq!(ranking.clone().count(&test.db).await?, expected.len() as u64);
            assert_eq!(fused(&ranking.all(&test.db).await?), expected, "{is_grouped}");
        }
        let refused = search().hybrid(lantern().min_score(f64::NAN)).all(&test.db).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("min_score"), "{refused}");
        Ok(())
    })
    .await;
}
