//! The text of `CREATE INDEX`.

use crate::sql::{qualified, quote_identifier};

/// The parts of a `CREATE INDEX`.
pub(crate) struct IndexStatement<'a> {
    pub(crate) name: &'a str,
    pub(crate) schema: Option<&'a str>,
    pub(crate) table: &'a str,
    pub(crate) method: &'a str,
    /// A quoted column, or an expression in parentheses.
    pub(crate) indexed: String,
    /// The operator class, quoted if it has to be. `None`: the method's default.
    pub(crate) opclass: Option<String>,
    /// Options of the method: a name, and a value as SQL has it.
    pub(crate) options: Vec<(&'static str, String)>,
    pub(crate) concurrently: bool,
    pub(crate) if_not_exists: bool,
    /// The condition of a partial index.
    pub(crate) filter: Option<String>,
}

impl IndexStatement<'_> {
    pub(crate) fn to_sql(&self) -> String {
        let mut sql = "CREATE INDEX ".to_owned();
        if self.concurrently {
            sql += "CONCURRENTLY ";
        }
        if self.if_not_exists {
            sql += "IF NOT EXISTS ";
        }
        let (name, table) = (quote_identifier(self.name), relation(self.schema, self.table));
        sql += &format!("{name} ON {table} USING {} ({}", self.method, self.indexed);
        if let Some(opclass) = &self.opclass {
            sql += &format!(" {opclass}");
        }
        sql += ")";
        if !self.options.is_empty() {
            let options = self.options.iter().map(|(name, value)| format!("{name} = {value}"));
            sql += &format!(" WITH ({})", options.collect::<Vec<_>>().join(", "));
        }
        if let Some(filter) = &self.filter {
            sql += &format!(" WHERE {filter}");
        }
        sql
    }
}

/// A quoted relation.
pub(super) fn relation(schema: Option<&str>, name: &str) -> String {
    schema.map_or_else(|| quote_identifier(name), |schema| qualified(schema, name))
}
