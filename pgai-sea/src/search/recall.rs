//! How good an index is: what it finds, compared with what is there.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use sea_orm::prelude::PgVector;
use sea_orm::sea_query::{Expr, ExprTrait, Func, Order, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr};

use super::error::SearchError;
use super::explain::{Index, explain};
use super::found::{Distances, SearchableTrait};
use super::hit::distance;
use super::plan::{Attempt, Plan};
use super::quantized::Quantized;
use super::statement::up_to;
use crate::pgvector::{Metric, VectorExpr};

/// Values of `hnsw.ef_search` and of `ivfflat.probes` that are tried where nobody names others.
const EF_SEARCH: [u32; 5] = [20, 40, 80, 160, 320];
const PROBES: [u32; 5] = [1, 2, 4, 8, 16];

/// A setting of pgvector's, and its value.
type Setting = (&'static str, u32);

/// Measures an index against exact searches. See [`SearchTrait::recall`](super::SearchTrait::recall).
#[derive(Clone, Debug)]
#[must_use = "nothing is measured until `run`"]
pub struct Recall<E> {
    k: u64,
    sample: u64,
    plan: Plan,
    settings: Option<Vec<u32>>,
    entity: PhantomData<E>,
}

/// What an index finds of the nearest rows, and how fast. Displayed it is a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecallReport {
    /// The rows of each search.
    pub k: u64,
    /// How many stored vectors were searched for.
    pub sample: u64,
    /// The index. `None`: PostgreSQL uses none, and all searches were exact.
    pub index: Option<String>,
    /// The median time of an exact search, with its round trip.
    pub exact: Duration,
    /// With the connection's own settings.
    pub default: RecallAt,
    /// With others: of `hnsw.ef_search`, or `ivfflat.probes`.
    pub at: Vec<RecallAt>,
}

/// What an index finds with one setting.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecallAt {
    /// The setting and its value. `None`: the connection's own.
    pub setting: Option<(&'static str, u32)>,
    /// The share of the `k` nearest that were found, 0 to 1. A row as far away as the farthest of them counts as one of them; the vector
    /// that was searched for, which any index finds, does not count.
    pub recall: f64,
    /// The median time of a search, with its round trip.
    pub median: Duration,
}

impl<E: SearchableTrait> Recall<E> {
    pub(super) fn new(k: u64, sample: u64) -> Self {
        // the vector that is searched for as well
        let plan = Plan {
            limit: k.saturating_add(1),
            ..Plan::default()
        };
        Self {
            k,
            sample,
            plan,
            settings: None,
            entity: PhantomData,
        }
    }

    /// The distance that is measured; by default cosine.
    pub fn metric(mut self, metric: Metric) -> Self {
        self.plan.metric = metric;
        self
    }

    /// Through an index on smaller vectors.
    pub fn quantized(mut self, quantized: Quantized) -> Self {
        self.plan.quantized = Some(quantized);
        self
    }

    /// The values of `ef_search`, or for an IVFFlat index of `probes`, that are tried.
    pub fn settings(mut self, settings: impl IntoIterator<Item = u32>) -> Self {
        self.settings = Some(settings.into_iter().collect());
        self
    }

    /// Measures. Each stored vector of the sample is searched exactly, which reads the whole table, and once with each setting. Vectors
    /// of zeros are not sampled where the cosine is measured: they are at no distance from anything.
    ///
    /// # Errors
    ///
    /// A setting that pgvector would refuse, before anything is measured; a connection that takes no raw statements, such as SeaORM's
    /// `RestrictedConnection`: `EXPLAIN` is one.
    pub async fn run<C: ConnectionTrait>(self, db: &C) -> Result<RecallReport, SearchError> {
        self.plan.check()?;
        // any vector is found in the same way
        let any = VectorExpr::Vector(vec![1.0; E::DIMENSIONS]).into();
        let statement = self.plan.statement::<E, Distances>(&any, first(&self.plan)).build();
        let index = explain(db, statement, self.plan.is_quantized()).await?.into_index();
        let setting = match &index {
            Some(index) => access_method(index, db).await?,
            None => None,
        };
        let tried = self.tried(setting)?;

        let sample = self.sampled(db).await?;
        let mut exact = Vec::new();
        let mut exact_times = Vec::new();
        for sampled in &sample {
            let (distances, took) = self.distances(&self.plan, sampled, Attempt::Exact, db).await?;
            // of the rows that are there at all
            exact.push((distances.len(), distances.last().copied().unwrap_or(f64::NEG_INFINITY)));
            exact_times.push(took);
        }
        let mut measured = Vec::new();
        for (setting, plan) in &tried {
            let mut shares = Vec::new();
            let mut times = Vec::new();
            for (sampled, (all, farthest)) in sample.iter().zip(&exact) {
                let (distances, took) = self.distances(plan, sampled, first(plan), db).await?;
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
            index: index.map(|index| index.name),
            exact: median(exact_times),
            default: measured.remove(0),
            at: measured,
        })
    }

    /// What is measured: the connection's own settings first, then the values of `setting`. Refuses what pgvector would.
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
                plan.check()?;
                Ok((setting, plan))
            })
            .collect()
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
            .order_by_expr(Func::random().into(), Order::Asc)
            .limit(up_to(self.sample))
            .take();
        let rows = db.query_all(&sample).await?;
        rows.iter()
            .map(|row| {
                let vector: PgVector = row.try_get("", "embedding")?;
                Ok(Sampled {
                    query: VectorExpr::Vector(vector.to_vec()).into(),
                    itself: row.try_get("", "itself")?,
                })
            })
            .collect()
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
        // one of those at its distance, if there are several: which of them is all the same
        if let Some(place) = distances
            .iter()
            .position(|distance| distance.total_cmp(&sampled.itself).is_eq())
        {
            distances.remove(place);
        }
        distances.truncate(usize::try_from(self.k).unwrap_or(usize::MAX));
        Ok((distances, took))
    }
}

/// A stored vector, and how far it is from itself: nothing, or by the inner product its own length squared.
struct Sampled {
    query: Expr,
    itself: f64,
}

/// What the search would try first.
fn first(plan: &Plan) -> Attempt {
    plan.attempts().first().copied().unwrap_or(Attempt::Exact)
}

/// Which setting an index of its kind listens to.
async fn access_method<C: ConnectionTrait>(index: &Index, db: &C) -> Result<Option<&'static str>, DbErr> {
    let query = Query::select()
        .expr_as(Expr::col(("pg_am", "amname")).cast_as("text"), "method")
        .from(("pg_catalog", "pg_class"))
        .inner_join(
            ("pg_catalog", "pg_am"),
            Expr::col(("pg_class", "relam")).equals(("pg_am", "oid")),
        )
        .inner_join(
            ("pg_catalog", "pg_namespace"),
            Expr::col(("pg_class", "relnamespace")).equals(("pg_namespace", "oid")),
        )
        .and_where(Expr::col(("pg_class", "relname")).eq(index.name.as_str()))
        .and_where(Expr::col(("pg_namespace", "nspname")).eq(index.schema.as_str()))
        .take();
    let method: Option<String> = match db.query_one(&query).await? {
        Some(row) => row.try_get("", "method")?,
        None => None,
    };
    Ok(method.and_then(|method| match method.as_str() {
        "hnsw" => Some("ef_search"),
        "ivfflat" => Some("probes"),
        _ => None,
    }))
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
            Some(index) => writeln!(f, "recall@{k} of {index}, over {sample} stored vectors")?,
            None => writeln!(f, "no index serves these searches: over {sample} stored vectors")?,
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
