//! How much two generations find alike.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, TransactionSession as _, TransactionTrait};
use serde::Serialize;

use super::error::ChangeError;
use super::steps::{Change, find};
use crate::catalog::{Vectorizer, Vectors, check_table, look, pgvector_schema};
use crate::embedder::Embedders;
use crate::sql::{quote_identifier, quote_literal};
use crate::vectorizer::VectorizerRef;

/// How two generations are compared.
#[derive(Clone, Debug)]
#[must_use]
pub struct Compare<'a> {
    k: u32,
    sample: u32,
    questions: Vec<String>,
    embedders: Option<&'a Embedders>,
}

/// How much the new generation finds what the one before does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Rows that each question asked for.
    pub k: u32,
    /// How many questions were asked.
    pub questions: usize,
    /// The mean share of the first `k` rows that both find, from 0 to 1.
    pub overlap: f64,
    /// The mean rank correlation (Spearman) of the rows that both find, from -1 to 1. `None` if no question has two.
    pub rank_correlation: Option<f64>,
    /// The questions on which they agree least, the worst first.
    pub worst: Vec<Compared>,
}

/// One question and both answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Compared {
    /// The question's text, or the chunk that was looked for.
    pub question: String,
    /// The share of rows that both find.
    pub overlap: f64,
    /// What the generation before finds: keys and chunks, the nearest first.
    pub before: Vec<Found>,
    /// What the new generation finds.
    pub new: Vec<Found>,
}

/// A row that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Found {
    /// Its key, as PostgreSQL writes a row: `(7)`.
    pub key: String,
    /// The chunk that was nearest. Empty for a column destination.
    pub chunk: String,
}

/// The worst questions that a comparison lists.
const WORST: usize = 5;

impl Default for Compare<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Compare<'a> {
    /// Ten rows for each of a hundred chunks that both generations have.
    pub fn new() -> Self {
        Self {
            k: 10,
            sample: 100,
            questions: Vec::new(),
            embedders: None,
        }
    }

    /// How many rows each question asks for.
    pub fn k(mut self, k: u32) -> Self {
        self.k = k.max(1);
        self
    }

    /// How many rows of the source are questions. Their vectors are there already.
    pub fn sample(mut self, sample: u32) -> Self {
        self.sample = sample;
        self
    }

    /// Questions of your own, which `embedders` embed with both models.
    pub fn questions<S: Into<String>>(
        mut self,
        embedders: &'a Embedders,
        questions: impl IntoIterator<Item = S>,
    ) -> Self {
        self.embedders = Some(embedders);
        self.questions = questions.into_iter().map(Into::into).collect();
        self
    }

    /// Compares the two generations of a vectorizer that is being changed. Every row is looked at, no index is used.
    ///
    /// # Errors
    ///
    /// Where nothing is being changed, and what the database and the models fail with.
    pub async fn run<C: ConnectionTrait + TransactionTrait>(
        self,
        db: &C,
        vectorizer: impl Into<VectorizerRef>,
    ) -> Result<Comparison, ChangeError> {
        let reference = vectorizer.into();
        let change = find(db, reference.clone()).await?;
        let change = change.ok_or_else(|| ChangeError::NotChanging(reference.to_string()))?;
        let pgvector = pgvector_schema(db).await?;
        let before = Generation::of(&change.before, &pgvector)?;
        let new = Generation::of(&change.new, &pgvector)?;
        let mut asked = Vec::new();
        if let Some(embedders) = self.embedders {
            for question in &self.questions {
                asked.push((question.clone(), embed(embedders, &change, question).await?));
            }
        }
        let look = look(db).await?;
        for table in [&before.table, &new.table] {
            check_table(&look, table).await?;
        }
        let mut compared = Vec::new();
        for row in sample(&look, &before, &new, self.sample).await? {
            let question: String = row.try_get_by_index(0)?;
            let (one, other): (String, String) = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            let answers = (
                before.nearest(&look, &one, self.k).await?,
                new.nearest(&look, &other, self.k).await?,
            );
            compared.push(Compared::new(question, answers, self.k));
        }
        for (question, vectors) in asked {
            let answers = (
                before.nearest(&look, &vectors.0, self.k).await?,
                new.nearest(&look, &vectors.1, self.k).await?,
            );
            compared.push(Compared::new(question, answers, self.k));
        }
        look.rollback().await?;
        Ok(Comparison::of(self.k, compared))
    }
}

async fn embed(embedders: &Embedders, change: &Change, question: &str) -> Result<(String, String), ChangeError> {
    let mut vectors = Vec::new();
    for vectorizer in [&change.before, &change.new] {
        let embedder = embedders.of_config(&vectorizer.config.embedding)?;
        let vector = embedder.embed_query(question).await?;
        vectors.push(sea_orm::prelude::PgVector::from(vector));
    }
    let text = |vector: &sea_orm::prelude::PgVector| {
        let numbers: Vec<String> = vector.as_slice().iter().map(ToString::to_string).collect();
        format!("[{}]", numbers.join(","))
    };
    Ok((text(&vectors[0]), text(&vectors[1])))
}

/// A generation's vectors, and how its rows are written in SQL.
struct Generation {
    table: String,
    vector: String,
    /// `t."id", t."tenant"`
    key: String,
    chunk: &'static str,
    /// Chunks of a row are compared by the first.
    first: &'static str,
    /// The cosine distance, with pgvector's schema.
    operator: String,
}

impl Generation {
    fn of(vectorizer: &Vectorizer, pgvector: &str) -> Result<Self, ChangeError> {
        let vectors = Vectors::of(vectorizer).ok_or_else(|| {
            DbErr::Custom(format!(
                "the destination of vectorizer {} is not known here",
                vectorizer.name
            ))
        })?;
        Ok(Self {
            vector: vectors.vector(),
            key: vectors.key.join(", "),
            chunk: if vectors.has_chunks { "t.chunk" } else { "''::text" },
            first: if vectors.has_chunks { " AND t.chunk_seq = 0" } else { "" },
            operator: format!("OPERATOR({}.<=>)", quote_identifier(pgvector)),
            table: vectors.table,
        })
    }

    /// The `k` source rows that are nearest to a vector, each by its best chunk.
    async fn nearest<C: ConnectionTrait>(&self, db: &C, vector: &str, k: u32) -> Result<Vec<Found>, DbErr> {
        let sql = format!(
            "SELECT key, chunk FROM (SELECT DISTINCT ON (key) key, chunk, distance
                FROM (SELECT row({})::text AS key, {} AS chunk, {} {} {} AS distance FROM {} t) a
                WHERE distance IS NOT NULL AND distance <> 'NaN' ORDER BY key, distance) b
             ORDER BY distance, key LIMIT {k}",
            self.key,
            self.chunk,
            self.vector,
            self.operator,
            quote_literal(vector),
            self.table,
        );
        let rows = db
            .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
            .await?;
        let found = |row: &QueryResult| {
            Ok(Found {
                key: row.try_get_by_index(0)?,
                chunk: row.try_get_by_index(1)?,
            })
        };
        rows.iter().map(found).collect()
    }
}

/// Rows that both generations have, with their vectors: the same ones each time.
async fn sample<C: ConnectionTrait>(
    db: &C,
    before: &Generation,
    new: &Generation,
    rows: u32,
) -> Result<Vec<QueryResult>, DbErr> {
    let of = |generation: &Generation| {
        format!(
            "(SELECT row({})::text AS key, {} AS chunk, {}::text AS vector FROM {} t WHERE {} IS NOT NULL{})",
            generation.key, generation.chunk, generation.vector, generation.table, generation.vector, generation.first
        )
    };
    let sql = format!(
        "SELECT coalesce(nullif(b.chunk, ''), b.key), b.vector, n.vector FROM {} b JOIN {} n USING (key)
         ORDER BY pg_catalog.hashtext(key), key LIMIT {rows}",
        of(before),
        of(new)
    );
    db.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await
}

#[expect(clippy::cast_precision_loss, reason = "shares of a page")]
impl Compared {
    fn new(question: String, (before, new): (Vec<Found>, Vec<Found>), k: u32) -> Self {
        let common = before.iter().filter(|one| new.iter().any(|other| other.key == one.key));
        let page = before.len().max(new.len()).min(k as usize);
        let overlap = if page == 0 {
            1.0
        } else {
            common.count() as f64 / page as f64
        };
        Self {
            question,
            overlap,
            before,
            new,
        }
    }

    /// Spearman's correlation of the ranks of the rows that both have.
    fn rank_correlation(&self) -> Option<f64> {
        let places: HashMap<&str, usize> = (0..)
            .zip(&self.new)
            .map(|(place, found)| (&*found.key, place))
            .collect();
        let common: Vec<usize> = self
            .before
            .iter()
            .filter_map(|found| places.get(&*found.key).copied())
            .collect();
        let n = common.len();
        if n < 2 {
            return None;
        }
        let mut sorted = common.clone();
        sorted.sort_unstable();
        let squares: f64 = (0..n)
            .map(|rank| {
                let other = sorted.binary_search(&common[rank]).unwrap_or_default();
                (rank as f64 - other as f64).powi(2)
            })
            .sum();
        let n = n as f64;
        Some(1.0 - 6.0 * squares / (n * (n * n - 1.0)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "means")]
impl Comparison {
    fn of(k: u32, mut compared: Vec<Compared>) -> Self {
        let questions = compared.len();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let overlaps: Vec<f64> = compared.iter().map(|one| one.overlap).collect();
        let correlations: Vec<f64> = compared.iter().filter_map(Compared::rank_correlation).collect();
        compared.sort_by(|a, b| a.overlap.total_cmp(&b.overlap));
        compared.truncate(WORST);
        Self {
            k,
            questions,
            overlap: if questions == 0 { 0.0 } else { mean(&overlaps) },
            rank_correlation: (!correlations.is_empty()).then(|| mean(&correlations)),
            worst: compared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(keys: &[&str]) -> Vec<Found> {
        let found = |key: &&str| Found {
            key: (*key).to_owned(),
            chunk: String::new(),
        };
        keys.iter().map(found).collect()
    }

    fn compared(before: &[&str], new: &[&str]) -> Compared {
        Compared::new("q".into(), (found(before), found(new)), 4)
    }

    #[test]
    fn overlap_and_ranks_are_those_of_the_books() {
        let same = compared(&["a", "b", "c", "d"], &["a", "b", "c", "d"]);
        assert_eq!((same.overlap, same.rank_correlation()), (1.0, Some(1.0)));
        let turned = compared(&["a", "b", "c", "d"], &["d", "c", "b", "a"]);
        assert_eq!((turned.overlap, turned.rank_correlation()), (1.0, Some(-1.0)));
        let half = compared(&["a", "b", "c", "d"], &["b", "x", "a", "y"]);
        assert_eq!((half.overlap, half.rank_correlation()), (0.5, Some(-1.0)));
        let none = compared(&["a"], &["b"]);
        assert_eq!((none.overlap, none.rank_correlation()), (0.0, None));
        let all = Comparison::of(4, vec![same, half.clone()]);
        assert_eq!(
            (all.overlap, all.rank_correlation, &all.worst[0]),
            (0.75, Some(0.0), &half)
        );
    }
}
