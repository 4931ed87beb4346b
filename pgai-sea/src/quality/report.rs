//! Reports: the measures of each question, their means with intervals, and what changed between two reports.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::measures::{Measure, Measures, number};
use super::random::Random;

/// How often the questions are drawn anew for an interval.
const RESAMPLES: usize = 2_000;
/// The share of these draws that an interval leaves out at each end.
const TAIL: f64 = 0.025;
/// How many questions an error lists.
const LISTED: usize = 10;
/// What two measures have to differ by to differ: a sum may round differently.
const EPSILON: f64 = 1e-9;

/// What [`evaluate`](super::evaluate) measured. It displays as a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// How many keys of each ranking were measured.
    pub k: usize,
    /// One for each question, in the order of the judgments.
    pub questions: Vec<QuestionReport>,
}

/// What was measured for a question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuestionReport {
    /// The question.
    pub text: String,
    /// The keys that were found, the best first.
    pub ranking: Vec<String>,
    /// The measures.
    pub measures: Measures,
    /// The answers that were not found, and why as far as it is known:
    /// [`evaluate_search`](super::evaluate_search) finds out.
    pub missed: BTreeMap<String, String>,
    /// How long the search took, in milliseconds.
    pub milliseconds: f64,
}

/// A mean, and the interval that holds it with 95 %: what it could have been with other questions of the same kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Interval {
    /// The mean over the questions.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What changed between two reports, over the questions that both have. It displays as a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// How many questions both reports have.
    pub questions: usize,
    /// The difference of each measure, later minus earlier, with a paired interval. An interval that holds 0 may be
    /// chance.
    pub differences: Vec<(String, Interval)>,
    /// The questions whose nDCG changed, the greatest loss first.
    pub changes: Vec<Change>,
}

/// A question whose nDCG changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The question.
    pub text: String,
    /// nDCG in the earlier report.
    pub before: f64,
    /// nDCG in the later report.
    pub after: f64,
    /// Why answers are missing now, as far as it is known.
    pub missed: BTreeMap<String, String>,
}

/// Searches are not as good as they should be. It displays the questions with the worst rankings.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct QualityError {
    text: String,
}

impl Report {
    /// The means over all questions.
    #[must_use]
    pub fn mean(&self) -> Measures {
        let mean = |measure| mean(&self.values(measure));
        Measures {
            ndcg: mean(Measure::Ndcg),
            recall: mean(Measure::Recall),
            reciprocal_rank: mean(Measure::ReciprocalRank),
            average_precision: mean(Measure::AveragePrecision),
        }
    }

    /// A mean with its interval, by bootstrap over the questions. The same report always has the same interval.
    #[must_use]
    pub fn interval(&self, measure: Measure) -> Interval {
        interval(&self.values(measure))
    }

    /// Compares with an earlier report, question by question.
    #[must_use]
    pub fn compare(&self, earlier: &Self) -> Comparison {
        let known: BTreeMap<&str, &QuestionReport> = earlier
            .questions
            .iter()
            .map(|question| (question.text.as_str(), question))
            .collect();
        let both: Vec<_> = self
            .questions
            .iter()
            .filter_map(|question| Some((known.get(question.text.as_str())?, question)))
            .collect();
        let difference = |measure: Measure| {
            let differences: Vec<_> = both
                .iter()
                .map(|(before, after)| after.measures.get(measure) - before.measures.get(measure))
                .collect();
            (measure.to_string(), interval(&differences))
        };
        let mut changes: Vec<_> = both
            .iter()
            .filter(|(before, after)| (after.measures.ndcg - before.measures.ndcg).abs() > EPSILON)
            .map(|(before, after)| Change {
                text: after.text.clone(),
                before: before.measures.ndcg,
                after: after.measures.ndcg,
                missed: after.missed.clone(),
            })
            .collect();
        changes.sort_by(|a, b| (a.after - a.before).total_cmp(&(b.after - b.before)));
        Comparison {
            questions: both.len(),
            differences: Measure::ALL.map(difference).into(),
            changes,
        }
    }

    /// Fails if the mean of a measure is below `least`. [`assert_quality!`](crate::assert_quality) calls it.
    ///
    /// # Errors
    ///
    /// A [`QualityError`] that lists the questions with the lowest measure, what was found for each, and why answers
    /// are missing as far as it is known.
    pub fn at_least(&self, measure: Measure, least: f64) -> Result<(), QualityError> {
        let interval = self.interval(measure);
        // without a question nothing was measured
        if !self.questions.is_empty() && interval.mean >= least - EPSILON {
            return Ok(());
        }
        let mut worst: Vec<_> = self
            .questions
            .iter()
            .filter(|question| question.measures.get(measure) < 1.0)
            .collect();
        worst.sort_by(|a, b| a.measures.get(measure).total_cmp(&b.measures.get(measure)));
        let mut text = format!(
            "{measure}@{} is {interval} over {} questions and should be at least {least}",
            self.k,
            self.questions.len()
        );
        for question in worst.iter().take(LISTED) {
            text.push_str(&format!("\n  {:.3} {}", question.measures.get(measure), question.text));
            let found: Vec<_> = question.ranking.iter().take(3).map(String::as_str).collect();
            text.push_str(&format!(": found {}", or_nothing(&found.join(", "))));
            for (key, why) in &question.missed {
                text.push_str(&format!("\n        {key} {why}"));
            }
        }
        if worst.len() > LISTED {
            text.push_str(&format!("\n  and {} more", worst.len() - LISTED));
        }
        Err(QualityError { text })
    }

    /// The report as JSON, to be kept and compared with later.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// A report that [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// Another text.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn values(&self, measure: Measure) -> Vec<f64> {
        self.questions
            .iter()
            .map(|question| question.measures.get(measure))
            .collect()
    }
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / number(values.len())
}

/// The mean, and the percentiles of the means of questions that are drawn with replacement.
fn interval(values: &[f64]) -> Interval {
    let mut random = Random::new(0);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..values.len()).filter_map(|_| values.get(random.below(values.len())));
            mean(&drawn.copied().collect::<Vec<_>>())
        })
        .collect();
    means.sort_by(f64::total_cmp);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in the list"
    )]
    let tail = (number(RESAMPLES) * TAIL) as usize;
    Interval {
        mean: mean(values),
        low: means[tail],
        high: means[RESAMPLES - 1 - tail],
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ({:.3} to {:.3})", self.mean, self.low, self.high)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} questions", self.questions.len())?;
        for measure in Measure::ALL {
            let name = format!("{measure}@{}", self.k);
            write!(f, "\n{name:<10} {}", self.interval(measure))?;
        }
        let mut times: Vec<_> = self.questions.iter().map(|question| question.milliseconds).collect();
        times.sort_by(f64::total_cmp);
        if let Some(median) = times.get(times.len() / 2) {
            write!(f, "\nmedian time {median:.1} ms")?;
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} questions", self.questions)?;
        for (measure, interval) in &self.differences {
            let Interval { mean, low, high } = interval;
            write!(f, "\n{measure:<6} {mean:+.3} ({low:+.3} to {high:+.3})")?;
        }
        let (worse, better): (Vec<_>, Vec<_>) = self.changes.iter().partition(|change| change.after < change.before);
        write!(f, "\n{} questions got better, {} got worse", better.len(), worse.len())?;
        for change in worse.iter().take(LISTED) {
            write!(f, "\n  {:.3} to {:.3} {}", change.before, change.after, change.text)?;
            for (key, why) in &change.missed {
                write!(f, "\n        {key} {why}")?;
            }
        }
        Ok(())
    }
}

/// Fails a test if searches are not as good as they should be. It names the worst questions.
///
/// ```
/// use pgai_sea::assert_quality;
/// use pgai_sea::quality::{Judgments, evaluate};
///
/// # futures_lite(async {
/// let judgments = Judgments::new([("how do I bake bread?", [7])]);
/// let found = || vec!["3".to_owned(), "7".to_owned()];
/// let report = evaluate(&judgments, 10, async |_| Ok::<_, std::fmt::Error>(found())).await.unwrap();
/// assert_quality!(report, recall >= 0.9, reciprocal_rank >= 0.5);
/// let error = report.at_least(pgai_sea::quality::Measure::ReciprocalRank, 0.9).unwrap_err();
/// assert!(error.to_string().contains("how do I bake bread?: found 3, 7"));
/// # });
/// # fn futures_lite(test: impl Future<Output = ()>) {
/// #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
/// # }
/// ```
///
/// The measures are the fields of [`Measures`](crate::quality::Measures): `ndcg`, `recall`, `reciprocal_rank`,
/// `average_precision`.
#[macro_export]
macro_rules! assert_quality {
    ($report:expr, $($measure:ident >= $least:expr),+ $(,)?) => {{
        let report: &$crate::quality::Report = &$report;
        $(
            if let Err(error) = report.at_least($crate::assert_quality!(@ $measure), $least) {
                panic!("{error}");
            }
        )+
    }};
    (@ ndcg) => { $crate::quality::Measure::Ndcg };
    (@ recall) => { $crate::quality::Measure::Recall };
    (@ reciprocal_rank) => { $crate::quality::Measure::ReciprocalRank };
    (@ average_precision) => { $crate::quality::Measure::AveragePrecision };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(values: &[(&str, f64)]) -> Report {
        let question = |(text, ndcg): &(&str, f64)| QuestionReport {
            text: (*text).to_owned(),
            measures: Measures {
                ndcg: *ndcg,
                ..Measures::default()
            },
            ..QuestionReport::default()
        };
        Report {
            k: 10,
            questions: values.iter().map(question).collect(),
        }
    }

    #[test]
    fn an_interval_is_that_of_the_normal_distribution_where_that_holds() {
        let values: Vec<f64> = (0..400).map(|number| f64::from(number % 5) / 4.0).collect();
        let interval = interval(&values);
        // standard deviation 0.3536, of the mean of 400: 0.01768, times 1.96
        assert!((interval.mean - 0.5).abs() < 1e-12);
        assert!(
            (interval.high - interval.low - 2.0 * 0.034_65).abs() < 0.006,
            "{interval}"
        );
        assert_eq!(interval, super::interval(&values));
    }

    #[test]
    fn a_comparison_is_of_the_questions_that_both_have() {
        let before = report(&[("same", 0.5), ("worse", 1.0), ("better", 0.0), ("gone", 0.0)]);
        let after = report(&[("new", 1.0), ("better", 0.5), ("same", 0.5), ("worse", 0.25)]);
        let comparison = after.compare(&before);
        assert_eq!(comparison.questions, 3);
        let changes: Vec<_> = comparison.changes.iter().map(|change| change.text.as_str()).collect();
        assert_eq!(changes, ["worse", "better"]);
        let (_, ndcg) = &comparison.differences[0];
        assert!((ndcg.mean - (-0.25 / 3.0)).abs() < 1e-12);
        assert!(ndcg.low < 0.0 && ndcg.high > 0.0);
        let text = comparison.to_string();
        assert!(
            text.contains("1 questions got better, 1 got worse\n  1.000 to 0.250 worse"),
            "{text}"
        );
    }

    #[test]
    fn the_worst_questions_are_named() {
        let report = report(&[("a", 1.0), ("b", 0.0), ("c", 0.5)]);
        assert!(report.at_least(Measure::Ndcg, 0.5).is_ok());
        let error = report.at_least(Measure::Ndcg, 0.6).unwrap_err().to_string();
        let lines: Vec<_> = error.lines().map(str::trim).collect();
        assert!(lines[0].starts_with("nDCG@10 is 0.500 ("), "{error}");
        assert_eq!(lines[1..], ["0.000 b: found nothing", "0.500 c: found nothing"]);
        assert!(
            Report::default().at_least(Measure::Ndcg, 0.0).is_err(),
            "nothing was measured"
        );
        assert_eq!(Report::from_json(&report.to_json()).unwrap(), report);
    }
}
