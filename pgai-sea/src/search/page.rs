//! Reads the page of a search. If the index leaves it short, the search runs again without.

use std::cmp::Ordering;

use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult};
use serde_json::Value;

use super::asking::query_one;
use super::counting::{ALL, COUNTED, PASSING, PROBE};
use super::error::{SearchError, table_of};
use super::explain::named;
use super::hit::DISTANCE;
use super::plan::{Attempt, Plan};
use super::projection::Projection;
use super::refusal::{Searching as _, is_checked, is_of_bad_value};
use super::scan::SCANNED;
use super::telemetry;
use crate::entity::EmbeddingTrait;
use crate::pgvector::Metric;

/// One row of an HNSW index that a scan looks at takes as long as so many that are compared one by one: some three were
/// measured, among a million of 384 numbers. It is more here, because of those that are compared none is missed.
const LOOKED_AT: f64 = 5.0;

/// The rows of the page, nearest first, and the number of rows that belong there and were not found.
pub(super) async fn nearest<E: EmbeddingTrait, F: Projection<E>, C: ConnectionTrait>(
    plan: &Plan,
    query: &Expr,
    db: &C,
) -> Result<(Vec<QueryResult>, u64), SearchError> {
    let mut page = Page::default();
    let mut is_exhausted = false;
    for attempt in plan.attempts() {
        if is_exhausted && attempt != Attempt::Exact {
            continue;
        }
        telemetry::asks::<E>(attempt);
        let rows = plan.statement::<E, F>(query, attempt).query_all(db).await;
        page = rows.and_then(Page::read).comparing::<E>(query).map_err(|error| {
            // what stands in it is not of the key's type
            if plan.is_continued() && is_of_bad_value(&error) {
                let (table, reason) = (
                    table_of::<E>(),
                    "the cursor is of another table: begin at the first page",
                );
                return SearchError::Cursor { table, reason };
            }
            error
        })?;
        // a mocked page is whole
        if page.rows.len() as u64 >= plan.limit || page.has_null || db.is_mock_connection() {
            break;
        }
        if let Attempt::Look { window } = attempt {
            is_exhausted = are_few::<E, F, _>(plan, window, page.rows.len() as u64, db).await?;
            continue;
        }
        if let Attempt::Scan { insists: false, .. } = attempt
            && plan.is_counted_fast()
            && !(plan.may_lack_index() && page.rows.is_empty())
        {
            // a small table, or its last page, has no more rows
            let reach = plan.reach();
            let found = plan.before().saturating_add(page.rows.len() as u64);
            let matching = matching::<E, F, _>(plan, query, Some(reach), db).await?;
            // none beside rows that were found: another generation answers by now
            if matching <= found && (matching > 0 || page.rows.is_empty()) {
                break;
            }
        }
        is_exhausted = page.scanned.is_some_and(|scanned| plan.is_exhausted(attempt, scanned));
    }
    if page.rows.is_empty() {
        comparable::<E, F, _>(plan, query, db).await?;
    }
    let rows = page.within(plan);
    let found = plan.before().saturating_add(rows.len() as u64);
    let missing = missing::<E, F, _>(plan, query, found, db).await?;
    Ok((rows, missing))
}

/// The rows of a statement that have a distance. A vector of zeros has none by the cosine. If the query is a column, it
/// may be NULL in some rows.
#[derive(Default)]
struct Page {
    rows: Vec<(f64, QueryResult)>,
    has_null: bool,
    /// How many rows the scan returned, if the statement says so.
    scanned: Option<u64>,
}

impl Page {
    fn read(found: Vec<QueryResult>) -> Result<Self, DbErr> {
        let mut page = Self::default();
        if let Some(row) = found.first() {
            // only a scan for the best chunk of each source says so
            page.scanned = row.try_get::<i64>("", SCANNED).ok().map(i64::unsigned_abs);
        }
        for row in found {
            match row.try_get("", DISTANCE)? {
                None => page.has_null = true,
                Some(distance) if f64::is_nan(distance) => {}
                Some(distance) => page.rows.push((distance, row)),
            }
        }
        Ok(page)
    }

    /// The rows that are near enough, ordered by their distance: an index may compute distances with less precision, or
    /// return rows in relaxed order. Rows at the same distance keep the order of the database.
    fn within(mut self, plan: &Plan) -> Vec<QueryResult> {
        self.rows.retain(|(distance, _)| plan.keeps(*distance));
        self.rows
            .sort_by(|(a, _), (b, _)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        self.rows.into_iter().map(|(_, row)| row).collect()
    }
}

/// How many rows up to the end of the page were not found, if `found` were. It is 0 unless the scan was bounded.
pub(super) async fn missing<E: EmbeddingTrait, F: Projection<E>, C: ConnectionTrait>(
    plan: &Plan,
    query: &Expr,
    found: u64,
    db: &C,
) -> Result<u64, SearchError> {
    if plan.exact || !plan.scan.is_bounded() || found >= plan.reach() {
        return Ok(0);
    }
    let matching = matching::<E, F, _>(plan, query, Some(plan.reach()), db).await?;
    Ok(matching.saturating_sub(found))
}

/// How many rows can be hits, up to `limit`.
pub(super) async fn matching<E: EmbeddingTrait, F: Projection<E>, C: ConnectionTrait>(
    plan: &Plan,
    query: &Expr,
    limit: Option<u64>,
    db: &C,
) -> Result<u64, SearchError> {
    let row = query_one(db, &plan.count::<E, F>(query, limit)).await;
    let matching: Result<i64, _> = row
        .and_then(|row| row.ok_or_else(|| DbErr::RecordNotFound("the count returned no row".to_owned())))
        .and_then(|row| row.try_get("", COUNTED));
    Ok(matching.comparing::<E>(query)?.unsigned_abs())
}

/// Whether comparing all rows that pass the filter is sooner done than a scan that returns `window` of them, as far as
/// PostgreSQL knows the share of those that pass. If a look `found` a quarter of the page or more, a scan is short, and
/// what PostgreSQL knows is not asked for: of a condition without statistics, it may be far off.
pub(super) async fn are_few<E: EmbeddingTrait, F: Projection<E>, C: ConnectionTrait>(
    plan: &Plan,
    window: u64,
    found: u64,
    db: &C,
) -> Result<bool, SearchError> {
    if found.saturating_mul(4) >= plan.limit {
        return Ok(false);
    }
    let mut statement = DbBackend::Postgres.build(&plan.shares::<E, F>());
    statement.sql = format!("EXPLAIN (FORMAT JSON) {}", statement.sql);
    let row = match db.query_one_raw(statement).await {
        // a connection with access control runs no text
        Err(DbErr::RbacError(_)) => return Ok(false),
        row => row.searching::<E>()?,
    };
    let tree: Option<Value> = row.map(|row| row.try_get_by_index(0)).transpose().searching::<E>()?;
    let expected = |name| named(tree.as_ref()?, name)?.get("Plan Rows")?.as_f64();
    let Some((passing, all)) = expected(PASSING).zip(expected(ALL)) else {
        return Ok(false);
    };
    #[allow(clippy::cast_precision_loss, reason = "a page's number of rows")]
    let looked_at = window as f64 * all / passing.max(1.0);
    Ok(passing <= looked_at * LOOKED_AT)
}

/// Fails if nothing can be compared with the query: an expression that the database evaluated to NULL or to zeros.
pub(super) async fn comparable<E: EmbeddingTrait, F: Projection<E>, C: ConnectionTrait>(
    plan: &Plan,
    query: &Expr,
    db: &C,
) -> Result<(), SearchError> {
    if is_checked(query) {
        return Ok(()); // checked before the search
    }
    let row = query_one(db, &plan.probe::<E, F>(query)).await.searching::<E>()?;
    let Some(row) = row else { return Ok(()) };
    let [rows, present, comparable] = PROBE.map(|name| row.try_get::<bool>("", name).searching::<E>());
    match (rows?, present?, comparable?) {
        (true, false, _) => Err(SearchError::NullQuery),
        (true, true, false) if plan.metric == Metric::Cosine => Err(SearchError::ZeroVector),
        _ => Ok(()),
    }
}
