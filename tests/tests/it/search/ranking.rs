//! Hybrid searches, rerankers and diversity, against the same in Rust.

use std::collections::HashMap;

use async_trait::async_trait;
use pgai_sea::prelude::*;
use pgai_sea::rerank::{RerankError, Reranker};
use pgai_sea::search::Ranked;
use pgai_sea_tests::{TestDatabase, TestResult, on_both_catalogs};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, Statement};

use super::builder::distance;
use super::notes::{NOTES, create, note, vector};
use super::with_index;

const QUERY: [f32; 3] = [0.25, -3.0, 1.5];
const WORDS: &str = "lighthouse -fog";

/// The notes, with words in their chunks and a second chunk each that points another way.
async fn create_with_words(test: &TestDatabase) -> TestResult {
    create(test).await?;
    test.execute(
        "update notes_embedding_store set chunk = concat_ws(' ', 'note', id,
             case when id % 3 = 0 then 'lighthouse' end, case when id % 5 = 0 then 'lighthouses' end,
             case when id % 7 = 0 then 'fog' end);
         insert into notes_embedding_store (id, chunk_seq, chunk, embedding)
             select id, 1, 'the lighthouse of ' || id, ('[' || id % 13 + id * 0.001 || ',-2,' || id % 7 || ']')::vector
             from notes_embedding_store where id % 8 = 0;
         create index on notes_embedding_store using gin (to_tsvector('english', chunk))",
    )
    .await?;
    Ok(())
}

/// A chunk as the database has it.
#[derive(Clone, Debug)]
struct Row {
    id: i32,
    seq: i32,
    distance: f64,
    text: Option<f64>,
}

/// All chunks, with their distance and their full-text score.
async fn rows(test: &TestDatabase) -> Result<Vec<Row>, sea_orm::DbErr> {
    let sql = "select id, chunk_seq, (embedding <=> '[0.25,-3,1.5]')::float8 as distance,
                   case when to_tsvector('english', chunk) @@ q
                       then ts_rank_cd(to_tsvector('english', chunk), q)::float8 end as score
               from notes_embedding_store, websearch_to_tsquery('english', 'lighthouse -fog') q
               order by id, chunk_seq";
    let rows = test
        .db
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Row {
                id: row.try_get("", "id")?,
                seq: row.try_get("", "chunk_seq")?,
                distance: row.try_get("", "distance")?,
                text: row.try_get("", "score")?,
            })
        })
        .collect()
}

/// Ranks from 1 of the first `window` rows by `key`, ties in the order of `rows`; one row for each `group`.
fn ranks<G: Eq + std::hash::Hash>(
    rows: &[Row],
    key: impl Fn(&Row) -> Option<f64>,
    group: impl Fn(&Row) -> G,
    window: usize,
) -> HashMap<G, (u64, f64)> {
    let mut ranked: Vec<_> = rows.iter().filter_map(|row| Some((key(row)?, row))).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut found = HashMap::new();
    for (key, row) in ranked {
        let rank = found.len() as u64 + 1;
        if found.len() < window {
            found.entry(group(row)).or_insert((rank, key));
        }
    }
    found
}

/// A fused row: its score, and its ranks.
type Fused<G> = (G, f64, Option<u64>, Option<u64>);

fn fuse<G: Clone + Eq + std::hash::Hash>(
    vector: &HashMap<G, (u64, f64)>,
    text: &HashMap<G, (u64, f64)>,
    (k, vector_weight, text_weight): (f64, f64, f64),
) -> Vec<Fused<G>> {
    let mut keys: Vec<G> = vector
        .keys()
        .chain(text.keys().filter(|key| !vector.contains_key(key)))
        .cloned()
        .collect();
    let score = |key: &G| {
        let part = |leg: &HashMap<G, (u64, f64)>, weight: f64| {
            leg.get(key)
                .map_or(0.0, |(rank, _)| weight / (k + f64::from(u32::try_from(*rank).unwrap())))
        };
        part(vector, vector_weight) + part(text, text_weight)
    };
    keys.sort_by(|a, b| score(b).total_cmp(&score(a)));
    keys.into_iter()
        .map(|key| {
            let rank = |leg: &HashMap<G, (u64, f64)>| leg.get(&key).map(|(rank, _)| *rank);
            (key.clone(), score(&key), rank(vector), rank(text))
        })
        .collect()
}

/// The same rows; among equal scores in any order.
#[track_caller]
fn assert_fused<G: Clone + std::fmt::Debug + Ord>(found: &[Fused<G>], expected: &[Fused<G>]) {
    assert_eq!(found.len(), expected.len());
    let canonical = |rows: &[Fused<G>]| {
        let mut rows = rows.to_vec();
        rows.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        rows
    };
    assert!(found.is_sorted_by(|a, b| a.1 >= b.1), "{found:?}");
    for (found, expected) in canonical(found).iter().zip(canonical(expected)) {
        assert!((found.1 - expected.1).abs() < 1e-12, "{found:?} {expected:?}");
        assert_eq!((&found.0, found.2, found.3), (&expected.0, expected.2, expected.3));
    }
}

fn fused(hits: &[Ranked<Hit<i32>>]) -> Vec<Fused<(i32, i32)>> {
    hits.iter()
        .map(|hit| {
            let chunk = (hit.embedding.source_key, hit.embedding.chunk_seq);
            (chunk, hit.score, hit.vector_rank, hit.text_rank)
        })
        .collect()
}

#[tokio::test]
async fn both_legs_are_fused_as_computed() {
    on_both_catalogs(async |test| {
        create_with_words(&test).await?;
        let rows = rows(&test).await?;
        for (window, k, vector_weight, text_weight) in [(50, 60.0, 1.0, 1.0), (200, 10.0, 0.3, 2.0), (7, 0.0, 1.0, 0.0)]
        {
            let chunk = |row: &Row| (row.id, row.seq);
            let nearest = ranks(&rows, |row| Some(row.distance), chunk, window);
            let matching = ranks(&rows, |row| row.text.map(|score| -score), chunk, window);
            let all = fuse(&nearest, &matching, (k, vector_weight, text_weight));
            let hits = note::embeddings::Entity::search(QUERY)
                .limit(1_000)
                .hybrid(FullText::websearch(WORDS))
                .k(k)
                .weights(vector_weight, text_weight)
                .window(window as u64)
                .all(&test.db)
                .await?;
            // what lies beyond the window follows what was fused
            assert_eq!(hits.len(), 1_000);
            assert_fused(&fused(&hits)[..all.len()], &all);
            assert!(hits[all.len()..].is_sorted_by(|a, b| a.distance <= b.distance));
            let hits = note::embeddings::Entity::search(QUERY)
                .limit(window as u64)
                .hybrid(FullText::websearch(WORDS))
                .k(k)
                .weights(vector_weight, text_weight)
                .window(window as u64)
                .all(&test.db)
                .await?;
            let cut = all[window - 1].1;
            let certain: Vec<_> = all.iter().filter(|row| row.1 > cut).copied().collect();
            let found = fused(&hits);
            assert_eq!(found.len(), window);
            // rows at the page's end that score the same may be any of them
            assert_fused(&found[..certain.len()], &certain);
            for hit in &hits {
                let row = rows
                    .iter()
                    .find(|row| (row.id, row.seq) == (hit.embedding.source_key, hit.embedding.chunk_seq));
                let row = row.ok_or("a chunk that is not there")?;
                assert!(
                    (hit.distance - row.distance).abs() < 1e-6,
                    "a distance whichever leg found it"
                );
                assert_eq!(hit.text_score, row.text.filter(|_| hit.text_rank.is_some()));
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn whole_rows_are_fused_by_the_best_of_their_chunks_and_filters_hold_for_both_legs() {
    on_both_catalogs(async |test| {
        create_with_words(&test).await?;
        let rare: Vec<Row> = rows(&test).await?.into_iter().filter(|row| row.id % 100 == 0).collect();
        let by_id = |row: &Row| row.id;
        let nearest = ranks(&rare, |row| Some(row.distance), by_id, 50);
        // rows with the same score are in the order of their keys
        let mut in_order = rare.clone();
        in_order.sort_by_key(|row| row.id);
        let matching = ranks(&in_order, |row| row.text.map(|score| -score), by_id, 50);
        assert!(matching.len() > 5 && matching.len() < nearest.len());
        let expected = fuse(&nearest, &matching, (60.0, 1.0, 1.0));
        let hits = note::Entity::search(QUERY)
            .filter(note::Column::Author.eq("rare"))
            .limit(30)
            .hybrid(FullText::websearch(WORDS))
            .all(&test.db)
            .await?;
        assert_eq!(hits.len(), 20, "as many as there are");
        assert!(
            hits.iter()
                .all(|hit| hit.source.author == "rare" && hit.source.id == hit.embedding.source_key)
        );
        let found: Vec<_> = hits
            .iter()
            .map(|hit| (hit.source.id, hit.score, hit.vector_rank, hit.text_rank))
            .collect();
        assert_fused(&found, &expected);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_maximal_distance_is_the_vectors_alone_and_pages_follow_each_other() {
    on_both_catalogs(async |test| {
        create_with_words(&test).await?;
        let search = || note::embeddings::Entity::search(QUERY).max_distance(1e-9);
        let hits = search()
            .limit(5)
            .hybrid(FullText::phrase("lighthouse of 48"))
            .all(&test.db)
            .await?;
        assert_eq!(hits.len(), 1, "nothing is so near, and one chunk matches");
        assert_eq!(
            (hits[0].embedding.source_key, hits[0].vector_rank, hits[0].text_rank),
            (48, None, Some(1))
        );

        let all = note::embeddings::Entity::search(QUERY)
            .limit(20)
            .hybrid(FullText::all("lighthouse"))
            .all(&test.db)
            .await?;
        let second = note::embeddings::Entity::search(QUERY)
            .page(1, 10)
            .hybrid(FullText::all("lighthouse"))
            .all(&test.db)
            .await?;
        assert_eq!(second[..], all[10..]);

        // words that nobody has written leave the nearest
        let hits = note::embeddings::Entity::search(QUERY)
            .limit(3)
            .hybrid(FullText::websearch("\""))
            .all(&test.db)
            .await?;
        let ranks: Vec<_> = hits.iter().map(|hit| (hit.vector_rank, hit.text_rank)).collect();
        assert_eq!(ranks, [(Some(1), None), (Some(2), None), (Some(3), None)]);
        let refused = note::embeddings::Entity::search(QUERY)
            .hybrid(FullText::all("x"))
            .k(-1.0)
            .all(&test.db)
            .await;
        assert_eq!(
            refused.unwrap_err().to_string(),
            "k(-1) is out of range: it takes 0 or more"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn indexes_serve_both_legs() {
    on_both_catalogs(async |test| {
        create_with_words(&test).await?;
        test.execute("create index nearest on notes_embedding_store using hnsw (embedding vector_cosine_ops); analyze")
            .await?;
        // the full text's index is scanned through a bitmap
        let transaction = with_index(&test).await?;
        transaction
            .execute_unprepared("set local enable_bitmapscan = on")
            .await?;
        let plan = note::embeddings::Entity::search(QUERY)
            .hybrid(FullText::websearch("lighthouse of \"48\""))
            .explain(&transaction)
            .await?;
        assert_eq!(plan.index(), Some("nearest"), "{plan}");
        assert!(plan.plan().contains("notes_embedding_store_to_tsvector_idx"), "{plan}");
        let setting = "select current_setting('hnsw.iterative_scan', true)";
        let search = || note::embeddings::Entity::search(QUERY).hybrid(FullText::websearch(WORDS));
        assert_eq!(search().all(&transaction).await?.len(), 10);
        let row = transaction
            .query_one_raw(Statement::from_string(DbBackend::Postgres, setting))
            .await?;
        assert_eq!(row.ok_or("no row")?.try_get_by_index::<String>(0)?, "off");
        transaction.commit().await?;
        Ok(())
    })
    .await;
}

/// Likes what is named with a large number.
#[derive(Debug)]
struct Largest;

#[async_trait]
impl Reranker for Largest {
    async fn rerank(&self, query: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        let number = |passage: &str| passage.split_once(' ').and_then(|(_, number)| number.parse().ok());
        match query {
            "which?" => passages
                .iter()
                .map(|passage| number(passage).ok_or_else(|| RerankError::new(format!("{passage:?} has no number"))))
                .collect(),
            "few" => Ok(vec![0.0]),
            _ => Err(RerankError::new("no such model").because(std::io::Error::other("not found"))),
        }
    }
}

#[tokio::test]
async fn a_reranker_puts_the_window_in_its_order() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let search = || note::Entity::search(QUERY).limit(4);
        let passage = |hit: &HitWithSource<i32, note::Model>| hit.source.body.clone();
        let mut window: Vec<i32> = (1..=NOTES).collect();
        window.sort_by(|a, b| {
            distance(Metric::Cosine, vector(*a), QUERY).total_cmp(&distance(Metric::Cosine, vector(*b), QUERY))
        });
        window.truncate(25);
        let ranks: HashMap<i32, u64> = window.iter().copied().zip(1..).collect();
        window.sort_unstable_by(|a, b| b.cmp(a));
        let hits = search()
            .rerank(&Largest, "which?", passage)
            .window(25)
            .all(&test.db)
            .await?;
        let found: Vec<_> = hits
            .iter()
            .map(|hit| (hit.source.id, hit.rerank_score, hit.vector_rank))
            .collect();
        let expected: Vec<_> = window[..4]
            .iter()
            .map(|id| (*id, Some(f64::from(*id)), Some(ranks[id])))
            .collect();
        assert_eq!(found, expected);

        let refused = search()
            .rerank(&Largest, "few", passage)
            .all(&test.db)
            .await
            .unwrap_err();
        let SearchError::Rerank(reason) = &refused else {
            panic!("{refused:?}")
        };
        assert_eq!(reason.to_string(), "the reranker gave 1 scores for 50 passages");
        let refused = search()
            .rerank(&Largest, "no", passage)
            .all(&test.db)
            .await
            .unwrap_err();
        let SearchError::Rerank(reason) = &refused else {
            panic!("{refused:?}")
        };
        assert_eq!(
            std::error::Error::source(reason).map(ToString::to_string),
            Some("not found".to_owned())
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_says_the_same_comes_later() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let mut window: Vec<i32> = (1..=NOTES).collect();
        let far = |id: &i32| distance(Metric::Cosine, vector(*id), QUERY);
        window.sort_by(|a, b| far(a).total_cmp(&far(b)));
        window.truncate(30);
        for lambda in [0.0, 0.3, 0.7, 1.0] {
            // the definition, word for word
            let mut left = window.clone();
            let mut expected: Vec<i32> = Vec::new();
            while expected.len() < 8 {
                let marginal = |id: &i32| {
                    let like = |other: &i32| 1.0 - distance(Metric::Cosine, vector(*id), vector(*other));
                    let like = expected.iter().map(like).reduce(f64::max).unwrap_or(0.0);
                    lambda * (1.0 - far(id)) - (1.0 - lambda) * like
                };
                let best = left
                    .iter()
                    .copied()
                    .reduce(|a, b| if marginal(&b) > marginal(&a) { b } else { a });
                let best = best.ok_or("the window is used up")?;
                left.retain(|id| *id != best);
                expected.push(best);
            }
            let hits = note::embeddings::Entity::search(QUERY)
                .limit(8)
                .diversify(lambda)
                .window(30)
                .all(&test.db)
                .await?;
            let found: Vec<_> = hits.iter().map(|hit| hit.embedding.source_key).collect();
            assert_eq!(found, expected, "lambda {lambda}");
            assert!(
                hits.iter().all(|hit| hit.embedding.embedding.is_none()),
                "vectors nobody asked for"
            );
        }
        let refused = note::embeddings::Entity::search(QUERY)
            .diversify(1.5)
            .all(&test.db)
            .await
            .unwrap_err();
        assert_eq!(refused.to_string(), "diversify(1.5) is out of range: it takes 0 to 1");
        Ok(())
    })
    .await;
}
