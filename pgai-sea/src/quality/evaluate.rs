//! Asking the questions.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::str::FromStr;
use std::time::Instant;

use sea_orm::ConnectionTrait;

use super::judgments::{Judgments, Question};
use super::measures::Measures;
use super::report::{QuestionReport, Report};
use crate::entity::{EmbeddingTrait, SourceKey};
use crate::search::{Search, SearchError, WithSource};

/// A question could not be searched for.
#[derive(Debug, thiserror::Error)]
#[error("the question `{question}` could not be searched for: {source}")]
#[non_exhaustive]
pub struct EvaluateError {
    /// The question.
    pub question: String,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Asks each question, and measures the first `k` keys of its ranking.
///
/// `search` returns the keys of the rows that it found, the best first. It may be a search of this crate, an endpoint
/// of your application, or anything else that ranks keys. [`evaluate_search`] also finds out why an answer was missed.
///
/// # Errors
///
/// The first error of `search`, with its question.
pub async fn evaluate<E: Into<Box<dyn Error + Send + Sync>>>(
    judgments: &Judgments,
    k: usize,
    search: impl AsyncFn(&str) -> Result<Vec<String>, E>,
) -> Result<Report, EvaluateError> {
    let mut report = Report {
        k,
        questions: Vec::new(),
    };
    for question in &judgments.questions {
        let began = Instant::now();
        let ranking = search(&question.text).await.map_err(|error| failed(question, error))?;
        report.questions.push(measured(question, ranking, k, began));
    }
    Ok(report)
}

/// Asks each question with the search that `search` makes of it, and measures its page. The keys are those of the
/// source rows. Of each answer that is missed, the report says why: [`Search::locate`] finds out.
///
/// ```no_run
/// # mod blog_post { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/blog_post.rs")); }
/// # async fn f(db: sea_orm::DatabaseConnection, embedder: impl pgai_sea::Embedder)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use pgai_sea::prelude::*;
/// use pgai_sea::quality::{Judgments, evaluate_search};
///
/// let judgments = Judgments::from_file("tests/judgments.toml")?;
/// let search = |question: &str| blog_post::Entity::search_text(&embedder, question).limit(10);
/// let report = evaluate_search(&judgments, &db, search).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The first error of a search, with its question. An answer whose key does not have the form of the entity's key.
pub async fn evaluate_search<'a, E, C>(
    judgments: &Judgments,
    db: &C,
    search: impl Fn(&str) -> Search<'a, E, WithSource>,
) -> Result<Report, EvaluateError>
where
    E: EmbeddingTrait,
    C: ConnectionTrait,
    SourceKey<E>: ToString + FromStr,
{
    let mut report = Report::default();
    for question in &judgments.questions {
        let search = search(&question.text);
        report.k = usize::try_from(search.page_limit()).unwrap_or(usize::MAX);
        let began = Instant::now();
        let hits = search.clone().all(db).await.map_err(|error| failed(question, error))?;
        let ranking = hits.iter().map(|hit| hit.embedding.source_key.to_string()).collect();
        let mut measured = measured(question, ranking, report.k, began);
        measured.missed = missed(question, &measured.ranking, &search, db).await?;
        report.questions.push(measured);
    }
    Ok(report)
}

/// Why each answer that is not in the ranking is not there.
async fn missed<E, C>(
    question: &Question,
    ranking: &[String],
    search: &Search<'_, E, WithSource>,
    db: &C,
) -> Result<BTreeMap<String, String>, EvaluateError>
where
    E: EmbeddingTrait,
    C: ConnectionTrait,
    SourceKey<E>: FromStr,
{
    let found: HashSet<&str> = ranking.iter().map(String::as_str).collect();
    let mut missed = BTreeMap::new();
    for (key, _) in question
        .grades
        .iter()
        .filter(|(key, grade)| **grade > 0 && !found.contains(key.as_str()))
    {
        let parsed = key.parse().map_err(|_| {
            let form = std::any::type_name::<SourceKey<E>>();
            failed(
                question,
                format!("the answer `{key}` is no key of the entity: it should be a {form}"),
            )
        })?;
        let location = search
            .locate(parsed, db)
            .await
            .map_err(|error| failed::<SearchError>(question, error))?;
        missed.insert(key.clone(), location.to_string());
    }
    Ok(missed)
}

fn measured(question: &Question, ranking: Vec<String>, k: usize, began: Instant) -> QuestionReport {
    QuestionReport {
        text: question.text.clone(),
        measures: Measures::of(&ranking, &question.grades, k),
        milliseconds: began.elapsed().as_secs_f64() * 1_000.0,
        missed: BTreeMap::new(),
        ranking,
    }
}

fn failed<E: Into<Box<dyn Error + Send + Sync>>>(question: &Question, error: E) -> EvaluateError {
    EvaluateError {
        question: question.text.clone(),
        source: error.into(),
    }
}
