//! The settings of pgvector for one search.

use std::fmt::Write as _;

use sea_orm::sea_query::{
    Asterisk, CommonTableExpression, Expr, Func, IntoIden, Query, SelectStatement, WithClause, WithQuery,
};

use super::error::SearchError;
use crate::sql::quote_literal;

/// Whether an index scan continues until the page is full. It needs pgvector 0.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IterativeScan {
    /// The scan stops after `ef_search` rows (HNSW) or `probes` lists (IVFFlat), however many of the rows pass the
    /// filter.
    Off,
    /// The scan continues, and returns rows in the exact order of their distances. IVFFlat has no strict order and
    /// takes this as relaxed.
    Strict,
    /// The scan continues, and a later row may be nearer than an earlier one. It finds slightly more rows for the same
    /// work.
    Relaxed,
}

/// pgvector's default of `hnsw.ef_search`: a scan that does not continue returns no more rows.
const DEFAULT_EF_SEARCH: u64 = 40;
/// A scan under a filter keeps at least so many candidates. A scan in the strict order drops what it finds too late,
/// and with more candidates it drops less. Among a million rows, of which a twentieth passed, it found 0.96 and 0.98 of
/// the nearest ten in two indexes, and 0.945 and 0.95 with pgvector's default, in the same time.
const FILTERED_EF_SEARCH: u64 = 100;
/// pgvector's maximum of `hnsw.ef_search`.
const MAX_EF_SEARCH: u32 = 1_000;

/// The scan settings of a search. The connection's own settings hold for the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) ef_search: Option<u32>,
    pub(super) probes: Option<u32>,
    pub(super) iterative: Option<IterativeScan>,
    pub(super) max_scan_tuples: Option<u32>,
    pub(super) max_probes: Option<u32>,
}

/// A setting of pgvector, its value during the statement, and its default.
pub(super) struct Setting {
    name: &'static str,
    value: SettingValue,
    default: &'static str,
}

#[derive(Clone, Copy)]
enum SettingValue {
    Word(&'static str),
    /// It is bound, so that searches that differ in it alone share a statement and a plan.
    Number(u32),
    /// The connection's own value, if that is greater.
    AtLeast(u64),
}

impl Scan {
    /// Refuses what pgvector would. PostgreSQL checks a value only once it has loaded pgvector, and ignores a bad one
    /// until then.
    pub(super) fn check(&self) -> Result<(), SearchError> {
        for (setter, value, max) in [
            ("ef_search", self.ef_search, MAX_EF_SEARCH),
            ("probes", self.probes, 32_768),
            ("max_scan_tuples", self.max_scan_tuples, i32::MAX.unsigned_abs()),
            ("max_probes", self.max_probes, 32_768),
        ] {
            if let Some(value) = value.filter(|value| !(1..=max).contains(value)) {
                return Err(SearchError::Setting { setter, value, max });
            }
        }
        Ok(())
    }

    /// Whether the search asked the scan to give up early.
    pub(super) fn is_bounded(&self) -> bool {
        self.iterative == Some(IterativeScan::Off) || self.max_scan_tuples.is_some() || self.max_probes.is_some()
    }

    /// The value of `iterative_scan` for a scan that has to return `rows` rows, some of which a filter drops if
    /// `filtered`.
    pub(super) fn iterates(&self, rows: u64, filtered: bool) -> Option<IterativeScan> {
        let found_in_one_go = self.ef_search.map_or(DEFAULT_EF_SEARCH, u64::from);
        let carries_on =
            self.max_scan_tuples.is_some() || self.max_probes.is_some() || filtered || rows > found_in_one_go;
        self.iterative.or(carries_on.then_some(IterativeScan::Strict))
    }

    /// Whether such a scan continues until it has its rows.
    pub(super) fn carries_on(&self, rows: u64, filtered: bool) -> bool {
        !matches!(self.iterates(rows, filtered), None | Some(IterativeScan::Off))
    }

    /// The candidates that an HNSW index keeps for a search under a filter that is to return `rows` rows: at least two
    /// for each.
    pub(super) fn candidates(&self, rows: u64) -> u64 {
        let wanted = rows.saturating_mul(2).clamp(FILTERED_EF_SEARCH, MAX_EF_SEARCH.into());
        self.ef_search.map_or(wanted, u64::from)
    }

    /// The settings for a scan that has to return `rows` rows, some of which a filter drops if `filtered`.
    pub(super) fn settings(&self, rows: u64, filtered: bool, iterative: Option<IterativeScan>) -> Vec<Setting> {
        let mut settings = Vec::new();
        let mut set = |name, value: Option<SettingValue>, default| {
            settings.extend(value.map(|value| Setting { name, value, default }));
        };
        let number = |value: Option<u32>| value.map(SettingValue::Number);
        let widened = (filtered && self.iterative.is_none()).then(|| SettingValue::AtLeast(self.candidates(rows)));
        set("hnsw.ef_search", number(self.ef_search).or(widened), "40");
        set("ivfflat.probes", number(self.probes), "1");
        set("hnsw.max_scan_tuples", number(self.max_scan_tuples), "20000");
        set("ivfflat.max_probes", number(self.max_probes), "32768");
        let (hnsw, ivfflat) = match iterative {
            None => (None, None),
            Some(IterativeScan::Off) => (Some("off"), Some("off")),
            Some(IterativeScan::Strict) => (Some("strict_order"), Some("relaxed_order")),
            Some(IterativeScan::Relaxed) => (Some("relaxed_order"), Some("relaxed_order")),
        };
        set("hnsw.iterative_scan", hnsw.map(SettingValue::Word), "off");
        set("ivfflat.iterative_scan", ivfflat.map(SettingValue::Word), "off");
        settings
    }
}

/// The common table expression with the rows of an index scan. It hides a table of this name, also from SeaORM's access
/// control, so the name is one that no table should have.
pub(super) const HITS: &str = "pgai_sea_hits";
/// The column with the number of its rows.
pub(super) const SCANNED: &str = "scanned";
const SCAN: &str = "pgai_sea_scan";
const RESTORE: &str = "pgai_sea_restore";

/// Makes `settings` hold for this statement alone. `scan` makes them before the index scan starts and keeps the former
/// values; `restore` sets those again once all hits are read. This takes one round trip on any connection, and a
/// caller's transaction keeps its own settings. `nearest` has to wait for [`set`], and the query that reads the hits
/// for [`restored`].
///
/// Names and words are part of the text, because building a tree of expressions would take longer than the rest of the
/// search. Only numbers are bound.
pub(super) fn scanning(nearest: SelectStatement, settings: &[Setting]) -> WithClause {
    // PostgreSQL evaluates a select list from left to right
    let mut scan = String::new();
    let mut restore = String::new();
    let mut numbers = Vec::new();
    for (i, Setting { name, value, default }) in settings.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let [name, default] = [*name, *default].map(quote_literal);
        let value = match value {
            SettingValue::Word(word) => quote_literal(word),
            SettingValue::Number(number) => {
                numbers.push(number.to_string());
                format!("${}", numbers.len())
            }
            SettingValue::AtLeast(number) => {
                format!("GREATEST(NULLIF(current_setting({name}, TRUE), '')::int4, {number})::text")
            }
        };
        let _ = write!(
            scan,
            "{comma}current_setting({name}, TRUE) AS before_{i}, set_config({name}, {value}, TRUE) AS during_{i}"
        );
        let _ = write!(
            restore,
            "{comma}set_config({name}, COALESCE((SELECT before_{i} FROM {SCAN}), {default}), TRUE) AS after_{i}"
        );
    }
    let scan = Query::select().expr(Expr::cust_with_values(scan, numbers)).take();
    let restore = Query::select()
        .expr(Expr::cust(restore))
        .from_subquery(count(HITS), "found")
        .take();

    let mut with = WithClause::new();
    with.cte(cte(SCAN, scan))
        .cte(cte(HITS, nearest))
        .cte(cte(RESTORE, restore));
    with
}

/// A common table expression that PostgreSQL evaluates once, by itself.
pub(super) fn cte(name: &'static str, query: SelectStatement) -> CommonTableExpression {
    let mut cte = CommonTableExpression::new();
    cte.table_name(name.into_iden()).query(query).materialized(true);
    cte
}

/// `query` with the clause that it reads from. The method of that name would copy all of it.
pub(super) fn with(clause: WithClause, query: SelectStatement) -> WithQuery {
    let mut with = WithQuery::new();
    with.with_clause(clause).query(query);
    with
}

/// A condition that waits for the settings.
pub(super) fn set() -> Expr {
    after(SCAN)
}

/// A condition that waits for the former settings.
pub(super) fn restored() -> Expr {
    after(RESTORE)
}

/// A condition that is true once the common table expression `name` has been evaluated. It has no columns, so
/// PostgreSQL checks it before it reads a row, also in an empty table.
fn after(name: &'static str) -> Expr {
    Expr::cust(format!("(SELECT COUNT(*) FROM {name}) > 0"))
}

/// The number of rows of the common table expression `name`.
pub(super) fn rows_of(name: &'static str) -> Expr {
    count(name).into()
}

fn count(name: &'static str) -> SelectStatement {
    Query::select().expr(Func::count(Expr::col(Asterisk))).from(name).take()
}
