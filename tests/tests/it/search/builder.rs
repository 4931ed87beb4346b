//! `Entity::search` against a computation in Rust.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use pgai_sea::embedder::{EmbedError, Embeddings, InputType};
use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::DbErr;
use sea_orm::entity::prelude::*;

use super::notes::{NOTES, create, note, vector};

const QUERY: [f32; 3] = [0.25, -3.0, 1.5];

pub(super) fn distance(metric: Metric, a: [f32; 3], b: [f32; 3]) -> f64 {
    let (a, b) = (a.map(f64::from), b.map(f64::from));
    let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let sum = |f: fn(f64) -> f64| a.iter().zip(b).map(|(a, b)| f(a - b)).sum::<f64>();
    match metric {
        Metric::Cosine => 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
        Metric::L2 => sum(|d| d * d).sqrt(),
        Metric::InnerProduct => -dot(a, b),
        Metric::L1 => sum(f64::abs),
        other => panic!("{other:?} is new: compute it here"),
    }
}

/// All notes that `keep`, nearest first.
fn expected(metric: Metric, keep: impl Fn(i32) -> bool) -> Vec<(i32, f64)> {
    let mut all: Vec<_> = (1..=NOTES)
        .filter(|id| keep(*id))
        .map(|id| (id, distance(metric, vector(id), QUERY)))
        .collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    all
}

#[track_caller]
fn assert_found(found: &[(i32, f64)], expected: &[(i32, f64)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.0, expected.0, "{found:?} {expected:?}");
        // pgvector computes in single precision
        assert!(
            (found.1 - expected.1).abs() <= 1e-4 * expected.1.abs().max(1.0),
            "{found:?} {expected:?}"
        );
    }
}

#[tokio::test]
async fn every_metric_ranks_as_computed() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        for metric in [Metric::Cosine, Metric::L2, Metric::InnerProduct, Metric::L1] {
            let hits = note::embeddings::Entity::search(QUERY)
                .metric(metric)
                .limit(15)
                .all(&test.db)
                .await?;
            let found: Vec<_> = hits
                .iter()
                .map(|hit| (hit.embedding.source_key, hit.distance))
                .collect();
            assert_found(&found, &expected(metric, |_| true)[..15]);
            assert!(
                hits.iter().all(|hit| hit.embedding.embedding.is_none()),
                "vectors nobody asked for"
            );
            assert_eq!(
                hits[0].embedding.chunk,
                format!("chunk of note {}", hits[0].embedding.source_key)
            );
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn filters_a_maximum_and_sources_go_together() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let rare = |id: i32| id % 100 == 0 && id > 300;
        let all = expected(Metric::Cosine, rare);
        let middle = f64::midpoint(all[7].1, all[8].1);
        let hits = note::embeddings::Entity::search(QUERY)
            .filter(note::Column::Author.eq("rare"))
            .filter(note::embeddings::Column::Id.gt(300))
            .max_distance(middle)
            .limit(50)
            .with_source()
            .all(&test.db)
            .await?;
        let found: Vec<_> = hits.iter().map(|hit| (hit.source.id, hit.distance)).collect();
        assert_found(&found, &all[..8]);
        assert!(
            hits.iter()
                .all(|hit| hit.source.author == "rare" && hit.source.id == hit.embedding.source_key)
        );

        let with_vectors = note::embeddings::Entity::search(QUERY)
            .with_vectors()
            .one(&test.db)
            .await?;
        let hit = with_vectors.ok_or("nothing found")?;
        assert_eq!(
            hit.embedding.embedding.ok_or("no vector")?.as_slice(),
            vector(hit.embedding.source_key)
        );

        assert!(
            note::embeddings::Entity::search(QUERY)
                .limit(0)
                .all(&test.db)
                .await?
                .is_empty()
        );
        test.execute("truncate notes").await?;
        assert!(note::embeddings::Entity::search(QUERY).all(&test.db).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_compared_is_refused_before_the_database_is_asked() {
    on_both_catalogs(async |test| {
        // no table is there: an answer of the database would be another error
        let refused = note::embeddings::Entity::search(vec![0.5; 384])
            .all(&test.db)
            .await
            .unwrap_err();
        let message = "the query vector has 384 dimensions, the vectors in notes_embedding_store have 3: \
                       embed the query with the vectorizer's model";
        assert_eq!(refused.to_string(), message);
        assert_eq!(DbErr::from(refused), DbErr::Custom(message.to_owned()));
        let refused = note::embeddings::Entity::search([f32::INFINITY, 0.0, 0.0])
            .all(&test.db)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, SearchError::NotFinite { position: 0, .. }),
            "{refused}"
        );
        Ok(())
    })
    .await;
}

/// A model of three dimensions: the vector of the note that the text numbers.
#[derive(Debug)]
struct Numbered;

#[async_trait]
impl Embedder for Numbered {
    async fn embed(&self, texts: &[&str], input_type: InputType) -> Result<Embeddings, EmbedError> {
        assert_eq!(input_type, InputType::Query);
        let id = |text: &str| text.trim_start_matches("like note ").parse().unwrap();
        Ok(Embeddings::new(
            texts.iter().map(|text| vector(id(text)).to_vec()).collect(),
        ))
    }
}

#[tokio::test]
async fn a_text_is_embedded_and_searched_in_one_call() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let hits = note::embeddings::Entity::search_text(&Numbered, "like note 77")
            .limit(1)
            .all(&test.db)
            .await?;
        assert_eq!(hits[0].embedding.source_key, 77);
        assert!(hits[0].distance.abs() < 1e-6);
        Ok(())
    })
    .await;
}

/// Counts the texts that it is asked for.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

#[async_trait]
impl Embedder for Counting {
    async fn embed(&self, texts: &[&str], input_type: InputType) -> Result<Embeddings, EmbedError> {
        self.0.fetch_add(texts.len(), Ordering::Relaxed);
        Numbered.embed(texts, input_type).await
    }
}

#[tokio::test]
async fn a_text_is_embedded_once_for_a_page_its_count_and_its_plan() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        let embedder = Counting::default();
        let search = note::embeddings::Entity::search_text(&embedder, "like note 77")
            .max_distance(0.1)
            .exact();
        let hits = search.clone().all(&test.db).await?;
        search.explain(&test.db).await?;
        let counted = search.clone().count(&test.db).await?;
        assert!(counted > 0 && counted == search.limit(10_000).all(&test.db).await?.len() as u64);
        assert_eq!(hits[0].embedding.source_key, 77);
        assert_eq!(embedder.0.load(Ordering::Relaxed), 1);
        // another search asks for itself
        let _page = note::embeddings::Entity::search_text(&embedder, "like note 77")
            .all(&test.db)
            .await?;
        assert_eq!(embedder.0.load(Ordering::Relaxed), 2);
        Ok(())
    })
    .await;
}
