//! Reading the source's rows.

use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{Error, PgExecutor, Row};

use super::names::{Key, Names, Sql, with_keys};
use super::queue::ordinal;
use super::rights;
use crate::sql::quote_identifier;

/// What of a source row is embedded.
#[derive(Clone, Debug)]
pub(crate) struct SourceRow {
    /// Which version of the row this is, so that an unchanged row need not be read again.
    pub(crate) version: String,
    /// The loaded column.
    pub(crate) text: Option<String>,
    /// The template's columns.
    pub(crate) values: Vec<Option<String>>,
}

impl SourceRow {
    /// Whether the same would be embedded.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.text == other.text && self.values == other.values
    }
}

/// The statements on one source table.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its quoted name.
    name: String,
    columns: usize,
    values: usize,
    read: Sql,
    lock: Sql,
}

/// A key under the locks that a write needs.
#[derive(Debug)]
pub(crate) struct Locked {
    /// The row's version; `None` if there is no row, or someone else has it locked.
    pub(crate) version: Option<String>,
    /// Whether no other worker is writing this key.
    pub(crate) free: bool,
}

/// A row's version: its place and the transaction that put it there.
const VERSION: &str = "concat_ws('/', s.tableoid, s.ctid, s.xmin)";

impl Source {
    /// `loaded` is the loaded column, `template` the columns that the template names; `updates` if the rows are updated at the end.
    pub(crate) fn new(names: &Names, loaded: &str, template: &[&str], updates: bool) -> Self {
        // the output functions' text, which a cast to text is not: of `bool` and `char(n)`
        let text = |name: &str| {
            let column = quote_identifier(name);
            format!(", case when s.{column} is not null then concat(s.{column}) end")
        };
        let values: String = [loaded].iter().chain(template).map(|name| text(name)).collect();
        let (given, source, matches) = (names.given(), &names.source, names.matches("s"));
        let strength = if updates { "no key update" } else { "key share" };
        let lock = names.try_lock(&names.typed());
        Self {
            name: source.clone(),
            columns: names.keys.len(),
            values: template.len(),
            read: format!("select k.n, {VERSION}{values} from {given} join {source} s on {matches}").into(),
            // The key's lock comes before the row's: a worker that had it until then wrote after an edit that the row's lock,
            // which goes to the newest version, sees.
            lock: format!(
                "with tried as materialized (select k.*, {lock} as free from {given}), \
                 locked as materialized (select k.n, {VERSION} as version from tried k join {source} s on {matches} \
                 where k.free for {strength} of s skip locked) \
                 select tried.n, locked.version, tried.free from tried left join locked using (n)"
            )
            .into(),
        }
    }

    /// The rows of `keys`, in their order; `None` where there is none.
    pub(crate) async fn read(
        &self,
        executor: impl PgExecutor<'_>,
        keys: &[&Key],
    ) -> Result<Vec<Option<SourceRow>>, Error> {
        let mut found: Vec<Option<SourceRow>> = keys.iter().map(|_| None).collect();
        for row in with_keys(&self.read, self.columns, keys).fetch_all(executor).await? {
            let place = ordinal(row.try_get(0)?)?;
            if let Some(slot) = found.get_mut(place) {
                *slot = Some(self.source_row(&row)?);
            }
        }
        Ok(found)
    }

    /// Makes sure that a row that was not found is not merely hidden. What was read before is locked against a change of that.
    pub(crate) async fn check_sight(&self, executor: impl PgExecutor<'_>) -> Result<(), Error> {
        match rights::hidden(executor, &self.name).await? {
            Some(reason) => Err(Error::Configuration(reason.into())),
            None => Ok(()),
        }
    }

    fn source_row(&self, row: &PgRow) -> Result<SourceRow, Error> {
        Ok(SourceRow {
            version: row.try_get(1)?,
            text: row.try_get(2)?,
            values: (3..3 + self.values)
                .map(|column| row.try_get(column))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Locks the rows of `keys` against deletion and key changes, and the keys against other workers. Waits for nobody.
    pub(crate) async fn lock(&self, executor: impl PgExecutor<'_>, keys: &[&Key]) -> Result<Vec<Locked>, Error> {
        let mut locks: Vec<Locked> = keys
            .iter()
            .map(|_| Locked {
                version: None,
                free: false,
            })
            .collect();
        for row in with_keys(&self.lock, self.columns, keys).fetch_all(executor).await? {
            let place = ordinal(row.try_get(0)?)?;
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
