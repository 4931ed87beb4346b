//! The window that is put in order: its pages, its scores, and what is refused before anything is ranked.

use std::collections::HashSet;

use async_trait::async_trait;
use pgai_sea::prelude::*;
use pgai_sea::rerank::{RerankError, Reranker};
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};

use super::hybrid::{lantern, search};
use super::library::{filled, passage};
use super::like::label;
use super::reference::give_words;

/// Likes large numbers, by the last digit.
#[derive(Debug)]
struct LastDigit;

#[async_trait]
impl Reranker for LastDigit {
    async fn rerank(&self, query: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        let digit = |passage: &str| passage.chars().filter_map(|c| c.to_digit(10)).next_back();
        let scores = passages.iter().map(|passage| match query {
            "infinite" if passage == &passages[2] => f32::INFINITY,
            "negative" if passage == &passages[3] => f32::NEG_INFINITY,
            "nan" if passage == &passages[4] => f32::NAN,
            _ => f32::from(u8::try_from(digit(passage).unwrap_or(0)).unwrap()),
        });
        Ok(scores.collect())
    }
}

#[tokio::test]
async fn pages_share_out_what_there_is_also_beyond_the_window() {
    on_both_catalogs(async |test| {
        filled(&test).await?;
        give_words(&test).await?;
        let search = || search().best_per_source().with_source().exact();
        let passage = |hit: &HitWithSource<(String, i32), passage::Model>| hit.source.title.clone();
        let all = search().count(&test.db).await?;
        assert!(all > 40);
        for way in 0..5 {
            let ranking = |search: pgai_sea::search::Search<'static, _, _>| {
                let ranking = match way {
                    0 => search.hybrid(lantern()),
                    1 => search.hybrid(lantern()).weights(3.0, 0.5),
                    2 => search.rerank(&LastDigit, "which?", passage),
                    3 => search.diversify(0.4),
                    _ => search
                        .hybrid(lantern())
                        .rerank(&LastDigit, "which?", passage)
                        .diversify(0.6),
                };
                ranking.window(15)
            };
            let whole = ranking(search().limit(1_000)).all(&test.db).await?;
            assert_eq!(whole.len() as u64, all, "{way}");
            let mut pages = Vec::new();
            for number in 0.. {
                let hits = ranking(search().page(number, 7)).all(&test.db).await?;
                if hits.is_empty() {
                    break;
                }
                pages.extend(hits);
            }
            let titles = |hits: &[_]| {
                hits.iter()
                    .map(|hit: &pgai_sea::search::Ranked<HitWithSource<_, passage::Model>>| hit.source.title.clone())
                    .collect::<Vec<_>>()
            };
            assert_eq!(titles(&pages), titles(&whole), "{way}");
            let different: HashSet<_> = titles(&pages).into_iter().collect();
            assert_eq!(different.len(), pages.len(), "{way}");
            // what lies beyond follows by its distance
            let rest = &whole[if matches!(way, 2 | 3) { 15 } else { 30 }..];
            assert!(rest.is_sorted_by(|a, b| a.distance <= b.distance), "{way}");
            assert!(rest.iter().all(|hit| hit.rerank_score.is_none()), "{way}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_score_that_cannot_be_weighed_is_refused_and_named() {
    on_catalog(Catalog::Ours, async |test| {
        filled(&test).await?;
        for (query, said) in [
            ("infinite", "the reranker gave inf for the passage at position 2:"),
            ("negative", "the reranker gave -inf for the passage at position 3:"),
            ("nan", "the reranker gave NaN for the passage at position 4:"),
        ] {
            let passage = |hit: &Hit<(String, i32)>| hit.embedding.chunk.clone();
            let refused = search()
                .rerank(&LastDigit, query, passage)
                .diversify(0.5)
                .all(&test.db)
                .await
                .unwrap_err();
            let SearchError::Rerank(reason) = &refused else {
                panic!("{refused:?}")
            };
            assert!(reason.to_string().starts_with(said), "{reason}");
        }
        Ok(())
    })
    .await;
}

/// Nobody should ask it anything.
#[derive(Debug)]
struct Expensive;

#[async_trait]
impl Embedder for Expensive {
    async fn embed(
        &self,
        _: &[&str],
        _: pgai_sea::embedder::InputType,
    ) -> Result<pgai_sea::embedder::Embeddings, pgai_sea::embedder::EmbedError> {
        panic!("a text was embedded for nothing")
    }
}

#[tokio::test]
async fn what_cannot_be_searched_is_refused_before_anything_is_paid_for() {
    on_catalog(Catalog::Ours, async |test| {
        // no table is there: an answer of the database would be another error
        let refused = label::Entity::search_text(&Expensive, "text")
            .hybrid(lantern())
            .all(&test.db)
            .await
            .unwrap_err();
        assert!(matches!(refused, SearchError::NoText { .. }), "{refused}");
        for limit in [0, 10] {
            let refused = passage::chunks::Entity::search([1.0, 2.0])
                .limit(limit)
                .hybrid(lantern())
                .all(&test.db)
                .await
                .unwrap_err();
            assert!(matches!(refused, SearchError::Dimensions { .. }), "{refused}");
            let refused = search().limit(limit).quantized(Quantized::binary().oversample(0));
            let refused = refused.all(&test.db).await.unwrap_err();
            assert_eq!(refused.to_string(), "oversample(0) is out of range: it takes 1 or more");
            let refused = search().limit(limit).hybrid(lantern()).window(0).all(&test.db).await;
            assert_eq!(
                refused.unwrap_err().to_string(),
                "window(0) is out of range: it takes 1 or more"
            );
        }
        Ok(())
    })
    .await;
}
