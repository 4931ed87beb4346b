//! `pgai-sea evaluate`.

mod page;
mod store;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use self::page::Page;
use self::store::{Scan, Store};
use super::CliError;
use super::database::DatabaseArgs;
use super::embedders::EmbedderArgs;
use super::worker::reference;
use crate::catalog;
use crate::pooled::Pooled;
use crate::quality::{Judgments, Measure, Measures, QuestionReport, Report};

#[derive(Debug, Args)]
pub(super) struct Evaluate {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The judgments: a TOML file of questions, each with the keys of the rows that answer it. A composite key is
    /// written with slashes: "7/en"
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The vectorizer, by id or name
    #[arg(short = 'i', long = "vectorizer", visible_alias = "vectorizer-id", value_name = "ID")]
    vectorizer: String,
    /// Rows that each question asks for
    #[arg(short, long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    k: u32,
    #[command(flatten)]
    embedders: EmbedderArgs,
    /// A report of before, as --json wrote it: say what changed
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// Write the report as JSON, to compare later ones with
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with the measures, the curve of recall against time, and the questions
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Fail if the mean nDCG is smaller
    #[arg(long, value_name = "NDCG")]
    at_least: Option<f64>,
}

/// What the searches found with one setting of the index.
#[derive(Clone, Debug)]
struct Point {
    /// `hnsw.ef_search = 40`, or `exact`.
    name: String,
    /// The share of the nearest chunks that were found.
    recall: f64,
    /// Of the rankings.
    measures: Measures,
    /// The median, with the round trip.
    milliseconds: f64,
}

/// A question with its vector, and what an exact search finds.
struct Asked {
    vector: String,
    nearest: Vec<store::Found>,
}

impl Evaluate {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let judgments = Judgments::from_file(&self.file).map_err(|error| CliError::Evaluate(error.to_string()))?;
        let before = self.before.as_deref().map(report_of).transpose()?;
        let embedders = self.embedders.embedders()?;
        let db = self.database.connect_installed().await?;
        let vectorizer = catalog::vectorizer(&db, reference(&self.vectorizer)).await?;
        let store = Store::of(&db, &vectorizer).await?;
        let embedder = embedders.of_config(&vectorizer.config.embedding)?;
        let mut asked = Vec::new();
        for question in &judgments.questions {
            let vector = embedder.embed_query(&question.text).await?;
            let numbers: Vec<String> = vector.iter().map(ToString::to_string).collect();
            let vector = format!("[{}]", numbers.join(","));
            let nearest = store.nearest(&db, &vector, self.k, Scan::Exact).await?;
            asked.push(Asked { vector, nearest });
        }
        let (report, curve) = self.measure(&db, &store, &judgments, &asked).await?;
        let comparison = before.as_ref().map(|before| report.compare(before));

        let mut out = std::io::stdout().lock();
        writeln!(out, "{report}")?;
        if let Some(comparison) = &comparison {
            writeln!(out, "\nwith the report of before, {comparison}")?;
        }
        writeln!(out)?;
        for point in &curve {
            let Point {
                name,
                recall,
                measures,
                milliseconds,
            } = point;
            let ndcg = measures.ndcg;
            writeln!(
                out,
                "{name:<24} index recall {recall:.3}  nDCG {ndcg:.3}  {milliseconds:.2} ms"
            )?;
        }
        drop(out);
        if let Some(file) = &self.json {
            write(file, &report.to_json())?;
        }
        if let Some(file) = &self.html {
            let page = Page::new(&vectorizer.name, &report, comparison.as_ref(), &curve);
            write(file, &page.html())?;
        }
        match self.at_least {
            Some(least) => report
                .at_least(Measure::Ndcg, least)
                .map_err(|error| CliError::Evaluate(error.to_string())),
            None => Ok(()),
        }
    }

    /// The report of searches as the database is set, and what other settings of the index would find.
    async fn measure(
        &self,
        db: &Pooled,
        store: &Store,
        judgments: &Judgments,
        asked: &[Asked],
    ) -> Result<(Report, Vec<Point>), CliError> {
        let (first, _) = self.searched(db, store, judgments, asked, Scan::Default).await?;
        let mut report = first;
        for ((question, asked), measured) in judgments.questions.iter().zip(asked).zip(&mut report.questions) {
            measured.missed = self
                .missed(db, store, question.grades.keys(), asked, &measured.ranking)
                .await?;
        }
        let mut curve = Vec::new();
        for scan in store.scans() {
            let (report, recall) = self.searched(db, store, judgments, asked, scan).await?;
            let mut times: Vec<f64> = report.questions.iter().map(|question| question.milliseconds).collect();
            times.sort_by(f64::total_cmp);
            curve.push(Point {
                name: scan.to_string(),
                recall,
                measures: report.mean(),
                milliseconds: times.get(times.len() / 2).copied().unwrap_or_default(),
            });
        }
        Ok((report, curve))
    }

    async fn searched(
        &self,
        db: &Pooled,
        store: &Store,
        judgments: &Judgments,
        asked: &[Asked],
        scan: Scan,
    ) -> Result<(Report, f64), CliError> {
        let k = self.k as usize;
        let mut report = Report { k, ..Report::default() };
        let mut recalls = Vec::new();
        for (question, asked) in judgments.questions.iter().zip(asked) {
            let began = Instant::now();
            let found = store.nearest(db, &asked.vector, self.k, scan).await?;
            let milliseconds = began.elapsed().as_secs_f64() * 1_000.0;
            recalls.push(store::recall(&found, &asked.nearest));
            let ranking = store::keys(&found, k);
            report.questions.push(QuestionReport {
                text: question.text.clone(),
                measures: Measures::of(&ranking, &question.grades, k),
                ranking,
                missed: BTreeMap::new(),
                milliseconds,
            });
        }
        #[expect(clippy::cast_precision_loss, reason = "a number of questions")]
        let recall = recalls.iter().sum::<f64>() / recalls.len().max(1) as f64;
        Ok((report, recall))
    }

    /// Why each answer that is not in the ranking is not there.
    async fn missed(
        &self,
        db: &Pooled,
        store: &Store,
        answers: impl Iterator<Item = &String>,
        asked: &Asked,
        ranking: &[String],
    ) -> Result<BTreeMap<String, String>, CliError> {
        let exact = store::keys(&asked.nearest, self.k as usize);
        let mut missed = BTreeMap::new();
        for key in answers.filter(|key| !ranking.contains(*key)) {
            let why = match store.rank(db, &asked.vector, key).await? {
                None => "has no embeddings".to_owned(),
                Some(rank) if exact.contains(key) => format!("has rank {rank}, and the index misses it"),
                Some(rank) => format!("has rank {rank}"),
            };
            missed.insert(key.clone(), why);
        }
        Ok(missed)
    }
}

fn report_of(file: &Path) -> Result<Report, CliError> {
    let text = std::fs::read_to_string(file).map_err(|error| CliError::File {
        file: file.display().to_string(),
        error,
    })?;
    Report::from_json(&text)
        .map_err(|error| CliError::Evaluate(format!("{} is no report of `evaluate --json`: {error}", file.display())))
}

fn write(file: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(file, text).map_err(|error| CliError::Written {
        file: file.display().to_string(),
        error,
    })
}
