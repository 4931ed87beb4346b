//! The SQL of a backfill: the rows after a position, in the order of their key or of another column.

use std::fmt::Write as _;

use super::Embeddings;
use crate::catalog::backfill::Kept;
use crate::sql::quote_identifier;
use crate::worker::queue::key_sql::KeySql;
#[cfg(feature = "embedder")]
use crate::worker::queue::stamp;

/// Whether a row, whose key is that of `next`, has no embeddings, and none is being made: what is in hand is queued.
pub(in crate::worker) fn missing(key_sql: &KeySql, embeddings: &Embeddings) -> String {
    let same = |table: &str| {
        let keys = key_sql.keys.iter().zip(key_sql.numbered("next"));
        let same = keys.map(|(key, value)| format!("{table}.{} {} {value}", quote_identifier(&key.name), key.equals));
        same.collect::<Vec<_>>().join(" and ")
    };
    let is_queued = format!("exists (select 1 from {} q where {})", key_sql.queue, same("q"));
    let same = same("t");
    let missing = match embeddings {
        Embeddings::Table(store) => format!("not exists (select 1 from {store} t where {same})"),
        Embeddings::Column(column) => format!(
            "exists (select 1 from {} t where {same} and t.{} is null)",
            key_sql.source,
            quote_identifier(column)
        ),
    };
    format!("{missing} and not {is_queued}")
}

/// The statement that queues the rows after a position, and the number of values that make a position. Parameters: the
/// most rows, when the backfill began, and the position, if there is one.
pub(in crate::worker) fn next_rows(key_sql: &KeySql, kept: &Kept, table: &str, missing: &str) -> (String, usize) {
    let (order, greater) = if kept.descending { ("desc", "<") } else { ("asc", ">") };
    // the values of a position: expression, type, operator for equality
    let column = kept.order_by.iter().zip(&kept.order_type);
    let column = column.map(|(name, sql_type)| (format!("s.{}", quote_identifier(name)), sql_type.as_str(), "="));
    let keys = key_sql.keys.iter();
    let keys = keys.map(|key| {
        (
            format!("s.{}", quote_identifier(&key.name)),
            key.sql_type.as_str(),
            key.equals.as_str(),
        )
    });
    let values: Vec<(String, &str, &str)> = column.chain(keys).collect();
    let first_key = values.len() - key_sql.keys.len();
    let mut conditions = Vec::new();
    if let Some((column, ..)) = values.get(..first_key).and_then(<[_]>::first) {
        conditions.push(format!("{column} is not null"));
    }
    if kept.position.is_some() {
        conditions.push(compared(key_sql, &values, (3, greater, false)));
    }
    if conditions.is_empty() {
        conditions.push("true".to_owned());
    }
    let mut named = String::new();
    for (i, (value, ..)) in values.iter().enumerate() {
        let name = if i < first_key {
            "o".to_owned()
        } else {
            format!("k{}", i - first_key + 1)
        };
        let comma = if i > 0 { ", " } else { "" };
        let _ = write!(named, "{comma}{value} as {name}");
    }
    let names: Vec<String> = (0..first_key)
        .map(|_| "o".to_owned())
        .chain(key_sql.numbered("next"))
        .collect();
    let texts: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(i, name)| format!("{} as t{i}", key_sql.text(name)))
        .collect();
    let ordered: Vec<String> = values.iter().map(|(value, ..)| format!("{value} {order}")).collect();
    let filter = if kept.only_missing {
        format!(" where {missing}")
    } else {
        String::new()
    };
    let sql = format!(
        "with next as materialized (select {named}, row_number() over () as n, $2::text::timestamptz as since \
         from (select s.* from {table} s \
         where {} order by {} limit $1) s), \
         queued as (insert into {} ({}, queued_at) select {}, next.since from next{filter} returning 1) \
         select (select count(*) from next), (select count(*) from queued), last.* from (select 1) one \
         left join (select {} from next order by n desc limit 1) last on true",
        conditions.join(" and "),
        ordered.join(", "),
        key_sql.queue,
        key_sql.columns(""),
        key_sql.numbered("next").join(", "),
        texts.join(", "),
    );
    (sql, values.len())
}

/// Whether a row comes after the position, whose values are the parameters from `first` on, or also is it.
///
/// Rows are compared as one where PostgreSQL's own operators do it, because an index then leads to the position.
fn compared(
    key_sql: &KeySql,
    values: &[(String, &str, &str)],
    (first, greater, or_equal): (usize, &str, bool),
) -> String {
    let given = |i: usize| key_sql.value(&format!("${}::text", i + first), values[i].1);
    let or_equal_sign = if or_equal { "=" } else { "" };
    if values.iter().all(|(.., equals)| *equals == "=") {
        let columns: Vec<&str> = values.iter().map(|(value, ..)| value.as_str()).collect();
        let given: Vec<String> = (0..values.len()).map(given).collect();
        return format!(
            "({}) {greater}{or_equal_sign} ({})",
            columns.join(", "),
            given.join(", ")
        );
    }
    let any = (0..values.len()).map(|last| {
        let all = (0..=last).map(|i| {
            let (value, _, equals) = &values[i];
            let operator = if i == last {
                let or_equal = if or_equal && last == values.len() - 1 { "=" } else { "" };
                equals.replace('=', &format!("{greater}{or_equal}"))
            } else {
                (*equals).to_owned()
            };
            format!("{value} {operator} {}", given(i))
        });
        all.collect::<Vec<_>>().join(" and ")
    });
    format!("({})", any.collect::<Vec<_>>().join(" or "))
}

/// The rows between two keys, in the order of the key. See [`range`].
#[cfg(feature = "embedder")]
#[allow(clippy::struct_excessive_bools, reason = "parts of a statement, each there or not")]
pub(super) struct Range<'r> {
    pub(super) descending: bool,
    /// What tells a row that is wanted, if not all are.
    pub(super) filter: Option<&'r str>,
    /// Whether it begins after a key, and whether it ends with one.
    pub(super) after: bool,
    pub(super) last: bool,
    /// Whether the rows are queued, under a lease.
    pub(super) queues: bool,
}

/// The statement that looks at, or queues and leases, rows of a range. Parameters: the most rows; the key after which
/// they begin and the last one, as far as there are such; when the backfill began and the seconds of the lease, if they
/// are queued. It returns each key, whether the row is wanted, and the stamp of the lease.
#[cfg(feature = "embedder")]
pub(super) fn range(key_sql: &KeySql, range: &Range<'_>) -> String {
    let (order, greater, less) = if range.descending {
        ("desc", "<", ">")
    } else {
        ("asc", ">", "<")
    };
    let keys = key_sql.keys.iter().map(|key| {
        let column = format!("s.{}", quote_identifier(&key.name));
        (column, key.sql_type.as_str(), key.equals.as_str())
    });
    let values: Vec<(String, &str, &str)> = keys.collect();
    let mut conditions = vec!["true".to_owned()];
    let mut parameter = 2;
    if range.after {
        conditions.push(compared(key_sql, &values, (parameter, greater, false)));
        parameter += values.len();
    }
    if range.last {
        conditions.push(compared(key_sql, &values, (parameter, less, true)));
        parameter += values.len();
    }
    let named = values.iter().enumerate();
    let named: Vec<String> = named
        .map(|(i, (column, ..))| format!("{column} as k{}", i + 1))
        .collect();
    let ordered: Vec<String> = values.iter().map(|(column, ..)| format!("{column} {order}")).collect();
    let texts: Vec<String> = key_sql.numbered("m").iter().map(|key| key_sql.text(key)).collect();
    let queued = if range.queues {
        format!(
            ", stamp as materialized (select {} as moment), queued as (insert into {} ({}, queued_at, \
             loading_retry_after) select {}, ${parameter}::text::timestamptz, (select moment from stamp) from marked m \
             where m.wanted returning 1)",
            stamp(parameter + 1),
            key_sql.queue,
            key_sql.columns(""),
            key_sql.numbered("m").join(", "),
        )
    } else {
        String::new()
    };
    format!(
        "with next as materialized (select {}, row_number() over () as n from (select s.* from {} s where {} order by \
         {} limit $1) s), marked as materialized (select next.*, {} as wanted from next){queued} \
         select {}, m.wanted, {} from marked m order by m.n",
        named.join(", "),
        key_sql.source,
        conditions.join(" and "),
        ordered.join(", "),
        range.filter.unwrap_or("true"),
        texts.join(", "),
        if range.queues {
            "(select moment from stamp)"
        } else {
            "null::timestamptz"
        },
    )
}
