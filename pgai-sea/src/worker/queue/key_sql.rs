//! How one vectorizer's tables and key are written in SQL.
//!
//! Keys travel as text, one array per key column, and are cast to the column's type in the statement: any type and any number
//! of columns, and nothing of a key is ever part of the SQL.

use std::fmt::Write as _;
use std::sync::Arc;

use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{AssertSqlSafe, Postgres, query};

use crate::sql::{quote_identifier, quote_literal};

/// A source row's key: each column's text, in the order of `source_pk`.
pub(crate) type Key = Vec<String>;

/// A statement made once per vectorizer, so that the driver prepares it once per connection.
pub(crate) type Sql = Arc<str>;

/// A key column.
#[derive(Clone, Debug)]
pub(crate) struct KeyColumn {
    pub(crate) name: String,
    /// Schema-qualified and quoted.
    pub(crate) sql_type: String,
}

/// A vectorizer's names, quoted.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) id: i32,
    pub(crate) source: String,
    pub(crate) queue: String,
    pub(crate) failed: Option<String>,
    pub(crate) keys: Vec<KeyColumn>,
}

impl Names {
    /// `unnest($1::text[], ..) with ordinality as k (k1, .., n)`: the keys that the statement is about, `n` from 1.
    pub(crate) fn given(&self) -> String {
        let arrays: Vec<_> = (1..=self.keys.len()).map(|i| format!("${i}::text[]")).collect();
        let columns: Vec<_> = (1..=self.keys.len()).map(|i| format!("k{i}")).collect();
        format!(
            "unnest({}) with ordinality as k ({}, n)",
            arrays.join(", "),
            columns.join(", ")
        )
    }

    /// `t."id" = k.k1::"pg_catalog"."int4" and ..`
    pub(crate) fn matches(&self, alias: &str) -> String {
        let columns = self.keys.iter().zip(self.typed());
        let columns = columns.map(|(key, value)| format!("{alias}.{} = {value}", quote_identifier(&key.name)));
        columns.collect::<Vec<_>>().join(" and ")
    }

    /// `k.k1::"pg_catalog"."int4"` for each key column.
    pub(crate) fn typed(&self) -> Vec<String> {
        let columns = self.keys.iter().enumerate();
        columns
            .map(|(i, key)| format!("k.k{}::{}", i + 1, key.sql_type))
            .collect()
    }

    /// `alias."id", ..`
    pub(crate) fn columns(&self, alias: &str) -> String {
        let prefix = if alias.is_empty() {
            String::new()
        } else {
            format!("{alias}.")
        };
        let columns = self
            .keys
            .iter()
            .map(|key| format!("{prefix}{}", quote_identifier(&key.name)));
        columns.collect::<Vec<_>>().join(", ")
    }

    /// `a."id" = b."id" and ..`
    pub(crate) fn same(&self, left: &str, right: &str) -> String {
        let columns = self.keys.iter().map(|key| {
            let column = quote_identifier(&key.name);
            format!("{left}.{column} = {right}.{column}")
        });
        columns.collect::<Vec<_>>().join(" and ")
    }

    /// The key columns in the text of their output functions, from which they can be read back.
    pub(crate) fn texts(&self, alias: &str) -> String {
        let columns = self.keys.iter().enumerate();
        let columns = columns.map(|(i, key)| format!("concat({alias}.{}) as t{i}", quote_identifier(&key.name)));
        columns.collect::<Vec<_>>().join(", ")
    }

    /// `pg_try_advisory_xact_lock(..)` on a key, the very lock that pgai's worker takes. `values` are the typed key columns.
    pub(crate) fn try_lock(&self, values: &[String]) -> String {
        let mut text = String::from("'|'");
        for (key, value) in self.keys.iter().zip(values) {
            let _ = write!(text, ", {}, {value}", quote_literal(&key.name));
        }
        format!("pg_try_advisory_xact_lock({}, hashtext(concat_ws({text})))", self.id)
    }

    /// The first parameter after the keys.
    pub(crate) fn parameter(&self, nth: usize) -> usize {
        self.keys.len() + nth
    }
}

/// The statement with the keys bound, one array per column.
pub(crate) fn with_keys<'q>(sql: &Sql, columns: usize, keys: &[&Key]) -> Query<'q, Postgres, PgArguments> {
    let mut statement = statement(sql);
    for column in 0..columns {
        let values: Vec<&str> = keys
            .iter()
            .map(|key| key.get(column).map_or("", String::as_str))
            .collect();
        statement = statement.bind(owned(&values));
    }
    statement
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

/// The statement, all of whose identifiers were quoted when it was made.
pub(crate) fn statement<'q>(sql: &Sql) -> Query<'q, Postgres, PgArguments> {
    query(AssertSqlSafe(Arc::clone(sql)))
}
