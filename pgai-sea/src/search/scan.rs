//! How pgvector scans an index, for one search alone.

use std::fmt::Write as _;

use sea_orm::sea_query::{
    Asterisk, CommonTableExpression, Expr, Func, IntoIden, Query, SelectStatement, WithClause, WithQuery,
};

use super::error::SearchError;
use crate::sql::quote_literal;

/// Whether an index scan carries on when what it found so far does not fill the page. Needs pgvector 0.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IterativeScan {
    /// It stops after `ef_search` rows (HNSW) or `probes` lists (IVFFlat), whether or not they pass the filter.
    Off,
    /// It carries on, and rows come in the exact order of their distances. IVFFlat has no strict order; there it means relaxed.
    Strict,
    /// It carries on; rows that come later may be nearer than some before. Finds slightly more for the same work.
    Relaxed,
}

/// Rows that pgvector's HNSW scan looks at where nobody says otherwise; it finds no more than that in one go.
const DEFAULT_EF_SEARCH: u64 = 40;

/// What a search says about the scan of an index. What it leaves out is the connection's own setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) ef_search: Option<u32>,
    pub(super) probes: Option<u32>,
    pub(super) iterative: Option<IterativeScan>,
    pub(super) max_scan_tuples: Option<u32>,
    pub(super) max_probes: Option<u32>,
}

/// A setting of pgvector, what it is during the statement, and what it is where nobody ever set it.
pub(super) struct Setting {
    name: &'static str,
    value: SettingValue,
    default: &'static str,
}

#[derive(Clone, Copy)]
enum SettingValue {
    Word(&'static str),
    /// Is bound: all searches that differ in nothing else share a statement, and a plan.
    Number(u32),
}

impl Scan {
    /// Refuses what pgvector would: its library may not be loaded when the setting is made, and would then ignore it with a warning.
    pub(super) fn check(&self) -> Result<(), SearchError> {
        for (setter, value, max) in [
            ("ef_search", self.ef_search, 1_000),
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

    /// Whether the search itself asked that a scan gives up before the page is full.
    pub(super) fn is_bounded(&self) -> bool {
        self.iterative == Some(IterativeScan::Off) || self.max_scan_tuples.is_some() || self.max_probes.is_some()
    }

    /// What is set of `iterative_scan` for a scan that has to come up with `rows` rows, of which a filter drops some if `filtered`.
    fn iterates(&self, rows: u64, filtered: bool) -> Option<IterativeScan> {
        let found_in_one_go = self.ef_search.map_or(DEFAULT_EF_SEARCH, u64::from);
        let carries_on =
            self.max_scan_tuples.is_some() || self.max_probes.is_some() || filtered || rows > found_in_one_go;
        self.iterative.or(carries_on.then_some(IterativeScan::Strict))
    }

    /// Whether such a scan goes beyond what it finds in one go.
    pub(super) fn carries_on(&self, rows: u64, filtered: bool) -> bool {
        !matches!(self.iterates(rows, filtered), None | Some(IterativeScan::Off))
    }

    /// The settings for a scan that has to come up with `rows` rows, of which a filter drops some if `filtered`.
    pub(super) fn settings(&self, rows: u64, filtered: bool) -> Vec<Setting> {
        let mut settings = Vec::new();
        let mut set = |name, value: Option<SettingValue>, default| {
            settings.extend(value.map(|value| Setting { name, value, default }));
        };
        let number = |value: Option<u32>| value.map(SettingValue::Number);
        set("hnsw.ef_search", number(self.ef_search), "40");
        set("ivfflat.probes", number(self.probes), "1");
        set("hnsw.max_scan_tuples", number(self.max_scan_tuples), "20000");
        set("ivfflat.max_probes", number(self.max_probes), "32768");
        let (hnsw, ivfflat) = match self.iterates(rows, filtered) {
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

/// The common table expression that holds what an index scan found. It hides a table of that name, and takes it from what SeaORM's
/// access control judges: no table should have one of these.
pub(super) const HITS: &str = "pgai_sea_hits";
/// How many rows are in it, where a statement says so.
pub(super) const SCANNED: &str = "scanned";
const SCAN: &str = "pgai_sea_scan";
const RESTORE: &str = "pgai_sea_restore";

/// Makes `settings` hold for this statement alone: `scan` makes them before the index scan starts and remembers what was there,
/// `restore` puts that back once all hits are in. One round trip, on any connection; a caller's transaction goes on with its own
/// settings. What reads `hits` has to wait for [`restored`], and `nearest` itself for what is [`set`].
///
/// Names and words are written, as text: all that is left to send are numbers, and a tree of expressions would take longer to build than
/// the rest of the search.
pub(super) fn scanning(nearest: SelectStatement, settings: &[Setting]) -> WithClause {
    // the columns of a select list are evaluated from left to right
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

/// A common table expression that is evaluated once, by itself.
pub(super) fn cte(name: &'static str, query: SelectStatement) -> CommonTableExpression {
    let mut cte = CommonTableExpression::new();
    cte.table_name(name.into_iden()).query(query).materialized(true);
    cte
}

/// `query` with what it reads. The method of that name copies all of it.
pub(super) fn with(clause: WithClause, query: SelectStatement) -> WithQuery {
    let mut with = WithQuery::new();
    with.with_clause(clause).query(query);
    with
}

/// Holds once the settings are made.
pub(super) fn set() -> Expr {
    after(SCAN)
}

/// Holds once the settings are back.
pub(super) fn restored() -> Expr {
    after(RESTORE)
}

/// True, once the common table expression `name` has been evaluated: PostgreSQL checks a condition without columns before it
/// touches a row, also where there is none.
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
