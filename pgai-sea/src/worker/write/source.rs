//! Reading and locking the source's rows.

use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{PgConnection, Row as _};

use super::row_security;
use crate::sql::quote_identifier;
use crate::worker::batch::item::{Content, SourceRow};
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::queue::key_sql::{Key, KeySql, Sql, place, with_keys};

/// The statements on one source table.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its quoted name.
    name: String,
    columns: usize,
    values: usize,
    /// Whether the loaded column is a `bytea`.
    is_bytes: bool,
    read: Sql,
    version: Sql,
    read_within: Sql,
    lock: Sql,
}

/// The rows that fit into a batch.
#[derive(Debug)]
pub(crate) struct RowsWithin {
    /// The rows of the keys, in their order; `None` where there is none, or it was left out.
    pub(crate) rows: Vec<Option<SourceRow>>,
    /// The keys (from 0) whose rows were left out.
    pub(crate) left_out: Vec<usize>,
}

/// A key under the locks that a write needs.
#[derive(Debug)]
pub(crate) struct Locked {
    /// The row's version; `None` if there is no row, or someone else has it locked.
    pub(crate) version: Option<String>,
    /// Whether no other worker is writing this key.
    pub(crate) free: bool,
}

/// A row's version: its place, and the transaction that put it there.
const VERSION: &str = "concat_ws('/', s.tableoid, s.ctid, s.xmin)";

impl Source {
    /// `loaded` is the loaded column and its type. `template` are the columns that the template names. `updates` says
    /// whether the rows themselves are updated at the end.
    pub(crate) fn new(key_sql: &KeySql, (loaded, loaded_type): (&str, &str), template: &[&str], updates: bool) -> Self {
        // the output functions' text: a cast to text differs for `bool` and `char(n)`
        let text = |name: &str| {
            let column = quote_identifier(name);
            format!(", case when s.{column} is not null then concat(s.{column}) end")
        };
        let is_bytes = loaded_type == "bytea";
        // as text it would be twice as long
        let bytes = |column: String| format!(", ({column})::pg_catalog.bytea");
        let content = if is_bytes {
            bytes(format!("s.{}", quote_identifier(loaded)))
        } else {
            text(loaded)
        };
        let values: String = std::iter::once(content)
            .chain(template.iter().map(|name| text(name)))
            .collect();
        let (given, source, matches) = (key_sql.given(), &key_sql.source, key_sql.matches("s"));
        let strength = if updates { "no key update" } else { "key share" };
        let lock = key_sql.try_lock(&key_sql.typed());
        // Neither of them unpacks a text that is stored out of line, but only the first knows its full length.
        let size = match loaded_type {
            "text" | "varchar" | "bytea" => "octet_length",
            _ => "pg_column_size",
        };
        let within = key_sql.parameter(1);
        let all = || [loaded].into_iter().chain(template.iter().copied()).enumerate();
        let raw: String = all()
            .map(|(i, name)| format!(", s.{} as c{i}", quote_identifier(name)))
            .collect();
        let fitting: String = all()
            .map(|(i, _)| match i {
                0 if is_bytes => bytes("case when w.fits then w.c0 end".to_owned()),
                _ => format!(", case when w.fits and w.c{i} is not null then concat(w.c{i}) end"),
            })
            .collect();
        Self {
            name: source.clone(),
            columns: key_sql.keys.len(),
            values: template.len(),
            is_bytes,
            version: format!("select {VERSION} from {given} join {source} s on {matches}").into(),
            read: format!("select k.n, {VERSION}{values} from {given} join {source} s on {matches}").into(),
            // a window's rows carry texts that are stored out of line as they are: only those that fit are unpacked
            read_within: format!(
                "select w.n, w.version{fitting}, w.fits from (select k.n, {VERSION} as version{raw}, \
                 coalesce(sum({size}(s.{})) over (order by k.n rows between unbounded preceding and 1 preceding) < \
                 ${within}::bigint, true) as fits \
                 from {given} join {source} s on {matches}) w",
                quote_identifier(loaded),
            )
            .into(),
            // The key's lock comes before the row's. A worker that held the key's lock until then wrote before; the
            // row's lock goes to the newest version and sees every edit.
            lock: format!(
                "with tried as materialized (select k.*, {lock} as free from {given}), \
                 locked as materialized (select k.n, {VERSION} as version from tried k join {source} s on {matches} \
                 where k.free for {strength} of s skip locked) \
                 select tried.n, locked.version, tried.free from tried left join locked using (n)"
            )
            .into(),
        }
    }

    /// Its quoted name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The rows of `keys`, in their order; `None` where there is none.
    pub(crate) async fn read(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
    ) -> Result<Vec<Option<SourceRow>>, DatabaseError> {
        let mut found: Vec<Option<SourceRow>> = keys.iter().map(|_| None).collect();
        for row in with_keys(&self.read, self.columns, keys).fetch_all(connection).await? {
            let place = place(row.try_get(0)?)?;
            if let Some(slot) = found.get_mut(place) {
                *slot = Some(self.source_row(&row)?);
            }
        }
        Ok(found)
    }

    /// The version of a key's row, even if its text cannot be read.
    pub(crate) async fn version(&self, pool: &Database, key: &Key) -> Result<Option<String>, DatabaseError> {
        let version = with_keys(&self.version, self.columns, &[key]).any_on(pool).await?;
        Ok(version.map(|row| row.try_get(0)).transpose()?)
    }

    /// Makes sure that row-level security does not hide a row that was not found. The table was read before, which
    /// locks it against a change of its policies.
    pub(crate) async fn check_row_security(&self, connection: &mut PgConnection) -> Result<(), DatabaseError> {
        row_security::check_within(connection, &self.name).await
    }

    /// The rows of `keys` up to so many bytes, but at least one.
    pub(crate) async fn read_within(
        &self,
        pool: &Database,
        keys: &[&Key],
        bytes: i64,
    ) -> Result<RowsWithin, DatabaseError> {
        let mut rows: Vec<Option<SourceRow>> = keys.iter().map(|_| None).collect();
        let mut left_out = Vec::new();
        let read = with_keys(&self.read_within, self.columns, keys).bind(bytes);
        for row in read.all_on(pool).await? {
            let place = place(row.try_get(0)?)?;
            if !row.try_get(3 + self.values)? {
                left_out.push(place);
            } else if let Some(slot) = rows.get_mut(place) {
                *slot = Some(self.source_row(&row)?);
            }
        }
        Ok(RowsWithin { rows, left_out })
    }

    fn source_row(&self, row: &PgRow) -> Result<SourceRow, DatabaseError> {
        Ok(SourceRow {
            version: row.try_get(1)?,
            content: if self.is_bytes {
                row.try_get::<Option<_>, _>(2)?.map(Content::Bytes)
            } else {
                row.try_get::<Option<_>, _>(2)?.map(Content::Text)
            },
            #[cfg(feature = "documents")]
            document: None,
            values: (3..3 + self.values)
                .map(|column| row.try_get(column))
                .collect::<Result<_, sea_orm::sqlx::Error>>()?,
            is_unreadable: false,
        })
    }

    /// Locks the rows of `keys` against deletion and key changes, and the keys against other workers. Waits for nobody.
    pub(crate) async fn lock(
        &self,
        connection: &mut PgConnection,
        keys: &[&Key],
    ) -> Result<Vec<Locked>, DatabaseError> {
        let mut locks: Vec<Locked> = keys
            .iter()
            .map(|_| Locked {
                version: None,
                free: false,
            })
            .collect();
        for row in with_keys(&self.lock, self.columns, keys).fetch_all(connection).await? {
            let place = place(row.try_get(0)?)?;
            if let Some(slot) = locks.get_mut(place) {
                *slot = Locked {
                    version: row.try_get(1)?,
                    free: row.try_get(2)?,
                };
            }
        }
        Ok(locks)
    }
}
