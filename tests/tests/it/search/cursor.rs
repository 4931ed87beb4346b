//! Pages by cursors: all of them together are what one search finds, also while others write.

use futures::TryStreamExt;
use pgai_sea::prelude::*;
use pgai_sea::search::{Cursor, Hits, Search};
use pgai_sea_tests::{Catalog, Random, TestDatabase, on_both_catalogs, on_catalog, rounds};
use sea_orm::{ColumnTrait, EntityTrait, Order};

use super::library::{Key, filled, found, grouped, passage, ranked};
use super::notes::{NOTES, create, note, vector};
use super::with_index;

const QUERY: [f32; 3] = [3.0, 2.0, 1.0];

type Chunks = Search<'static, passage::chunks::Entity>;

/// All pages, read one after the other, each cursor sent through text as an address carries it.
async fn pages<C: sea_orm::ConnectionTrait>(search: &Chunks, db: &C) -> Result<Vec<Hit<Key>>, SearchError> {
    let mut all = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let hits: Hits<_> = search.clone().after(after).all(db).await?;
        assert_eq!(hits.missing(), 0);
        after = hits.next_cursor().map(|cursor| cursor.to_string().parse().unwrap());
        all.extend(hits);
        if after.is_none() {
            return Ok(all);
        }
    }
}

async fn round(test: &TestDatabase, chunks: &[super::library::Stored], seed: u64) -> Result<(), SearchError> {
    let random = &mut Random::new(seed);
    for metric in [Metric::Cosine, Metric::L2, Metric::InnerProduct, Metric::L1] {
        let size = random.below(120) + 1;
        let (is_grouped, is_filtered, is_exact) = (random.below(2) == 0, random.below(2) == 0, random.below(2) == 0);
        let max = (random.below(3) == 0).then_some(1.0);
        let round = format!("seed {seed}: {metric:?} {size} {is_grouped} {is_filtered} {is_exact} {max:?}");
        let keep = |chunk: &super::library::Stored| !is_filtered || chunk.seq % 2 == 1 && chunk.key.1 < 15;
        let mut expected = ranked(chunks, metric, &QUERY, keep);
        expected.retain(|hit| max.is_none_or(|max| hit.0 <= max));
        let mut search = passage::chunks::Entity::search(QUERY).metric(metric).limit(size);
        if is_grouped {
            expected = grouped(&expected);
            search = search.best_per_source();
        }
        if is_filtered {
            search = search
                .filter(sea_orm::sea_query::Expr::cust("chunk_seq % 2 = 1"))
                .filter(passage::Column::Number.lt(15));
        }
        if is_exact {
            search = search.exact();
        }
        if let Some(max) = max {
            search = search.max_distance(max);
        }
        assert_eq!(found(&pages(&search, &test.db).await?), expected, "{round}");
        let streamed: Vec<_> = search.clone().stream(&test.db).try_collect().await?;
        assert_eq!(found(&streamed), expected, "{round}: as a stream");
        assert_eq!(
            search.after(None).count(&test.db).await?,
            expected.len() as u64,
            "{round}"
        );
    }
    Ok(())
}

/// Most rows of the library are at the same distance as others.
#[tokio::test]
async fn all_pages_together_are_what_one_search_finds() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        for seed in 0..rounds(6) {
            round(&test, &chunks, seed).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pages_stay_put_while_others_write() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let query = vector(7);
        let search = |after: Option<Cursor>| note::embeddings::Entity::search(query).limit(10).after(after);
        let ids = |hits: &Hits<Hit<i32>>| -> Vec<i32> { hits.iter().map(|hit| hit.embedding.source_key).collect() };
        let all = ids(&search(None).limit(40).all(&test.db).await?);

        let first = search(None).all(&test.db).await?;
        assert_eq!(ids(&first), all[..10]);
        // the last hit goes, others come before it, and one of the next page is farther now
        test.execute(&format!(
            "delete from notes where id in ({}, {});
             insert into notes_embedding_store (id, chunk_seq, chunk, embedding)
                 select 9000 + i, 0, 'new', embedding from notes_embedding_store, generate_series(1, 5) i where id = 7;
             update notes_embedding_store set embedding = (embedding::vector * '[-1,-1,-1]'::vector)::vector
                 where id = {}",
            all[9], all[3], all[12]
        ))
        .await?;
        let second = search(first.next_cursor().cloned()).all(&test.db).await?;
        let expected: Vec<i32> = all[10..].iter().copied().filter(|id| *id != all[12]).take(10).collect();
        assert_eq!(ids(&second), expected);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_index_serves_every_page() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        test.execute("create index on notes_embedding_store using hnsw (embedding vector_cosine_ops); analyze")
            .await?;
        let search = |after| note::embeddings::Entity::search(vector(7)).limit(50).after(after);
        let transaction = with_index(&test).await?;
        let index = Some("notes_embedding_store_embedding_idx");
        assert_eq!(search(None).explain(&transaction).await?.index(), index);
        let best = || note::Entity::search(vector(7)).limit(50);
        assert_eq!(best().after(None).explain(&transaction).await?.index(), index);
        let mut seen: Vec<i32> = Vec::new();
        let mut last = f64::NEG_INFINITY;
        let mut after = None;
        loop {
            let hits = search(after).all(&transaction).await?;
            for hit in &hits {
                assert!(hit.distance >= last, "{} after {last}", hit.distance);
                last = hit.distance;
            }
            seen.extend(hits.iter().map(|hit| hit.embedding.source_key));
            after = hits.next_cursor().cloned();
            let Some(cursor) = &after else { break };
            let plan = search(Some(cursor.clone())).explain(&transaction).await?;
            assert_eq!(plan.index(), index, "{plan}");
        }
        // what an index misses on its page is lost, as on any page of an index
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "a hit came twice");
        assert!(count >= usize::try_from(NOTES)? * 99 / 100, "{count} of {NOTES}");
        Ok(())
    })
    .await;
}

/// The key is text, a partial model and JSON have no key, and a source is found by its best chunk.
#[tokio::test]
async fn every_kind_of_hit_has_a_next_page() {
    on_catalog(Catalog::Ours, async |test| {
        filled(&test).await?;
        let search = || passage::chunks::Entity::search(QUERY).limit(30).exact();
        let all = search().limit(60).all(&test.db).await?;
        let second: Vec<_> = all[30..].iter().map(|hit| hit.distance).collect();

        let next = search().after(None).all(&test.db).await?.next_cursor().cloned();
        let hits = search()
            .after(next.clone())
            .with_source()
            .with_neighbours(1, 1)
            .all(&test.db)
            .await?;
        assert_eq!(hits.iter().map(|hit| hit.distance).collect::<Vec<_>>(), second);
        let json = search().after(next).into_json().all(&test.db).await?;
        assert!(json.iter().map(|hit| hit["distance"].as_f64().unwrap()).eq(second));

        let whole = passage::Entity::search(QUERY).limit(100).all(&test.db).await?;
        let mut paged = Vec::new();
        let mut after = None;
        loop {
            let hits = passage::Entity::search(QUERY)
                .limit(7)
                .after(after)
                .all(&test.db)
                .await?;
            paged.extend(hits.iter().map(|hit| hit.source.clone()));
            after = hits.next_cursor().cloned();
            if after.is_none() {
                break;
            }
        }
        assert_eq!(paged, whole.iter().map(|hit| hit.source.clone()).collect::<Vec<_>>());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_a_cursor_cannot_hold_is_refused() {
    on_catalog(Catalog::Ours, async |test| {
        filled(&test).await?;
        create(&test).await?;
        let search = || passage::chunks::Entity::search(QUERY).limit(5);
        let hits = search().after(None).all(&test.db).await?;
        let cursor = hits.next_cursor().ok_or("a full page")?.clone();
        let after = || search().after(cursor.clone());
        for refused in [
            after().offset(3).all(&test.db).await.unwrap_err(),
            after()
                .then_order_by(passage::Column::Title, Order::Asc)
                .all(&test.db)
                .await
                .unwrap_err(),
            after().diversify(0.5).all(&test.db).await.unwrap_err(),
            after().hybrid(FullText::all("text")).count(&test.db).await.unwrap_err(),
            // a composite key is no number, and a text is none
            note::embeddings::Entity::search(vector(7))
                .after(cursor.clone())
                .all(&test.db)
                .await
                .unwrap_err(),
        ] {
            assert!(matches!(refused, SearchError::Cursor { .. }), "{refused}");
        }
        let first = note::embeddings::Entity::search(vector(7))
            .limit(1)
            .after(None)
            .all(&test.db)
            .await?;
        let text = first.next_cursor().ok_or("a full page")?.to_string();
        // `"7"` becomes `"x"`
        let forged: Cursor = text.replace("2237222c", "2278222c").parse()?;
        let refused = note::embeddings::Entity::search(vector(7))
            .after(forged)
            .all(&test.db)
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("begin at the first page"), "{refused}");
        // the last page, and one that is no page of cursors, have none
        assert!(
            search()
                .limit(100_000)
                .after(None)
                .all(&test.db)
                .await?
                .next_cursor()
                .is_none()
        );
        assert!(search().all(&test.db).await?.next_cursor().is_none());
        let sources = passage::Entity::find().all(&test.db).await?;
        assert!(!sources.is_empty());
        Ok(())
    })
    .await;
}
