//! The measures of a ranking, as trec_eval defines them.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// A measure of a ranking, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Measure {
    /// Normalised discounted cumulative gain: whether the best answers come first. trec_eval's `ndcg_cut`.
    Ndcg,
    /// The share of the answers that were found. trec_eval's `recall`.
    Recall,
    /// One divided by the rank of the first answer: 1, 0.5, 0.33. trec_eval's `recip_rank`.
    ReciprocalRank,
    /// The mean of the precision at each answer that was found, over all answers. trec_eval's `map_cut`.
    AveragePrecision,
}

impl Measure {
    /// All measures.
    pub const ALL: [Self; 4] = [Self::Ndcg, Self::Recall, Self::ReciprocalRank, Self::AveragePrecision];
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ndcg => "nDCG",
            Self::Recall => "recall",
            Self::ReciprocalRank => "MRR",
            Self::AveragePrecision => "MAP",
        })
    }
}

/// The measures of one ranking, or their means over several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Measures {
    /// [`Measure::Ndcg`].
    pub ndcg: f64,
    /// [`Measure::Recall`].
    pub recall: f64,
    /// [`Measure::ReciprocalRank`]. Of several rankings: MRR.
    pub reciprocal_rank: f64,
    /// [`Measure::AveragePrecision`]. Of several rankings: MAP.
    pub average_precision: f64,
}

impl Measures {
    /// Measures the first `k` keys of a ranking. `grades` has the keys that answer the question, with a grade of 1 or
    /// more. A key that stands in the ranking twice counts where it stands first.
    ///
    /// ```
    /// use pgai_sea::quality::Measures;
    ///
    /// let grades = [("a".to_owned(), 2), ("b".to_owned(), 1)].into();
    /// let ranking = ["x", "a", "b"].map(str::to_owned);
    /// let measures = Measures::of(&ranking, &grades, 10);
    /// assert_eq!((measures.reciprocal_rank, measures.recall), (0.5, 1.0));
    /// assert_eq!(format!("{:.4}", measures.ndcg), "0.6697");
    /// ```
    #[must_use]
    pub fn of(ranking: &[String], grades: &BTreeMap<String, u32>, k: usize) -> Self {
        let mut seen = HashSet::new();
        let ranking: Vec<u32> = ranking
            .iter()
            .filter(|key| seen.insert(key.as_str()))
            .take(k)
            .map(|key| grades.get(key).copied().unwrap_or(0))
            .collect();
        let mut ideal: Vec<u32> = grades.values().copied().filter(|grade| *grade > 0).collect();
        ideal.sort_unstable_by(|a, b| b.cmp(a));
        if ideal.is_empty() {
            return Self::default();
        }
        let answers = number(ideal.len());
        let mut found = 0.0;
        let mut precision = 0.0;
        let mut first = 0.0;
        for (place, _) in ranking.iter().enumerate().filter(|(_, grade)| **grade > 0) {
            let rank = number(place + 1);
            found += 1.0;
            precision += found / rank;
            if first == 0.0 {
                first = 1.0 / rank;
            }
        }
        ideal.truncate(k);
        Self {
            ndcg: gain(&ranking) / gain(&ideal),
            recall: found / answers,
            reciprocal_rank: first,
            average_precision: precision / answers,
        }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Ndcg => self.ndcg,
            Measure::Recall => self.recall,
            Measure::ReciprocalRank => self.reciprocal_rank,
            Measure::AveragePrecision => self.average_precision,
        }
    }
}

/// Discounted cumulative gain: each grade, divided by the logarithm of its rank.
fn gain(grades: &[u32]) -> f64 {
    let discounted = grades
        .iter()
        .enumerate()
        .map(|(place, grade)| f64::from(*grade) / number(place + 2).log2());
    discounted.sum()
}

#[allow(clippy::cast_precision_loss, reason = "a count of rows of a page")]
pub(super) fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What trec_eval 9 says (by its Python binding, pytrec_eval) of seven rankings, cut at `k`:
    /// `ndcg_cut`, `recall`, `recip_rank`, `map_cut`.
    #[test]
    fn measures_are_trec_evals() {
        type Expected = (usize, &'static str, &'static [(&'static str, u32)], [f64; 4]);
        let expected: [Expected; 7] = [
            (
                10,
                "d4 d11 d3 d2 d6 d5 d9 d10 d8 d1 d0 d7",
                &[
                    ("d1", 2),
                    ("d2", 3),
                    ("d3", 3),
                    ("d7", 1),
                    ("d8", 0),
                    ("d10", 0),
                    ("lost", 3),
                ],
                [
                    0.441_062_878_022_846,
                    0.6,
                    0.333_333_333_333_333_3,
                    0.226_666_666_666_666_66,
                ],
            ),
            (
                3,
                "d2 d3 d5 d6 d0 d4 d1 d11 d7 d10 d8 d9",
                &[("d2", 0), ("d3", 1), ("d8", 2), ("lost", 1), ("lost too", 3)],
                [0.132_496_507_430_562_82, 0.25, 0.5, 0.125],
            ),
            (
                5,
                "d0 d1 d2",
                &[("d0", 2), ("lost", 1)],
                [0.760_187_533_431_868_5, 0.5, 1.0, 0.5],
            ),
            (1, "d5 d4 d3", &[("d1", 0), ("d4", 0), ("lost", 1)], [0.0; 4]),
            (
                10,
                "d6 d1 d10 d3 d9 d7 d5 d2 d0 d4 d8 d11",
                &[("d3", 0), ("d4", 2), ("d5", 1), ("d6", 1), ("lost", 2)],
                [0.455_920_463_470_238_4, 0.75, 1.0, 0.396_428_571_428_571_4],
            ),
            (
                1,
                "d11 d9 d3 d0 d4 d6 d7 d2 d5 d8 d1 d10",
                &[
                    ("d0", 1),
                    ("d3", 0),
                    ("d4", 2),
                    ("d5", 2),
                    ("d8", 0),
                    ("d9", 1),
                    ("d11", 2),
                ],
                [1.0, 0.2, 1.0, 0.2],
            ),
            (
                5,
                "d13 d14 d8 d4 d9 d18 d7 d15 d1 d5 d19 d2 d17 d16 d0 d11 d10 d12 d3 d6",
                &[("d0", 3), ("d1", 2), ("d3", 1), ("d9", 3), ("d10", 2), ("d19", 2)],
                [
                    0.154_168_684_468_686_15,
                    0.166_666_666_666_666_66,
                    0.2,
                    0.033_333_333_333_333_33,
                ],
            ),
        ];
        for (k, ranking, grades, expected) in expected {
            let ranking: Vec<_> = ranking.split(' ').map(str::to_owned).collect();
            let grades = grades.iter().map(|(key, grade)| ((*key).to_owned(), *grade)).collect();
            let measures = Measures::of(&ranking, &grades, k);
            for (measure, expected) in Measure::ALL.into_iter().zip(expected) {
                let measured = measures.get(measure);
                assert!(
                    (measured - expected).abs() < 1e-12,
                    "{measure}@{k} of {ranking:?}: {measured}"
                );
            }
        }
    }

    #[test]
    fn a_key_counts_once() {
        let grades = [("a".to_owned(), 1), ("b".to_owned(), 1)].into();
        let twice = Measures::of(&["a", "a", "x", "b"].map(str::to_owned), &grades, 3);
        assert_eq!(twice, Measures::of(&["a", "x", "b"].map(str::to_owned), &grades, 3));
        assert!(twice.recall <= 1.0);
    }
}
