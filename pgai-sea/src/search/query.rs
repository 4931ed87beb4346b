//! What a search is by.

use std::fmt;

use sea_orm::prelude::PgVector;
use sea_orm::sea_query::{Expr, ExprTrait, Func, IntoValueTuple, Query, Value};
use sea_orm::{ColumnTrait, ConnectionTrait};

use super::error::SearchError;
use super::expr::{Metric, VectorExpr};
use super::found::SearchableTrait;
use super::plan::Operand;
use crate::embedder::Embedder;
use crate::pgvector::{VectorFault, check_vector};

#[derive(Clone)]
pub(super) enum SearchQuery<'a> {
    Vector(Vec<f32>),
    Expr(Expr),
    /// What the database evaluates before it searches.
    Call(Expr),
    Text(&'a dyn Embedder, String),
    /// The row with this key.
    Like(Vec<Value>),
}

impl fmt::Debug for SearchQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vector(vector) => write!(f, "Vector({} dimensions)", vector.len()),
            Self::Expr(expr) => f.debug_tuple("Expr").field(expr).finish(),
            Self::Call(call) => f.debug_tuple("Call").field(call).finish(),
            Self::Text(_, text) => f.debug_tuple("Text").field(text).finish(),
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
        Self::Like(key.into_value_tuple().into_iter().collect())
    }

    /// What a search will compare the stored vectors with.
    pub(super) fn operand_kind(&self) -> Operand {
        match self {
            Self::Expr(expr) if !matches!(expr, Expr::Value(_)) => Operand::Expression,
            _ => Operand::Numbers,
        }
    }

    /// Refuses numbers that nothing can be compared with.
    pub(super) fn check<E: SearchableTrait>(&self, metric: Metric) -> Result<(), SearchError> {
        match self {
            Self::Vector(vector) => checked::<E>(vector.clone(), metric).map(drop),
            Self::Expr(_) | Self::Call(_) | Self::Text(..) | Self::Like(_) => Ok(()),
        }
    }

    /// What can stand beside the distance operator, without asking anyone.
    pub(super) fn operand<E: SearchableTrait>(&self, metric: Metric) -> Result<Expr, SearchError> {
        match self {
            Self::Vector(vector) => checked::<E>(vector.clone(), metric),
            Self::Expr(expr) => Ok(once(expr.clone())),
            Self::Call(_) | Self::Text(..) | Self::Like(_) => Err(SearchError::NoVectorYet),
        }
    }

    /// The same, after the text is embedded, the call evaluated, or the row's vector read.
    pub(super) async fn resolve<E: SearchableTrait, C: ConnectionTrait>(
        &self,
        metric: Metric,
        db: &C,
    ) -> Result<Expr, SearchError> {
        match self {
            Self::Text(embedder, text) => checked::<E>(embedder.embed_query(text).await?, metric),
            Self::Call(call) => {
                let query = Query::select().expr_as(call.clone().cast_as("vector"), "query").take();
                let row = db.query_one(&query).await?;
                let query: Option<PgVector> = row.map(|row| row.try_get("", "query")).transpose()?.flatten();
                checked::<E>(query.ok_or(SearchError::NullQuery)?.to_vec(), metric)
            }
            Self::Like(key) => {
                // a row's chunks together: the mean of their vectors
                let mean = Query::select()
                    .expr_as(
                        Expr::from(Func::avg(E::embedding_column().into_expr())).cast_as("vector"),
                        "mean",
                    )
                    .from(E::default().table_ref())
                    .and_where(is_of::<E>(key))
                    .take();
                let row = db.query_one(&mean).await?;
                let mean: Option<PgVector> = row.map(|row| row.try_get("", "mean")).transpose()?.flatten();
                let mean = mean.ok_or_else(|| SearchError::RowWithoutVectors {
                    table: E::default().table_name().to_owned(),
                    key: key.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                })?;
                checked::<E>(mean.to_vec(), metric)
            }
            Self::Vector(_) | Self::Expr(_) => self.operand::<E>(metric),
        }
    }

    /// The rows that are compared with others and are no hits themselves.
    pub(super) fn except<E: SearchableTrait>(&self) -> Option<Expr> {
        match self {
            Self::Like(key) => Some(is_of::<E>(key).not()),
            _ => None,
        }
    }
}

/// Holds for what belongs to the row with this key.
fn is_of<E: SearchableTrait>(key: &[Value]) -> Expr {
    let columns = E::source_key().into_iter().zip(key);
    columns
        .map(|(column, value)| column.eq(value.clone()))
        .reduce(ExprTrait::and)
        .unwrap_or_else(|| Expr::val(false))
}

/// A call is evaluated for each row that it stands beside unless it is immutable; a subquery that knows nothing of the row is evaluated
/// once for each place where it stands.
fn once(expr: Expr) -> Expr {
    match expr {
        Expr::Column(_) | Expr::Value(_) | Expr::SubQuery(..) => expr,
        expr => Query::select().expr(expr).take().into(),
    }
}

fn checked<E: SearchableTrait>(vector: Vec<f32>, metric: Metric) -> Result<Expr, SearchError> {
    check_vector(&vector, E::DIMENSIONS).map_err(|fault| match fault {
        VectorFault::Length { expected, actual } => SearchError::Dimensions {
            table: E::default().table_name().to_owned(),
            expected,
            actual,
        },
        VectorFault::NotFinite { position, value } => SearchError::NotFinite { position, value },
    })?;
    let vector = if metric == Metric::Cosine {
        directed(vector)?
    } else {
        measurable(vector, metric)?
    };
    Ok(VectorExpr::Vector(vector).into())
}

/// pgvector adds up squares, products or amounts in single precision: beyond its largest number every row is infinitely far away, or
/// at no distance at all.
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

/// A vector of this direction whose length pgvector can tell: it adds up squares in single precision, where the huge are infinite
/// and the tiny are zero.
fn directed(mut vector: Vec<f32>) -> Result<Vec<f32>, SearchError> {
    let squares: f32 = vector.iter().map(|x| x * x).sum();
    if !(1e-30..1e30).contains(&squares) {
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
