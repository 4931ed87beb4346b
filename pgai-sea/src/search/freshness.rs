//! Whether the row of a hit waits to be embedded anew: the queue is read by the statement of the search.

use sea_orm::sea_query::{Expr, ExprTrait, IntoTableRef, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};

use super::builder::Search;
use super::error::SearchError;
use super::projection::Projection;
use super::refusal::Searching as _;
use crate::entity::EmbeddingTrait;
use crate::vectorizer::VectorizerRef;

/// The column that says so.
pub(super) const WAITING: &str = "waiting";
/// The queue, under a name that a filter does not have.
const QUEUE: &str = "pgai_sea_queue";

/// Where it is to be seen whether a row waits.
#[derive(Clone, Debug)]
pub(super) enum Queue {
    /// It is looked up when the search runs.
    Asked,
    Table(String, String),
    /// The role may not read it.
    Closed,
}

impl<E: EmbeddingTrait, F: Projection<E>> Search<'_, E, F> {
    /// Each hit says whether its row waits to be embedded anew: [`Hit::waiting`](super::Hit::waiting). What was found
    /// is then of an earlier text.
    ///
    /// The search's own statement looks into the queue. Two small statements before it find out which table that is.
    /// The role needs `select` on `ai.vectorizer` and on the queue: [`grant_search`](crate::catalog::grant_search). A
    /// role without is told `None`.
    pub fn with_freshness(mut self) -> Self {
        self.plan.queue = Some(Queue::Asked);
        self
    }
}

/// Whether the role may read `ai.vectorizer`. Asking for more would be an error, and end a transaction.
const READABLE: &str = "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'ai' AND c.relname = 'vectorizer'";

impl Queue {
    /// The queue of the entity's vectorizer.
    pub(super) async fn of<E: EmbeddingTrait, C: ConnectionTrait>(db: &C) -> Result<Self, SearchError> {
        if db.is_mock_connection() {
            return Ok(Self::Closed); // the mocked hits say it
        }
        let statement =
            |sql: String, values: Vec<Value>| Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        let readable = db.query_one_raw(statement(READABLE.to_owned(), Vec::new())).await;
        let readable = readable.and_then(|row| row.map_or(Ok(false), |row| row.try_get_by_index(0)));
        if !readable.searching::<E>()? {
            return Ok(Self::Closed);
        }
        let mut values = Vec::new();
        let condition = VectorizerRef::from(E::default()).condition("v", |value: Value| {
            values.push(value);
            format!("${}", values.len())
        });
        let sql = format!(
            "SELECT v.queue_schema, v.queue_table FROM ai.vectorizer v
             JOIN pg_catalog.pg_namespace n ON n.nspname = v.queue_schema
             JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = v.queue_table
             WHERE {condition} AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
        );
        let row = db.query_one_raw(statement(sql, values)).await.searching::<E>()?;
        let Some(row) = row else { return Ok(Self::Closed) };
        let name = |name| row.try_get::<String>("", name).searching::<E>();
        Ok(Self::Table(name("queue_schema")?, name("queue_table")?))
    }

    /// Adds whether the row waits.
    pub(super) fn select<E: EmbeddingTrait>(&self, hits: &mut SelectStatement) {
        let Self::Table(schema, table) = self else { return };
        let mut waiting = Query::select();
        waiting
            .expr(Expr::cust("1"))
            .from((schema.clone(), table.clone()).into_table_ref().alias(QUEUE));
        for key in E::key_columns() {
            waiting.and_where(Expr::col((QUEUE, key)).eq(key.into_expr()));
        }
        hits.expr_as(Expr::exists(waiting), WAITING);
    }

    pub(super) fn read(row: &QueryResult) -> Result<Option<bool>, DbErr> {
        row.try_get::<Option<bool>>("", WAITING)
    }
}
