//! The columns that a vectorizer names, looked up in its source.

use super::source_relation::{SourceColumn, SourceRelation};
use super::unsupported;
use crate::catalog::Vectorizer;
use crate::sql::qualified;
use crate::text::{PythonType, TemplateError};
use crate::worker::batch::stop_reason::StopReason;
use crate::worker::queue::key_sql::{KeySql, TypedKeyColumn, has_one_text};

/// The source's columns, and whose they are.
pub(super) struct Columns<'v> {
    pub(super) vectorizer: &'v Vectorizer,
    pub(super) relation: SourceRelation,
}

impl Columns<'_> {
    pub(super) fn find(&self, name: &str) -> Option<&SourceColumn> {
        self.relation.columns.iter().find(|column| column.name == name)
    }

    pub(super) fn table(&self) -> String {
        qualified(&self.relation.schema, &self.relation.name)
    }

    pub(super) fn loaded(&self, name: &str) -> Result<&SourceColumn, StopReason> {
        let missing = || {
            unsupported(format!(
                "{} has no column `{name}`, whose text it embeds: if it was renamed, rename it back, or tell the \
                 vectorizer with \
                 `update ai.vectorizer set config = jsonb_set(config, '{{loading,column_name}}', '\"<new name>\"') \
                 where id = {}`",
                self.table(),
                self.vectorizer.id
            ))
        };
        self.find(name).ok_or_else(missing)
    }

    pub(super) fn key(&self, name: &str) -> Result<&SourceColumn, StopReason> {
        let missing = || {
            let number = self.vectorizer.source_pk.iter().find(|key| key.attname == name);
            let now = number.and_then(|key| self.relation.columns.iter().find(|column| column.attnum == key.attnum));
            let now = now.map_or_else(String::new, |now| format!(" (it may be `{}` now)", now.name));
            unsupported(format!(
                "{} has no column `{name}`, by which its rows are known{now}: rename it back, or drop the vectorizer \
                 and create it anew",
                self.table()
            ))
        };
        self.find(name).ok_or_else(missing)
    }

    pub(super) fn template_type(&self, name: &str) -> Result<PythonType, StopReason> {
        let missing = || unsupported(TemplateError::Missing { name: name.to_owned() }.to_string());
        Ok(PythonType::of(&self.find(name).ok_or_else(missing)?.base_type))
    }
}

/// How the vectorizer's tables and keys are written. The keys' columns come in the catalog's order.
pub(super) fn key_sql(columns: &Columns<'_>, key_order: &[String], is_bytes: bool) -> Result<KeySql, StopReason> {
    let vectorizer = columns.vectorizer;
    let (Some(queue_schema), Some(queue_table)) = (&vectorizer.queue_schema, &vectorizer.queue_table) else {
        return Err(unsupported("it has no queue".into()));
    };
    let key = |name: &String| {
        let column = columns.key(name)?;
        Ok(TypedKeyColumn {
            name: name.clone(),
            sql_type: column.sql_type.clone(),
            equals: column.equals.clone().unwrap_or_else(|| "=".to_owned()),
            has_one_text: has_one_text(&column.base_type),
        })
    };
    Ok(KeySql {
        id: vectorizer.id,
        source: columns.table(),
        queue: qualified(queue_schema, queue_table),
        failed: vectorizer
            .queue_failed_table
            .as_ref()
            .map(|table| qualified(queue_schema, table)),
        keys: key_order.iter().map(key).collect::<Result<_, StopReason>>()?,
        is_bytes,
    })
}
