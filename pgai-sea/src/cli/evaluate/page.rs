//! The report as a page.

use std::fmt::Write as _;

use askama::Template;

use super::Point;
use crate::quality::{Comparison, Interval, Measure, Report};

/// The curve's size in its own units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 240.0;

/// The page.
#[derive(Debug, Template)]
#[template(path = "evaluate.html")]
pub(super) struct Page<'a> {
    vectorizer: &'a str,
    k: usize,
    count: usize,
    measures: Vec<Line>,
    curve: Curve,
    points: &'a [Point],
    /// The worst first.
    questions: Vec<Question<'a>>,
}

/// A measure, and how it changed.
#[derive(Debug)]
struct Line {
    name: String,
    interval: Interval,
    change: Option<Interval>,
}

#[derive(Debug)]
struct Question<'a> {
    text: &'a str,
    ndcg: f64,
    before: Option<f64>,
    ranking: String,
    missed: Vec<(&'a str, &'a str)>,
}

/// Recall by time, in the units of the picture.
#[derive(Debug)]
struct Curve {
    /// The corners of a line, as SVG has them.
    line: String,
    dots: Vec<Dot>,
    /// The time at the right edge, in milliseconds.
    slowest: f64,
}

#[derive(Debug)]
struct Dot {
    x: f64,
    y: f64,
    name: String,
}

impl<'a> Page<'a> {
    pub(super) fn new(
        vectorizer: &'a str,
        report: &'a Report,
        comparison: Option<&'a Comparison>,
        points: &'a [Point],
    ) -> Self {
        let change = |measure: Measure| {
            let name = measure.to_string();
            let differences = comparison?.differences.iter();
            differences
                .filter(|(known, _)| *known == name)
                .map(|(_, interval)| *interval)
                .next()
        };
        let before = |text: &str| {
            let mut changes = comparison?.changes.iter();
            changes.find(|change| change.text == text).map(|change| change.before)
        };
        let mut questions: Vec<_> = report
            .questions
            .iter()
            .map(|question| Question {
                text: &question.text,
                ndcg: question.measures.ndcg,
                before: before(&question.text),
                ranking: question.ranking.join(", "),
                missed: question.missed.iter().map(|(key, why)| (&**key, &**why)).collect(),
            })
            .collect();
        questions.sort_by(|a, b| a.ndcg.total_cmp(&b.ndcg));
        Self {
            vectorizer,
            k: report.k,
            count: report.questions.len(),
            measures: Measure::ALL
                .map(|measure| Line {
                    name: format!("{measure}@{}", report.k),
                    interval: report.interval(measure),
                    change: change(measure),
                })
                .into(),
            curve: Curve::of(points),
            points,
            questions,
        }
    }

    pub(super) fn html(&self) -> String {
        // writing to a string does not fail
        self.render().unwrap_or_default()
    }
}

impl Curve {
    fn of(points: &[Point]) -> Self {
        let slowest = points.iter().map(|point| point.milliseconds).fold(0.0, f64::max);
        let mut dots: Vec<Dot> = points
            .iter()
            .map(|point| Dot {
                x: WIDTH * point.milliseconds / if slowest > 0.0 { slowest } else { 1.0 },
                y: HEIGHT * (1.0 - point.recall),
                name: format!(
                    "{}: {:.3} of the nearest chunks, nDCG {:.3}, {:.2} ms",
                    point.name, point.recall, point.measures.ndcg, point.milliseconds
                ),
            })
            .collect();
        dots.sort_by(|a, b| a.x.total_cmp(&b.x));
        let mut line = String::new();
        for dot in &dots {
            let _ = write!(line, "{:.1},{:.1} ", dot.x, dot.y);
        }
        Self { line, dots, slowest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::QuestionReport;

    #[test]
    fn a_page_shows_what_was_measured_and_escapes_it() {
        let question = |text: &str, ndcg: f64| {
            let mut question = QuestionReport {
                text: text.to_owned(),
                ranking: vec!["7".to_owned(), "9/en".to_owned()],
                ..QuestionReport::default()
            };
            question.measures.ndcg = ndcg;
            question.missed.insert("3".to_owned(), "has rank 23".to_owned());
            question
        };
        let earlier = Report {
            k: 10,
            questions: vec![question("<script>", 1.0), question("b", 0.5)],
        };
        let mut report = earlier.clone();
        report.questions[0].measures.ndcg = 0.25;
        let point = |recall, milliseconds| Point {
            name: "hnsw.ef_search = 40".to_owned(),
            recall,
            measures: report.mean(),
            milliseconds,
        };
        let points = [point(0.5, 1.0), point(1.0, 4.0)];
        let comparison = report.compare(&earlier);
        let html = Page::new("posts", &report, Some(&comparison), &points).html();
        for part in [
            "posts",
            "nDCG@10",
            "-0.375",
            "&#60;script&#62;",
            "3 has rank 23",
            "7, 9/en",
            "150.0,120.0 600.0,0.0",
            "hnsw.ef_search = 40",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("<script>"));
        // the worst first
        assert!(html.find("#60;script") < html.find(">b<"));
    }
}
