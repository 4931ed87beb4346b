//! Maximal marginal relevance (Carbonell and Goldstein, 1998).

use sea_orm::prelude::PgVector;
use sea_orm::{DbErr, QueryResult};

use super::ranked::Ranked;
use crate::search::hit::{COSINE, VECTOR};

/// A hit as diversity compares it.
pub(super) struct Candidate {
    /// The cosine with the query.
    cosine: f64,
    /// The stored vector, scaled to length 1. `None`: it has only zeros, and is similar to nothing.
    direction: Option<Vec<f64>>,
}

impl Candidate {
    pub(super) fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let vector: PgVector = row.try_get("", VECTOR)?;
        let distance: f64 = row.try_get("", COSINE)?;
        Ok(Self::new(vector.as_slice(), 1.0 - distance))
    }

    fn new(vector: &[f32], cosine: f64) -> Self {
        let norm = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        Self {
            cosine: if cosine.is_nan() { 0.0 } else { cosine },
            direction: (norm > 0.0).then(|| vector.iter().map(|x| f64::from(*x) / norm).collect()),
        }
    }

    fn similarity(&self, other: &Self) -> f64 {
        match (&self.direction, &other.direction) {
            (Some(a), Some(b)) => a.iter().zip(b).map(|(a, b)| a * b).sum(),
            _ => 0.0,
        }
    }
}

/// The relevance of each candidate: its cosine with the query, or with `by_score` its score, scaled to 0 to 1.
pub(super) fn relevance<H>(by_score: bool, hits: &[Ranked<H>], candidates: &[Candidate]) -> Vec<f64> {
    if !by_score {
        return candidates.iter().map(|candidate| candidate.cosine).collect();
    }
    let scores = || hits.iter().map(|hit| hit.rerank_score.unwrap_or(hit.score));
    let (worst, best) = (
        scores().fold(f64::INFINITY, f64::min),
        scores().fold(f64::NEG_INFINITY, f64::max),
    );
    let range = best - worst;
    scores()
        .map(|score| if range > 0.0 { (score - worst) / range } else { 1.0 })
        .collect()
}

/// Chooses `wanted` of the candidates by maximal marginal relevance. `order` has their positions; of equals the earlier
/// one wins.
pub(super) fn choose(
    lambda: f64,
    relevance: &[f64],
    candidates: &[Candidate],
    mut order: Vec<usize>,
    wanted: usize,
) -> Vec<usize> {
    // the similarity of each candidate to the most similar chosen one
    let mut likeness = vec![f64::NEG_INFINITY; candidates.len()];
    let mut chosen: Vec<usize> = Vec::with_capacity(wanted.min(order.len()));
    while chosen.len() < wanted && !order.is_empty() {
        let marginal = |place: usize| {
            let like = if chosen.is_empty() { 0.0 } else { likeness[place] };
            lambda * relevance[place] - (1.0 - lambda) * like
        };
        let mut best = 0;
        for i in 1..order.len() {
            if marginal(order[i]) > marginal(order[best]) {
                best = i;
            }
        }
        let place = order.remove(best);
        for other in &order {
            likeness[*other] = likeness[*other].max(candidates[*other].similarity(&candidates[place]));
        }
        chosen.push(place);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two near duplicates and one other, by their cosine with a query along the first axis.
    fn candidates() -> Vec<Candidate> {
        let at = |degrees: f64| {
            let (y, x) = degrees.to_radians().sin_cos();
            #[allow(clippy::cast_possible_truncation, reason = "coordinates of a unit vector")]
            Candidate::new(&[x as f32, y as f32], x)
        };
        vec![at(10.0), at(11.0), at(-40.0), at(170.0)]
    }

    fn order(lambda: f64, wanted: usize) -> Vec<usize> {
        let candidates = candidates();
        let relevance = relevance::<()>(false, &[], &candidates);
        choose(lambda, &relevance, &candidates, vec![0, 1, 2, 3], wanted)
    }

    #[test]
    fn relevance_alone_keeps_the_order() {
        assert_eq!(order(1.0, 4), [0, 1, 2, 3]);
        assert_eq!(order(1.0, 2), [0, 1]);
    }

    #[test]
    fn a_near_duplicate_comes_after_what_is_different() {
        // 0.5 cos 11° - 0.5 cos 1° = -0.009; 0.5 cos 40° - 0.5 cos 50° = 0.062; 0.5 cos 170° - 0.5 cos 160° = -0.023
        assert_eq!(order(0.5, 3), [0, 2, 1]);
    }

    #[test]
    fn variety_alone_takes_what_is_least_like_the_chosen() {
        assert_eq!(order(0.0, 2), [0, 3]);
    }

    #[test]
    fn scores_are_stretched_over_the_window() {
        let hits: Vec<_> = [2.0, 6.0, 3.0].map(|score| Ranked::nearest(score, 1, ())).into();
        assert_eq!(relevance(true, &hits, &[]), [0.0, 1.0, 0.25]);
        let same: Vec<_> = [2.0, 2.0].map(|score| Ranked::nearest(score, 1, ())).into();
        assert_eq!(relevance(true, &same, &[]), [1.0, 1.0]);
    }
}
