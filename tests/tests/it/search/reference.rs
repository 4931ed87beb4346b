//! A hybrid search, computed in Rust.

use std::cmp::Ordering;

use pgai_sea::prelude::*;
use pgai_sea::search::Ranked;
use pgai_sea_tests::{TestDatabase, TestResult};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::library::{Key, Stored, distance};

/// A chunk that may be a hit.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) seq: i32,
    pub(super) distance: f64,
    pub(super) text: Option<f64>,
}

/// Key, place, score, and the ranks by distance and by text.
pub(super) type Fused = (Key, i32, f64, Option<u64>, Option<u64>);

/// Gives chunks words: `lantern` up to three times, some of them none.
pub(super) async fn give_words(test: &TestDatabase) -> TestResult {
    test.execute(
        "update passages_embedding_store set chunk = chunk || ' of the' || repeat(' lantern', (number * 7 + chunk_seq \
            * 3) % 4)",
    )
    .await?;
    Ok(())
}

/// The rows of `chunks` with their distance to `query`, and their score for the word.
pub(super) async fn rows(
    test: &TestDatabase,
    chunks: &[Stored],
    metric: Metric,
    query: &[f32],
) -> Result<Vec<Row>, DbErr> {
    let sql = "select tenant, number, chunk_seq, case when to_tsvector('english', chunk) @@ q
                   then ts_rank_cd(to_tsvector('english', chunk), q)::float8 end as score
               from passages_embedding_store, plainto_tsquery('english', 'lantern') q";
    let found = test
        .db
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    let mut rows = Vec::new();
    for row in found {
        let key: Key = (row.try_get("", "tenant")?, row.try_get("", "number")?);
        let seq: i32 = row.try_get("", "chunk_seq")?;
        let chunk = chunks.iter().find(|chunk| chunk.key == key && chunk.seq == seq);
        let chunk = chunk.ok_or_else(|| DbErr::Custom(format!("{key:?} {seq} is not stored")))?;
        rows.push(Row {
            distance: distance(metric, &chunk.vector, query),
            text: row.try_get("", "score")?,
            key,
            seq,
        });
    }
    Ok(rows)
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hybrid {
    pub(super) window: usize,
    pub(super) k: f64,
    pub(super) weights: (f64, f64),
    pub(super) max: Option<f64>,
    pub(super) is_grouped: bool,
    /// Of equals the last chunk of a row rather than the first.
    pub(super) last_first: bool,
}

impl Hybrid {
    pub(super) fn of_window(window: usize) -> Self {
        Self {
            window,
            k: 60.0,
            weights: (1.0, 1.0),
            max: None,
            is_grouped: false,
            last_first: false,
        }
    }

    fn tied(self, a: &Row, b: &Row) -> Ordering {
        let own = if self.last_first {
            b.seq.cmp(&a.seq)
        } else {
            Ordering::Equal
        };
        own.then_with(|| (&a.key, a.seq).cmp(&(&b.key, b.seq)))
    }

    fn hit(self, row: &Row) -> (&Key, Option<i32>) {
        (&row.key, (!self.is_grouped).then_some(row.seq))
    }

    /// In the order of `by`, of each hit the first.
    fn leg(self, rows: &[Row], by: impl Fn(&Row) -> Option<f64>) -> Vec<&Row> {
        let mut sorted: Vec<(f64, &Row)> = rows.iter().filter_map(|row| Some((by(row)?, row))).collect();
        sorted.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap().then_with(|| self.tied(a.1, b.1)));
        let mut leg: Vec<&Row> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for (_, row) in sorted {
            if seen.insert(self.hit(row)) {
                leg.push(row);
            }
        }
        leg
    }

    /// All pages of the search.
    pub(super) fn of(self, rows: &[Row]) -> Vec<Fused> {
        let nearest = self.leg(rows, |row| (!row.distance.is_nan()).then_some(row.distance));
        let near_enough = |row: &Row| self.max.is_none_or(|max| row.distance <= max);
        let nearest: Vec<&Row> = nearest.into_iter().filter(|row| near_enough(row)).collect();
        let mut matching = self.leg(rows, |row| {
            row.text.filter(|_| !row.distance.is_nan()).map(|text| -text)
        });
        matching.truncate(self.window);

        let part = |weight: f64, rank: Option<u64>| match rank {
            Some(rank) => weight / (self.k + f64::from(u32::try_from(rank).unwrap())),
            None => 0.0,
        };
        let rank_in = |leg: &[&Row], row: &Row| {
            let place = leg.iter().position(|other| self.hit(other) == self.hit(row));
            place.map(|place| place as u64 + 1)
        };
        let window = &nearest[..self.window.min(nearest.len())];
        let mut all = Vec::new();
        for (i, row) in nearest.iter().enumerate() {
            let (near, text) = (Some(i as u64 + 1), rank_in(&matching, row));
            if i < self.window || text.is_none() {
                all.push((i >= self.window, *row, near, text));
            }
        }
        for row in &matching {
            if rank_in(window, row).is_none() {
                all.push((false, row, None, rank_in(&matching, row)));
            }
        }
        let score = |near, text| part(self.weights.0, near) + part(self.weights.1, text);
        all.sort_by(|a, b| {
            let by_score = score(b.2, b.3).partial_cmp(&score(a.2, a.3)).unwrap();
            let by_distance = a.1.distance.partial_cmp(&b.1.distance).unwrap();
            a.0.cmp(&b.0)
                .then(by_score)
                .then(by_distance)
                .then_with(|| self.tied(a.1, b.1))
        });
        all.into_iter()
            .map(|(_, row, near, text)| (row.key.clone(), row.seq, score(near, text), near, text))
            .collect()
    }
}

/// What was found, comparable with [`Hybrid::of`].
pub(super) fn fused(hits: &[Ranked<Hit<Key>>]) -> Vec<Fused> {
    hits.iter()
        .map(|hit| {
            let chunk = &hit.embedding;
            (
                chunk.source_key.clone(),
                chunk.chunk_seq,
                hit.score,
                hit.vector_rank,
                hit.text_rank,
            )
        })
        .collect()
}
