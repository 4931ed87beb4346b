//! What SeaORM users expect of a query: pages, counts, streams, JSON, clones.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryOrder, RelationTrait};
use serde_json::json;

use super::hybrid::{lantern, search};
use super::library::{Key, filled, found, passage, ranked, shelf};
use super::reference::{Hybrid, fused, give_words, rows};

const QUERY: [f32; 3] = [3.0, 2.0, 1.0];

#[tokio::test]
async fn pages_are_those_of_the_search() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        let all = ranked(&chunks, Metric::Cosine, &QUERY, |_| true);
        let pages = search().exact().paginate(&test.db, 100);
        let count = all.len() as u64;
        assert_eq!(pages.num_items().await?, count);
        let numbers = pages.num_items_and_pages().await?;
        assert_eq!(
            (numbers.number_of_items, numbers.number_of_pages),
            (count, count.div_ceil(100))
        );
        assert_eq!(found(&pages.fetch_page(2).await?), all[200..300]);
        assert!(pages.fetch_page(1_000).await?.is_empty());
        let read: Vec<_> = pages.into_stream().try_collect().await?;
        assert_eq!(read.len() as u64, count.div_ceil(100));
        assert_eq!(found(&read.into_iter().flatten().collect::<Vec<_>>()), all);
        // an empty search has no page
        let none = search().max_distance(-1.0).paginate(&test.db, 10);
        assert_eq!(none.num_pages().await?, 0);
        assert_eq!(none.into_stream().try_collect::<Vec<_>>().await?.len(), 0);
        Ok(())
    })
    .await;
}

/// A ranking's pages, and its count, are those of the reference.
#[tokio::test]
async fn a_ranking_is_paged_and_counted() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        give_words(&test).await?;
        let rows = rows(&test, &chunks, Metric::Cosine, &QUERY).await?;
        for (window, max, is_grouped) in [
            (5, None, false),
            (5, Some(0.1), false),
            (40, Some(-1.0), false),
            (40, Some(0.1), true),
            (7, None, true),
        ] {
            let expected = Hybrid {
                max,
                is_grouped,
                ..Hybrid::of_window(window)
            };
            let expected = expected.of(&rows);
            let mut search = search().exact();
            if let Some(max) = max {
                search = search.max_distance(max);
            }
            if is_grouped {
                search = search.best_per_source();
            }
            let ranking = search.hybrid(lantern()).window(window as u64);
            assert_eq!(
                ranking.clone().count(&test.db).await?,
                expected.len() as u64,
                "{window} {max:?} {is_grouped}"
            );
            let pages = ranking.paginate(&test.db, 13);
            assert_eq!(pages.num_pages().await?, (expected.len() as u64).div_ceil(13));
            let third = pages.fetch_page(2).await?;
            let end = Ord::min(39, expected.len());
            assert_eq!(
                fused(&third),
                expected[Ord::min(26, end)..end],
                "{window} {max:?} {is_grouped}"
            );
        }
        let joined = search()
            .join(JoinType::InnerJoin, passage::Relation::Shelf.def())
            .diversify(0.7);
        assert_eq!(joined.count(&test.db).await?, chunks.len() as u64);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn facets_are_counted_under_the_filter() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        let expected = |keep: &dyn Fn(&(f64, Key, i32)) -> bool, by_row: bool| {
            let mut hits = ranked(&chunks, Metric::Cosine, &QUERY, |_| true);
            hits.retain(|hit| keep(hit));
            if by_row {
                hits = super::library::grouped(&hits);
            }
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            for (_, (tenant, _), _) in hits {
                *counts.entry(tenant).or_default() += 1;
            }
            let mut counts: Vec<_> = counts.into_iter().collect();
            counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            counts
        };
        let tenant = passage::Column::Tenant;
        let all: Vec<(String, u64)> = search().count_by(tenant, &test.db).await?;
        assert_eq!(all, expected(&|_| true, false));
        let near = search().max_distance(0.1).filter(passage::Column::Number.gt(3));
        let near: Vec<(String, u64)> = near.count_by(tenant, &test.db).await?;
        assert_eq!(
            near,
            expected(&|(distance, (_, number), _)| *distance <= 0.1 && *number > 3, false)
        );
        let sources = passage::Entity::search(QUERY).limit(1).max_distance(0.1);
        let sources: Vec<(String, u64)> = sources.count_by(tenant, &test.db).await?;
        assert_eq!(sources, expected(&|(distance, ..)| *distance <= 0.1, true));
        // a joined table's column, and one that may be missing
        let by_room: Vec<(Option<String>, u64)> = search()
            .join(JoinType::InnerJoin, passage::Relation::Shelf.def())
            .count_by(shelf::Column::Room, &test.db)
            .await?;
        assert_eq!(by_room.iter().map(|(_, count)| count).sum::<u64>(), chunks.len() as u64);
        let none: Vec<(String, u64)> = search().max_distance(-1.0).count_by(tenant, &test.db).await?;
        assert!(none.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn hits_become_json() {
    on_catalog(Catalog::Ours, async |test| {
        filled(&test).await?;
        let hits = search()
            .limit(3)
            .with_source()
            .with_neighbours(0, 1)
            .into_json()
            .all(&test.db)
            .await?;
        let typed = search()
            .limit(3)
            .with_source()
            .with_neighbours(0, 1)
            .all(&test.db)
            .await?;
        for (hit, typed) in hits.iter().zip(&typed) {
            let (chunk, source) = (&typed.embedding, &typed.source);
            assert_eq!(
                *hit,
                json!({
                    "distance": typed.distance,
                    "embedding": {
                        "embedding_uuid": chunk.embedding_uuid, "tenant": chunk.source_key.0,
                        "number": chunk.source_key.1, "chunk_seq": chunk.chunk_seq, "chunk": chunk.chunk,
                        "neighbours": chunk.neighbours,
                    },
                    "source": {
                        "tenant": source.tenant, "number": source.number, "title": source.title,
                        "shelf_id": source.shelf_id, "body": source.body,
                    },
                })
            );
        }
        let hits = search().limit(1).with_vectors().into_json().all(&test.db).await?;
        assert!(hits[0]["embedding"]["embedding"].is_array(), "{}", hits[0]);
        let ranked = search().into_json().hybrid(FullText::all("text")).all(&test.db).await?;
        assert!(ranked[0].hit["embedding"]["chunk"].is_string());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn chunks_of_rows_come_in_order_and_without_vectors() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        // what was written last stands last in the table
        test.execute("update passages_embedding_store set chunk = chunk || '!' where chunk_seq % 3 = 0")
            .await?;
        let mut passages = passage::Entity::find()
            .order_by_desc(passage::Column::Number)
            .all(&test.db)
            .await?;
        passages.push(passages[0].clone());
        let loaded = passage::chunks::Entity::chunks_of(&passages).all(&test.db).await?;
        assert_eq!(loaded.len(), passages.len());
        for (passage, loaded) in passages.iter().zip(&loaded) {
            let key = (passage.tenant.clone(), passage.number);
            let expected: Vec<i32> = chunks
                .iter()
                .filter(|chunk| chunk.key == key)
                .map(|chunk| chunk.seq)
                .collect();
            assert_eq!(loaded.iter().map(|chunk| chunk.chunk_seq).collect::<Vec<_>>(), expected);
            assert!(
                loaded
                    .iter()
                    .all(|chunk| chunk.source_key == key && chunk.embedding.is_none())
            );
        }
        let with = passage::chunks::Entity::chunks_of(&passages[..1])
            .with_vectors()
            .all(&test.db)
            .await?;
        assert!(with[0].iter().all(|chunk| chunk.embedding.is_some()));
        assert!(passage::chunks::Entity::chunks_of([]).all(&test.db).await?.is_empty());

        // a key of one column
        super::notes::create(&test).await?;
        let notes = super::notes::note::Entity::find().all(&test.db).await?;
        let loaded = super::notes::note::embeddings::Entity::chunks_of(&notes)
            .all(&test.db)
            .await?;
        assert!(
            loaded
                .iter()
                .zip(&notes)
                .all(|(chunks, note)| chunks[0].chunk == format!("chunk of note {}", note.id))
        );
        Ok(())
    })
    .await;
}
