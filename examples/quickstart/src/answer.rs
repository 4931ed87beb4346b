//! Answers a question with the crates whose best chunk is nearest to it.

use std::time::{Duration, Instant};

use pgai_sea::{
    Embedders,
    prelude::*,
    search::{Snippet, snippet},
};
use sea_orm::DatabaseConnection;

use crate::{entity, error::Error};

/// How many crates answer a question.
pub(crate) const HITS: usize = 5;
/// The characters of a README that are shown.
const LENGTH: usize = 260;

/// A question and the crates that answer it, the nearest first.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) question: String,
    pub(crate) hits: Vec<Found>,
    pub(crate) took: Duration,
}

/// A crate, and the piece of its README that is nearest.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) distance: f64,
    pub(crate) crate_: entity::Model,
    /// `None`: it has no README, and only its description was embedded.
    pub(crate) snippet: Option<Snippet>,
}

/// Asks for the `wanted` nearest crates.
pub(crate) async fn ask(
    db: &DatabaseConnection,
    embedders: &Embedders,
    question: &str,
    wanted: usize,
) -> Result<Answer, Error> {
    let start = Instant::now();
    let hits = entity::Entity::search_text(embedders, question)
        .limit(wanted as u64)
        .all(db)
        .await?;
    let took = start.elapsed();
    let found = |hit: HitWithSource<String, entity::Model>| {
        // the heading is embedded with each chunk
        let heading = hit.source.heading();
        let chunk = hit.embedding.chunk;
        let text = chunk.strip_prefix(&heading).unwrap_or(&chunk);
        Found {
            distance: hit.distance,
            snippet: (text != hit.source.description).then(|| snippet(text, question, LENGTH)),
            crate_: hit.source,
        }
    };
    Ok(Answer {
        question: question.to_owned(),
        hits: hits.into_iter().map(found).collect(),
        took,
    })
}
