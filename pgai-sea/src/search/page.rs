//! Reading the page of a search: again without its index where that leaves it short, and in order.

use std::cmp::Ordering;

use sea_orm::sea_query::{Expr, Value};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::error::SearchError;
use super::found::{Found, SearchableTrait};
use super::hit::DISTANCE;
use super::plan::{Attempt, Plan};
use super::scan::SCANNED;
use super::statement::PROBE;
use crate::pgvector::Metric;

/// The rows of the page, nearest first, and how many belong there but were not found.
pub(super) async fn nearest<E: SearchableTrait, F: Found<E>, C: ConnectionTrait>(
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
        page = Page::read(plan.statement::<E, F>(query, attempt).query_all(db).await?)?;
        if page.rows.len() as u64 >= plan.limit || page.has_null {
            break;
        }
        if let Attempt::Scan { insists: false, .. } = attempt
            && plan.is_counted_fast()
        {
            // there is no more than that in a small table, or after its last page
            let reach = plan.reach();
            let found = plan.offset.saturating_add(page.rows.len() as u64);
            if matching::<E, F, _>(plan, query, Some(reach), db).await? <= found {
                break;
            }
        }
        is_exhausted = page.scanned.is_some_and(|scanned| plan.is_exhausted(attempt, scanned));
    }
    if page.rows.is_empty() {
        comparable::<E, F, _>(plan, query, db).await?;
    }
    let rows = page.within(plan);
    let found = plan.offset.saturating_add(rows.len() as u64);
    let missing = missing::<E, F, _>(plan, query, found, db).await?;
    Ok((rows, missing))
}

/// What a statement found, with the distances that are numbers. A vector of zeros is at no cosine distance from anything; and where
/// the query is itself a column, it may be NULL in some rows.
#[derive(Default)]
struct Page {
    rows: Vec<(f64, QueryResult)>,
    has_null: bool,
    /// How many rows the scan came up with, if that is more than what became of them.
    scanned: Option<u64>,
}

impl Page {
    fn read(found: Vec<QueryResult>) -> Result<Self, DbErr> {
        let mut page = Self::default();
        if let Some(row) = found.first() {
            // only a scan for the best of each source says so
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

    /// Those near enough. An index may compute its distances with less precision, and a connection may have been told that its
    /// order need not be strict: rows that it brought may still have to change places. Equals stay as the database has them.
    fn within(mut self, plan: &Plan) -> Vec<QueryResult> {
        self.rows.retain(|(distance, _)| plan.keeps(*distance));
        self.rows
            .sort_by(|(a, _), (b, _)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        self.rows.into_iter().map(|(_, row)| row).collect()
    }
}

/// How many rows up to the end of the page were not found, of which there were `found`: none unless the scan was bounded.
pub(super) async fn missing<E: SearchableTrait, F: Found<E>, C: ConnectionTrait>(
    plan: &Plan,
    query: &Expr,
    found: u64,
    db: &C,
) -> Result<u64, DbErr> {
    if plan.exact || !plan.scan.is_bounded() || found >= plan.reach() {
        return Ok(0);
    }
    let matching = matching::<E, F, _>(plan, query, Some(plan.reach()), db).await?;
    Ok(matching.saturating_sub(found))
}

pub(super) async fn matching<E: SearchableTrait, F: Found<E>, C: ConnectionTrait>(
    plan: &Plan,
    query: &Expr,
    limit: Option<u64>,
    db: &C,
) -> Result<u64, DbErr> {
    let row = db.query_one(&plan.count::<E, F>(query, limit)).await?;
    let matching: Option<i64> = row.map(|row| row.try_get("", "matching")).transpose()?;
    let matching = matching.ok_or_else(|| DbErr::RecordNotFound("a count has no row".to_owned()))?;
    Ok(matching.unsigned_abs())
}

/// Tells a search that finds nothing from one that cannot find anything, because what only the database could evaluate is no vector
/// to compare with.
pub(super) async fn comparable<E: SearchableTrait, F: Found<E>, C: ConnectionTrait>(
    plan: &Plan,
    query: &Expr,
    db: &C,
) -> Result<(), SearchError> {
    if matches!(query, Expr::Value(Value::Vector(Some(_)))) {
        return Ok(()); // was checked
    }
    let row = db.query_one(&plan.probe::<E, F>(query)).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("a probe has no row".to_owned()))?;
    let [rows, present, comparable] = PROBE.map(|name| row.try_get::<bool>("", name));
    match (rows?, present?, comparable?) {
        (true, false, _) => Err(SearchError::NullQuery),
        (true, true, false) if plan.metric == Metric::Cosine => Err(SearchError::ZeroVector),
        _ => Ok(()),
    }
}
