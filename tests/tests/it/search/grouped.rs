//! One hit for each source row, its best chunk.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::entity::prelude::*;
use sea_orm::{ConnectionTrait, Order, TransactionTrait};

use super::library::{Stored, filled, found, grouped, page, passage, ranked};

const QUERY: [f32; 3] = [3.0, 2.0, 1.0];

#[tokio::test]
async fn rows_are_ranked_by_their_best_chunk_and_ten_hits_are_ten_rows() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        for metric in [Metric::Cosine, Metric::L2, Metric::InnerProduct, Metric::L1] {
            let all = grouped(&ranked(&chunks, metric, &QUERY, |_| true));
            assert!(all.len() > 40, "{}", all.len());
            let search = || passage::chunks::Entity::search(QUERY).metric(metric).best_per_source();
            assert_eq!(search().count(&test.db).await?, all.len() as u64);
            for (offset, limit) in [(0, 1), (0, 10), (3, 10), (all.len() - 2, 5), (all.len(), 5), (0, 1_000)] {
                let hits = search()
                    .offset(offset as u64)
                    .limit(limit as u64)
                    .exact()
                    .all(&test.db)
                    .await?;
                assert_eq!(found(&hits), page(&all, offset, limit), "{metric:?} {offset} {limit}");
                // without an index the nearest chunks come first all the same; which of two equals is up to the scan
                let hits = search().offset(offset as u64).limit(limit as u64).all(&test.db).await?;
                let distances: Vec<f64> = found(&hits).iter().map(|hit| hit.0).collect();
                let expected: Vec<f64> = page(&all, offset, limit).iter().map(|hit| hit.0).collect();
                assert_eq!(distances, expected, "{metric:?} {offset} {limit}");
            }
        }
        Ok(())
    })
    .await;
}

/// The nearest 550 chunks are those of two passages: neither 8 nor 64 chunks for each row that is wanted reach a third
/// one.
#[tokio::test]
async fn rows_of_hundreds_of_chunks_do_not_crowd_out_the_others() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        let all = ranked(&chunks, Metric::Cosine, &QUERY, |_| true);
        let rows = grouped(&all);
        let crowd = |hits: &[(f64, (String, i32), i32)]| {
            hits.iter()
                .take_while(|hit| matches!((hit.1.0.as_str(), hit.1.1), ("a", 3) | ("b", 2)))
                .count()
        };
        assert!(
            crowd(&all[..64 * 3]) > 64 * 3 - 20,
            "the first window is to be full of two rows"
        );
        // of one list, which is all that there is: a graph of so many equal vectors may fall apart, as its levels are
        // drawn
        test.execute(
            "create index on passages_embedding_store using ivfflat (embedding vector_cosine_ops) with (lists = 1);
             analyze",
        )
        .await?;
        let transaction = test.db.begin().await?;
        transaction
            .execute_unprepared("set local enable_seqscan = off; set local enable_sort = on")
            .await?;
        let search = || passage::chunks::Entity::search(QUERY).best_per_source().limit(3);
        assert!(search().explain(&transaction).await?.index().is_some());
        let hits = search().all(&transaction).await?;
        let expected: Vec<f64> = rows[..3].iter().map(|hit| hit.0).collect();
        let distances: Vec<f64> = hits.iter().map(|hit| hit.distance).collect();
        assert_eq!(distances, expected);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn filters_come_before_the_best_is_taken() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        let keep = |chunk: &Stored| chunk.key.0 == "b" && chunk.seq >= 2;
        let all = grouped(&ranked(&chunks, Metric::L2, &QUERY, keep));
        let search = || {
            passage::chunks::Entity::search(QUERY)
                .metric(Metric::L2)
                .filter(passage::Column::Tenant.eq("b"))
                .filter(passage::chunks::Column::ChunkSeq.gte(2))
                .best_per_source()
                .limit(100)
        };
        assert_eq!(search().count(&test.db).await?, all.len() as u64);
        assert_eq!(found(&search().exact().all(&test.db).await?), all);

        let near: Vec<_> = all.iter().filter(|hit| hit.0 <= 3.0).cloned().collect();
        assert!(!near.is_empty() && near.len() < all.len());
        assert_eq!(found(&search().max_distance(3.0).exact().all(&test.db).await?), near);
        assert_eq!(search().max_distance(3.0).count(&test.db).await?, near.len() as u64);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_order_of_ones_own_decides_between_rows_and_between_their_chunks() {
    on_catalog(Catalog::Ours, async |test| {
        let chunks = filled(&test).await?;
        let mut all = ranked(&chunks, Metric::L1, &QUERY, |_| true);
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.2.cmp(&a.2)));
        let hits = passage::chunks::Entity::search(QUERY)
            .metric(Metric::L1)
            .then_order_by(passage::chunks::Column::ChunkSeq, Order::Desc)
            .best_per_source()
            .limit(100)
            .exact()
            .all(&test.db)
            .await?;
        assert_eq!(found(&hits), grouped(&all));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_source_is_searched_itself_and_comes_back_whole() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        let all = grouped(&ranked(&chunks, Metric::Cosine, &QUERY, |chunk| chunk.key.0 != "a"));
        let hits = passage::Entity::search(QUERY)
            .filter(passage::Column::Tenant.ne("a"))
            .limit(12)
            .exact()
            .all(&test.db)
            .await?;
        assert_eq!(hits.len(), 12);
        for (hit, (distance, key, seq)) in hits.iter().zip(&all) {
            assert_eq!((hit.distance, hit.embedding.chunk_seq), (*distance, *seq));
            assert_eq!(hit.embedding.source_key, *key);
            assert_eq!((&hit.source.tenant, hit.source.number), (&key.0, key.1));
            assert_eq!(hit.source.title, format!("{}{}", key.0, key.1));
            assert_eq!(hit.embedding.chunk, format!("{}{}#{seq}", key.0, key.1));
        }
        Ok(())
    })
    .await;
}
