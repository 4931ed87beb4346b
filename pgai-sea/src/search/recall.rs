//! The recall of an index: how many of the nearest rows it finds.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use sea_orm::prelude::PgVector;
use sea_orm::sea_query::{Expr, ExprTrait, Func, Order, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr};

use super::error::SearchError;
use super::explain::explain;
use super::hit::distance;
use super::plan::{Attempt, Plan};
use super::projection::Distances;
use super::quantized::Quantized;
use super::query::checked;
use super::refusal::Searching as _;
use super::statement::up_to;
use crate::entity::EmbeddingTrait;
use crate::pgvector::{Metric, VectorExpr};

/// The default values of `hnsw.ef_search` and `ivfflat.probes` that are measured.
const EF_SEARCH: [u32; 5] = [20, 40, 80, 160, 320];
const PROBES: [u32; 5] = [1, 2, 4, 8, 16];

/// A setting of pgvector, and its value.
type Setting = (&'static str, u32);

/// Compares searches through an index with exact ones. [`SearchTrait::recall`](super::SearchTrait::recall) makes one.
#[derive(Clone, Debug)]
#[must_use = "nothing is measured until `run`"]
pub struct Recall<E> {
    k: u64,
    sample: u64,
    plan: Plan,
    settings: Option<Vec<u32>>,
    seed: Option<u64>,
    questions: Vec<Vec<f32>>,
    entity: PhantomData<E>,
}

/// How many of the nearest rows an index finds, and how fast. It displays as a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecallReport {
    /// The number of rows of each search.
    pub k: u64,
    /// How many vectors were searched for.
    pub sample: u64,
    /// The name of the index. `None`: PostgreSQL uses none, and every search was exact.
    pub index: Option<String>,
    /// The median time of an exact search, including the round trip.
    pub exact: Duration,
    /// The measurement with the connection's own settings.
    pub default: RecallAt,
    /// The measurements with other values of `hnsw.ef_search` or `ivfflat.probes`.
    pub at: Vec<RecallAt>,
}

/// A measurement with one setting.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecallAt {
    /// The setting and its value. `None`: the connection's own.
    pub setting: Option<(&'static str, u32)>,
    /// The share of the `k` nearest rows that were found, 0 to 1. A row at the same distance as the farthest of them
    /// counts as one of them. The vector that was searched for does not count, since every index finds it.
    pub recall: f64,
    /// The median time of a search, including the round trip.
    pub median: Duration,
}

impl<E: EmbeddingTrait> Recall<E> {
    pub(super) fn new(k: u64, sample: u64) -> Self {
        // one more for the vector that is searched for
        let plan = Plan {
            limit: k.saturating_add(1),
            quantized: Quantized::declared::<E>(),
            ..Plan::default()
        };
        Self {
            k,
            sample,
            plan,
            settings: None,
            seed: None,
            questions: Vec::new(),
            entity: PhantomData,
        }
    }

    /// The metric of the searches. The default is cosine.
    pub fn metric(mut self, metric: Metric) -> Self {
        self.plan.metric = metric;
        self
    }

    /// Searches through an index on quantized vectors.
    pub fn quantized(mut self, quantized: Quantized) -> Self {
        self.plan.quantized = Some(quantized);
        self
    }

    /// The values to measure: of `ef_search` for an HNSW index, of `probes` for an IVFFlat index.
    pub fn settings(mut self, settings: impl IntoIterator<Item = u32>) -> Self {
        self.settings = Some(settings.into_iter().collect());
        self
    }

    /// Samples the same stored vectors in every run, as long as the rows are the same. Without a seed each run has
    /// another sample.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Searches for these vectors instead of stored ones. Your users' questions lie elsewhere than your texts, and an
    /// index may find less for them. `Embedder::embed` makes their vectors.
    pub fn questions<V: Into<Vec<f32>>>(mut self, vectors: impl IntoIterator<Item = V>) -> Self {
        self.questions = vectors.into_iter().map(Into::into).collect();
        self
    }

    /// Runs the searches: for each sampled vector an exact one, which reads the whole table, and one with each setting.
    /// With the cosine the sample has no vectors of zeros, which have no distance to anything.
    ///
    /// # Errors
    ///
    /// A setting that pgvector would refuse, before anything is measured. A question of another length. A connection
    /// that takes no raw statements, such as SeaORM's `RestrictedConnection`, refuses `EXPLAIN`.
    pub async fn run<C: ConnectionTrait>(mut self, db: &C) -> Result<RecallReport, SearchError> {
        self.plan.check::<E>()?;
        self.plan.settle::<E, _>(db).await.searching::<E>()?;
        // the plan is the same for every vector
        let any = VectorExpr::Vector(vec![1.0; E::DIMENSIONS]).into();
        let statement = self.plan.statement::<E, Distances>(&any, first(&self.plan)).build();
        let explained = explain(db, statement, &self.plan).await;
        let explained = explained.searching::<E>()?;
        // the setting that an index of this access method reads
        let setting = match explained.method() {
            Some("hnsw") => Some("ef_search"),
            Some("ivfflat") => Some("probes"),
            _ => None,
        };
        let tried = self.tried(setting)?;

        let sample = if self.questions.is_empty() {
            self.sampled(db).await.searching::<E>()?
        } else {
            self.asked()?
        };
        let mut exact = Vec::new();
        let mut exact_times = Vec::new();
        for sampled in &sample {
            let searched = self.distances(&self.plan, sampled, Attempt::Exact, db).await;
            let (distances, took) = searched.comparing::<E>(&sampled.query)?;
            // a small table has fewer than k rows
            exact.push((distances.len(), distances.last().copied().unwrap_or(f64::NEG_INFINITY)));
            exact_times.push(took);
        }
        let mut measured = Vec::new();
        for (setting, plan) in &tried {
            let mut shares = Vec::new();
            let mut times = Vec::new();
            for (sampled, (all, farthest)) in sample.iter().zip(&exact) {
                let searched = self.distances(plan, sampled, first(plan), db).await;
                let (distances, took) = searched.comparing::<E>(&sampled.query)?;
                let found = distances
                    .iter()
                    .filter(|distance| *distance <= farthest)
                    .count()
                    .min(*all);
                shares.push(if *all == 0 { 1.0 } else { ratio(found, *all) });
                times.push(took);
            }
            measured.push(RecallAt {
                setting: *setting,
                recall: if shares.is_empty() {
                    1.0
                } else {
                    shares.iter().sum::<f64>() / ratio(shares.len(), 1)
                },
                median: median(times),
            });
        }
        Ok(RecallReport {
            k: self.k,
            sample: sample.len() as u64,
            index: explained.index().map(str::to_owned),
            exact: median(exact_times),
            default: measured.remove(0),
            at: measured,
        })
    }

    /// The plans to measure: with the connection's own settings first, then with the values of `setting`.
    fn tried(&self, setting: Option<&'static str>) -> Result<Vec<(Option<Setting>, Plan)>, SearchError> {
        let values = match (setting, self.settings.as_ref()) {
            (None, _) => Vec::new(),
            (Some(_), Some(values)) => values.clone(),
            (Some("probes"), None) => PROBES.to_vec(),
            (Some(_), None) => EF_SEARCH.to_vec(),
        };
        let values = std::iter::once(None).chain(values.into_iter().map(Some));
        values
            .map(|value| {
                let mut plan = self.plan.clone();
                let setting = setting.zip(value);
                match setting {
                    Some(("probes", probes)) => plan.scan.probes = Some(probes),
                    Some((_, ef_search)) => plan.scan.ef_search = Some(ef_search),
                    None => {}
                }
                plan.check::<E>()?;
                Ok((setting, plan))
            })
            .collect()
    }

    fn asked(&self) -> Result<Vec<Sampled>, SearchError> {
        let asked = self.questions.iter().map(|vector| {
            let query = checked::<E>(vector.clone(), self.plan.metric)?;
            Ok(Sampled { query, itself: None })
        });
        asked.collect()
    }

    async fn sampled<C: ConnectionTrait>(&self, db: &C) -> Result<Vec<Sampled>, DbErr> {
        let embedding = E::embedding_column().into_expr();
        let itself = self.plan.metric.between(embedding.clone(), embedding.clone());
        let has_direction = (self.plan.metric == Metric::Cosine).then(|| itself.clone().ne(f64::NAN));
        let sample = Query::select()
            .expr_as(embedding.clone().cast_as("vector"), "embedding")
            .expr_as(itself, "itself")
            .from(E::default().table_ref())
            .and_where(embedding.is_not_null())
            .and_where_option(has_direction)
            .order_by_expr(self.shuffled(), Order::Asc)
            .limit(up_to(self.sample))
            .take();
        let rows = db.query_all(&sample).await?;
        rows.iter()
            .map(|row| {
                let vector: PgVector = row.try_get("", "embedding")?;
                Ok(Sampled {
                    query: VectorExpr::Vector(vector.to_vec()).into(),
                    itself: Some(row.try_get("", "itself")?),
                })
            })
            .collect()
    }

    /// The order of the rows that are sampled: any, or what the seed makes of their keys.
    fn shuffled(&self) -> Expr {
        let Some(seed) = self.seed else {
            return Func::random().into();
        };
        let columns = E::key_columns().into_iter().chain(E::chunk_seq_column());
        let words = columns.map(|column| column.into_expr().cast_as("text"));
        let words = [Expr::val("/"), Expr::val(seed.to_string())].into_iter().chain(words);
        Func::md5(Func::cust("concat_ws").args(words)).into()
    }

    async fn distances<C: ConnectionTrait>(
        &self,
        plan: &Plan,
        sampled: &Sampled,
        attempt: Attempt,
        db: &C,
    ) -> Result<(Vec<f64>, Duration), DbErr> {
        let statement = plan.statement::<E, Distances>(&sampled.query, attempt);
        let start = Instant::now();
        let rows = statement.query_all(db).await?;
        let took = start.elapsed();
        let mut distances: Vec<f64> = rows.iter().map(distance).collect::<Result<_, _>>()?;
        distances.retain(|distance| !distance.is_nan());
        // leaves out the vector itself, or another one at its distance
        let is_itself = |distance: &f64| sampled.itself.is_some_and(|itself| distance.total_cmp(&itself).is_eq());
        if let Some(place) = distances.iter().position(is_itself) {
            distances.remove(place);
        }
        distances.truncate(usize::try_from(self.k).unwrap_or(usize::MAX));
        Ok((distances, took))
    }
}

/// A vector that is searched for. A stored one has a distance to itself: 0, or by the inner product its negated squared
/// length.
struct Sampled {
    query: Expr,
    itself: Option<f64>,
}

/// The first attempt of a search.
fn first(plan: &Plan) -> Attempt {
    plan.attempts().first().copied().unwrap_or(Attempt::Exact)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "numbers of rows of a page and of a sample")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

impl fmt::Display for RecallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { k, sample, exact, .. } = self;
        match &self.index {
            Some(index) => writeln!(f, "recall@{k} of {index}, over {sample} vectors")?,
            None => writeln!(f, "no index serves these searches: over {sample} vectors")?,
        }
        let milliseconds = |time: &Duration| time.as_secs_f64() * 1e3;
        writeln!(f, "{:<16} {:>7} {:>10}", "", "recall", "median")?;
        writeln!(f, "{:<16} {:>7.4} {:>7.2} ms", "exact", 1.0, milliseconds(exact))?;
        for RecallAt {
            setting,
            recall,
            median,
        } in std::iter::once(&self.default).chain(&self.at)
        {
            let name = match setting {
                Some((setting, value)) => format!("{setting} = {value}"),
                None => "default".to_owned(),
            };
            writeln!(f, "{name:<16} {recall:>7.4} {:>7.2} ms", milliseconds(median))?;
        }
        Ok(())
    }
}
