//! Answers a question with the crates whose best chunk is nearest to it.

use std::time::{Duration, Instant};

use pgai_sea::{
    embedder::{Embedder, Local},
    prelude::*,
};
use sea_orm::DatabaseConnection;

use crate::{entity, error::Error};

/// How many crates answer a question.
pub(crate) const HITS: usize = 5;

/// A question and the crates that answer it, the nearest first.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) question: String,
    pub(crate) hits: Vec<Found>,
    pub(crate) embedding_took: Duration,
    pub(crate) search_took: Duration,
}

/// A crate and the chunk of its README that is nearest.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) distance: f64,
    pub(crate) crate_: entity::Model,
    /// Without the heading that is embedded with each chunk.
    pub(crate) chunk: String,
}

/// Asks for the `wanted` nearest crates.
pub(crate) async fn ask(
    db: &DatabaseConnection,
    model: &Local,
    question: &str,
    wanted: usize,
) -> Result<Answer, Error> {
    let start = Instant::now();
    let vector = model.embed_query(question).await?;
    let embedding_took = start.elapsed();

    let start = Instant::now();
    let hits = entity::Entity::search(vector).limit(wanted as u64).all(db).await?;
    let found = |hit: HitWithSource<String, entity::Model>| {
        let heading = hit.source.heading();
        let chunk = hit.embedding.chunk;
        Found {
            distance: hit.distance,
            chunk: chunk.strip_prefix(&heading).unwrap_or(&chunk).to_owned(),
            crate_: hit.source,
        }
    };
    let hits = hits.into_iter().map(found).collect();
    Ok(Answer {
        question: question.to_owned(),
        hits,
        embedding_took,
        search_took: start.elapsed(),
    })
}
