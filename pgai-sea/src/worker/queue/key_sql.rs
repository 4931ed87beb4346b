//! How a vectorizer's tables and keys are written in SQL.
//!
//! Keys are parameters: one array of texts per key column. The statement casts them to the column's type. So a key may
//! have any number of columns of any type, and no value of a key is ever part of the SQL.
//!
//! A database of bytes (`SQL_ASCII`) may hold keys that are no UTF-8, which no client could read. There, a key's text
//! is written with escapes on its way.

use std::fmt::Write as _;
use std::sync::Arc;

use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{AssertSqlSafe, Postgres, query};

use crate::sql::{quote_identifier, quote_literal};
use crate::worker::database_error::DatabaseError;

/// A source row's key: each column's text as [`KeySql::text`] asks for it, in the order of `source_pk`.
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
    /// Whether texts of the database may be no UTF-8.
    pub(crate) is_bytes: bool,
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
            .map(|(i, key)| self.value(&format!("k.k{}", i + 1), &key.sql_type))
            .collect()
    }

    /// The value of a type whose [text](Self::text) this is.
    pub(crate) fn value(&self, text: &str, sql_type: &str) -> String {
        if self.is_bytes {
            format!("convert_from(decode({text}, 'escape'), 'SQL_ASCII')::{sql_type}")
        } else {
            format!("{text}::{sql_type}")
        }
    }

    /// The text of a value, as its type's output function writes it.
    pub(crate) fn text(&self, value: &str) -> String {
        if self.is_bytes {
            format!("encode(convert_to(concat({value}), 'SQL_ASCII'), 'escape')")
        } else {
            format!("concat({value})")
        }
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

/// What PostgreSQL's format `escape` stands for, as far as it is UTF-8.
pub(crate) fn unescaped(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let octal = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, octal) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            (b'\\', None) if tail.first() == Some(&b'\\') => {
                bytes.push(b'\\');
                rest = &tail[1..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        for (text, meant) in [
            ("plain 12", "plain 12"),
            (r"a\\b", r"a\b"),
            (r"caf\303\251", "caf\u{e9}"),
            (r"\\303", r"\303"),
            (r"caf\351", "caf\u{fffd}"),
            (r"\", r"\"),
            (r"\9", r"\9"),
        ] {
            assert_eq!(unescaped(text), meant, "{text}");
        }
    }
}
