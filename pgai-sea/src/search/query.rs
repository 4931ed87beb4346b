//! The query of a search: a vector, an expression, a text or a row.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::prelude::PgVector;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, IntoValueTuple, Query, SelectStatement, Value};
use sea_orm::{ColumnTrait, ConnectionTrait};

use super::asking::query_one;
use super::error::{SearchError, table_of};
use super::plan::{Operand, Plan};
use super::refusal::Searching as _;
use crate::embedder::{Answering, Embedder, Embedders};
use crate::entity::EmbeddingTrait;
use crate::pgvector::{Metric, VectorExpr, VectorFault, VectorType, check_vector};
use crate::sql::quote_identifier;

#[derive(Clone)]
pub(super) enum SearchQuery<'a> {
    Vector(Vec<f32>),
    Expr(Expr),
    /// A call that the database evaluates before the search.
    Call(Expr),
    Text(Text<'a>),
    /// The row with this key, which other rows should be like.
    Like(Vec<Value>),
}

impl fmt::Debug for SearchQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vector(vector) => write!(f, "Vector({} dimensions)", vector.len()),
            Self::Expr(expr) => f.debug_tuple("Expr").field(expr).finish(),
            Self::Call(call) => f.debug_tuple("Call").field(call).finish(),
            Self::Text(text) => f.debug_tuple("Text").field(&text.text).finish(),
            Self::Like(key) => f.debug_tuple("Like").field(key).finish(),
        }
    }
}

impl From<VectorExpr> for SearchQuery<'_> {
    fn from(query: VectorExpr) -> Self {
        match query {
            VectorExpr::Vector(vector) => Self::Vector(vector),
            VectorExpr::Expr(Expr::Value(Value::Vector(Some(vector)))) => Self::Vector(vector.to_vec()),
            VectorExpr::Expr(expr) => Self::Expr(expr),
            VectorExpr::Call(call) => Self::Call(call),
        }
    }
}

impl SearchQuery<'_> {
    pub(super) fn like(key: impl IntoValueTuple) -> Self {
        Self::Like(key_values(key))
    }

    /// The kind of query that the stored vectors are compared with.
    pub(super) fn operand_kind(&self) -> Operand {
        match self {
            Self::Expr(expr) if !matches!(expr, Expr::Value(_)) => Operand::Expression,
            _ => Operand::Numbers,
        }
    }

    /// Refuses a vector that nothing can be compared with.
    pub(super) fn check<E: EmbeddingTrait>(&self, metric: Metric) -> Result<(), SearchError> {
        match self {
            Self::Vector(vector) => checked::<E>(vector.clone(), metric).map(drop),
            Self::Expr(_) | Self::Call(_) | Self::Text(_) | Self::Like(_) => Ok(()),
        }
    }

    /// The operand of the distance, if it is known before the search runs.
    pub(super) fn operand<E: EmbeddingTrait>(&self, metric: Metric) -> Result<Expr, SearchError> {
        match self {
            Self::Vector(vector) => checked::<E>(vector.clone(), metric),
            Self::Expr(expr) => Ok(once(expr.clone())),
            Self::Call(_) | Self::Text(_) | Self::Like(_) => Err(SearchError::NoVectorYet),
        }
    }

    /// The operand of the distance. Embeds the text, evaluates the call, or reads the row's vector, with which only
    /// vectors of the same generation are compared.
    pub(super) async fn resolve<E: EmbeddingTrait, C: ConnectionTrait>(
        &self,
        plan: &mut Plan,
        db: &C,
    ) -> Result<Expr, SearchError> {
        let metric = plan.metric;
        match self {
            Self::Text(text) => {
                let vector = text.embed(plan.asked.answering.as_ref()).await?;
                checked_of::<E>(vector, plan.asked.dimensions.unwrap_or(E::DIMENSIONS), metric)
            }
            Self::Call(call) => {
                let query = Query::select().expr_as(call.clone().cast_as("vector"), "query").take();
                let query = one_vector::<E, _>(&query, "query", db).await?;
                checked::<E>(query.ok_or(SearchError::NullQuery)?, metric)
            }
            Self::Like(key) => {
                let OfRow { mean, origin, guard } = of_row::<E, _>(plan, key, db).await?;
                plan.asked.dimensions = Some(mean.len());
                plan.asked.origin = Some(origin);
                plan.asked.guard = Some(match plan.asked.guard.take() {
                    Some(other) => other.and(guard),
                    None => guard,
                });
                checked_of::<E>(mean.clone(), mean.len(), metric)
            }
            Self::Vector(_) | Self::Expr(_) => self.operand::<E>(metric),
        }
    }

    /// Whether its vector is made by the program, or as the program says.
    pub(super) fn brings_vector(&self) -> bool {
        match self {
            Self::Vector(_) | Self::Call(_) => true,
            Self::Text(_) => self.embedders().is_none(),
            Self::Expr(_) | Self::Like(_) => false,
        }
    }

    /// What embeds the text, if that is the catalog's to say.
    pub(super) fn embedders(&self) -> Option<&Embedders> {
        match self {
            Self::Text(text) => match text.embedder.0 {
                Choice::Catalog(embedders) => Some(embedders),
                Choice::Own(_) => None,
            },
            _ => None,
        }
    }

    /// Whether it is a text that is embedded when the search runs.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Leaves out the row that others are compared with.
    pub(super) fn except<E: EmbeddingTrait>(&self) -> Option<Expr> {
        match self {
            Self::Like(key) => Some(is_of::<E>(key).not()),
            _ => None,
        }
    }
}

/// What embeds the text of a search: an [`Embedder`] of one's own, or the catalog's model through [`Embedders`].
#[derive(Clone, Copy, Debug)]
pub struct QueryEmbedder<'a>(Choice<'a>);

#[derive(Clone, Copy, Debug)]
enum Choice<'a> {
    Own(&'a dyn Embedder),
    Catalog(&'a Embedders),
}

impl QueryEmbedder<'_> {
    fn is(self, other: QueryEmbedder<'_>) -> bool {
        match (self.0, other.0) {
            (Choice::Own(one), Choice::Own(other)) => std::ptr::addr_eq(one, other),
            (Choice::Catalog(one), Choice::Catalog(other)) => std::ptr::eq(one, other),
            _ => false,
        }
    }
}

impl<'a> From<&'a Embedders> for QueryEmbedder<'a> {
    fn from(embedders: &'a Embedders) -> Self {
        Self(Choice::Catalog(embedders))
    }
}

impl<'a> From<&'a dyn Embedder> for QueryEmbedder<'a> {
    fn from(embedder: &'a dyn Embedder) -> Self {
        Self(Choice::Own(embedder))
    }
}

impl<'a, E: Embedder> From<&'a E> for QueryEmbedder<'a> {
    fn from(embedder: &'a E) -> Self {
        Self(Choice::Own(embedder))
    }
}

/// A query text. All clones of a search share its vectors, so that it is embedded once for each model.
#[derive(Clone)]
pub(super) struct Text<'a> {
    embedder: QueryEmbedder<'a>,
    text: String,
    /// By the model's configuration.
    vectors: Arc<Mutex<HashMap<String, Vector>>>,
}

/// A vector, once it is made. Who wants it meanwhile waits.
type Vector = Arc<futures::lock::Mutex<Option<Vec<f32>>>>;

impl<'a> Text<'a> {
    pub(super) fn new(embedder: QueryEmbedder<'a>, text: String) -> Self {
        Self {
            embedder,
            text,
            vectors: Arc::default(),
        }
    }

    /// `answering` is the generation that is asked, for a text that the catalog's model embeds.
    async fn embed(&self, answering: Option<&Answering>) -> Result<Vec<f32>, SearchError> {
        let made;
        let (model, embedder) = match (self.embedder.0, answering) {
            (Choice::Own(embedder), _) => (String::new(), embedder),
            (Choice::Catalog(embedders), Some(answering)) => {
                made = embedders.of_config(&answering.embedding)?;
                (answering.embedding.to_sql(), &*made)
            }
            (Choice::Catalog(_), None) => return Err(SearchError::NoVectorYet),
        };
        let vector = {
            let mut vectors = self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(vectors.entry(model.clone()).or_default())
        };
        let mut vector = vector.lock().await;
        if let Some(vector) = &*vector {
            return Ok(vector.clone());
        }
        let embedded = match self.embedder.0 {
            Choice::Own(_) => embedder.embed_query(&self.text).await?,
            Choice::Catalog(embedders) => embedders.embed_query(&model, embedder, &self.text).await?,
        };
        Ok(vector.insert(embedded).clone())
    }

    /// Takes the vectors of `other` for its own, if that is the same text for the same embedder.
    pub(super) fn share(&mut self, other: &Self) -> bool {
        let is_same = self.text == other.text && self.embedder.is(other.embedder);
        if is_same {
            self.vectors = Arc::clone(&other.vectors);
        }
        is_same
    }
}

/// The vector of a row, and which generation it is of.
struct OfRow {
    /// The mean of the vectors of its chunks.
    mean: Vec<f32>,
    origin: i64,
    /// Holds while the name of the table or column means the same one.
    guard: Expr,
}

async fn of_row<E: EmbeddingTrait, C: ConnectionTrait>(
    plan: &Plan,
    key: &[Value],
    db: &C,
) -> Result<OfRow, SearchError> {
    let table = E::default().table_name();
    let store = || plan.store::<E>().alias(table);
    // PostgreSQL looks a name up for each statement: the search has to read what the mean was read from
    let origin = if E::source_relation().is_some() {
        Query::select()
            .expr(Expr::col((Alias::new(table), Alias::new("tableoid"))).cast_as("int8"))
            .from(store())
            .and_where(is_of::<E>(key))
            .limit(1)
            .take()
    } else {
        Query::select()
            .expr(Expr::col(("a", "attnum")).cast_as("int8"))
            .from_as(("pg_catalog", "pg_attribute"), "a")
            .and_where(Expr::col(("a", "attrelid")).eq(Expr::cust_with_values(
                "CAST(pg_catalog.to_regclass($1) AS pg_catalog.oid)",
                [named::<E>()],
            )))
            .and_where(Expr::col(("a", "attname")).eq(plan.embedding_name::<E>()))
            .take()
    };
    let mean = Query::select()
        .expr_as(Expr::from(Func::avg(plan.embedding::<E>())).cast_as("vector"), "mean")
        .expr_as(Expr::from(origin.clone()), "origin")
        .from(store())
        .and_where(is_of::<E>(key))
        .take();
    let row = query_one(db, &mean).await.searching::<E>()?;
    let missing = || SearchError::RowWithoutVectors {
        table: table_of::<E>(),
        key: key.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let row = row.ok_or_else(missing)?;
    let mean: Option<PgVector> = row.try_get("", "mean").searching::<E>()?;
    let origin_now: Option<i64> = row.try_get("", "origin").searching::<E>()?;
    let (mean, origin_now) = mean.zip(origin_now).ok_or_else(missing)?;
    Ok(OfRow {
        mean: mean.to_vec(),
        origin: origin_now,
        guard: Expr::from(origin).eq(origin_now),
    })
}

/// The table of an entity, quoted.
fn named<E: EmbeddingTrait>() -> String {
    let entity = E::default();
    let table = quote_identifier(entity.table_name());
    match entity.schema_name() {
        Some(schema) => format!("{}.{table}", quote_identifier(schema)),
        None => table,
    }
}

/// The vector that `select` returns as `name`. `None`: it is NULL, or there is no row.
async fn one_vector<E: EmbeddingTrait, C: ConnectionTrait>(
    select: &SelectStatement,
    name: &str,
    db: &C,
) -> Result<Option<Vec<f32>>, SearchError> {
    let row = query_one(db, select).await.searching::<E>()?;
    let vector = row.map(|row| row.try_get::<Option<PgVector>>("", name)).transpose();
    Ok(vector.searching::<E>()?.flatten().map(|vector| vector.to_vec()))
}

/// The values of a key's columns.
pub(super) fn key_values(key: impl IntoValueTuple) -> Vec<Value> {
    key.into_value_tuple().into_iter().collect()
}

/// A condition that holds for the row with this key, and for its chunks.
pub(super) fn is_of<E: EmbeddingTrait>(key: &[Value]) -> Expr {
    let columns = E::key_columns().into_iter().zip(key);
    columns
        .map(|(column, value)| column.eq(value.clone()))
        .reduce(ExprTrait::and)
        .unwrap_or_else(|| Expr::val(false))
}

/// Makes a call a subquery. PostgreSQL evaluates a call for each row unless it is immutable, but a subquery that needs
/// no row once for each place where it stands.
fn once(expr: Expr) -> Expr {
    match expr {
        Expr::Column(_) | Expr::Value(_) | Expr::SubQuery(..) => expr,
        expr => Query::select().expr(expr).take().into(),
    }
}

pub(super) fn checked<E: EmbeddingTrait>(vector: Vec<f32>, metric: Metric) -> Result<Expr, SearchError> {
    checked_of::<E>(vector, E::DIMENSIONS, metric)
}

fn checked_of<E: EmbeddingTrait>(vector: Vec<f32>, dimensions: usize, metric: Metric) -> Result<Expr, SearchError> {
    check_vector(&vector, dimensions).map_err(|fault| match fault {
        VectorFault::Length { expected, actual } => SearchError::Dimensions {
            table: table_of::<E>(),
            expected,
            actual,
        },
        VectorFault::NotFinite { position, value } => SearchError::NotFinite { position, value },
    })?;
    let vector = if metric == Metric::Cosine {
        let is_halved = VectorType::is_halfvec(E::embedding_column().def().get_column_type());
        directed(vector, is_halved)?
    } else {
        measurable(vector, metric)?
    };
    Ok(VectorExpr::Vector(vector).into())
}

/// Refuses a vector whose distances overflow: pgvector adds up in single precision.
fn measurable(vector: Vec<f32>, metric: Metric) -> Result<Vec<f32>, SearchError> {
    let sum: f32 = match metric {
        Metric::L1 => vector.iter().map(|x| x.abs()).sum(),
        _ => vector.iter().map(|x| x * x).sum(),
    };
    if sum.is_finite() {
        Ok(vector)
    } else {
        Err(SearchError::TooLong { metric })
    }
}

/// A vector of the same direction whose length pgvector can compute. It adds up squares in single precision, where huge
/// numbers become infinite and tiny ones zero. Beside a `halfvec` the vector becomes one itself, of numbers up to
/// 65,504 and from 6e-8.
fn directed(mut vector: Vec<f32>, is_halved: bool) -> Result<Vec<f32>, SearchError> {
    let squares: f32 = vector.iter().map(|x| x * x).sum();
    let sound = if is_halved { 1e-4..1e9 } else { 1e-30..1e30 };
    if !sound.contains(&squares) {
        let largest = vector.iter().fold(0_f32, |largest, x| largest.max(x.abs()));
        if largest == 0.0 {
            return Err(SearchError::ZeroVector);
        }
        for x in &mut vector {
            *x /= largest;
        }
    }
    Ok(vector)
}
