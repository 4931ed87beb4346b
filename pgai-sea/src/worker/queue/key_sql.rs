//! How a vectorizer's tables and keys are written in SQL.
//!
//! Keys are parameters: one array of texts per key column. The statement casts them to the column's type. So a key may
//! have any number of columns of any type, and no value of a key is ever part of the SQL.

use std::fmt::Write as _;
use std::sync::Arc;

use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{AssertSqlSafe, Postgres, query};

use crate::sql::{quote_identifier, quote_literal};
use crate::worker::database_error::DatabaseError;

/// A source row's key: each column's text, in the order of `source_pk`.
pub(crate) type Key = Vec<String>;

/// A statement made once per vectorizer.
pub(crate) type Sql = Arc<str>;

/// A column of the key, as the worker casts to it.
#[derive(Clone, Debug)]
pub(crate) struct TypedKeyColumn {
    pub(crate) name: String,
    /// Schema-qualified and quoted.
    pub(crate) sql_type: String,
    /// The type's equality, schema-qualified where it is not PostgreSQL's own.
    pub(crate) equals: String,
    /// Whether a value has one text, whatever the session's time zone and styles are.
    pub(crate) has_one_text: bool,
}

/// The vectorizer's tables and key columns, and the SQL that is made of them.
#[derive(Clone, Debug)]
pub(crate) struct KeySql {
    pub(crate) id: i32,
    /// Quoted, as the queue and the table of dead letters.
    pub(crate) source: String,
    pub(crate) queue: String,
    /// `None` in pgai's first versions, which keep no dead letters.
    pub(crate) failed: Option<String>,
    pub(crate) keys: Vec<TypedKeyColumn>,
}

impl KeySql {
    /// `unnest($1::text[], ..) with ordinality as k (k1, .., n)`: the keys of the statement, `n` from 1.
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
        let columns =
            columns.map(|(key, value)| format!("{alias}.{} {} {value}", quote_identifier(&key.name), key.equals));
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
            format!("{left}.{column} {} {right}.{column}", key.equals)
        });
        columns.collect::<Vec<_>>().join(" and ")
    }

    /// `alias.k1, ..`: the key columns where a statement gives them names of its own, because a key's column may be
    /// called anything.
    pub(crate) fn numbered(&self, alias: &str) -> Vec<String> {
        (1..=self.keys.len()).map(|i| format!("{alias}.k{i}")).collect()
    }

    /// `pg_try_advisory_xact_lock(..)` on a key, the same lock that pgai's worker takes. `values` are the typed key
    /// columns.
    pub(crate) fn try_lock(&self, values: &[String]) -> String {
        let mut text = String::from("'|'");
        for (key, value) in self.keys.iter().zip(values) {
            let _ = write!(text, ", {}, {value}", quote_literal(&key.name));
        }
        format!("pg_try_advisory_xact_lock({}, hashtext(concat_ws({text})))", self.id)
    }

    /// Whether the number of a key's lock is the same in pgai's worker. A session of another time zone, say, computes
    /// another one.
    pub(crate) fn has_one_lock(&self) -> bool {
        self.keys.iter().all(|key| key.has_one_text)
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
        let values: Vec<String> = keys
            .iter()
            .map(|key| key.get(column).cloned().unwrap_or_default())
            .collect();
        statement = statement.bind(values);
    }
    statement
}

/// The statement, all of whose identifiers were quoted when it was made.
pub(crate) fn statement<'q>(sql: &Sql) -> Query<'q, Postgres, PgArguments> {
    // without a name: see `connection`
    query(AssertSqlSafe(Arc::clone(sql))).persistent(false)
}

/// Whether PostgreSQL writes values of this type in one way only.
pub(crate) fn has_one_text(base_type: &str) -> bool {
    [
        "int2", "int4", "int8", "oid", "numeric", "bool", "uuid", "text", "varchar", "bpchar", "char", "name",
    ]
    .contains(&base_type)
}

/// The place (from 0) that SQL's `n` (from 1) stands for.
pub(crate) fn place(n: i64) -> Result<usize, DatabaseError> {
    usize::try_from(n - 1).map_err(|_| DatabaseError::Answer(format!("{n} is not the number of a key")))
}
