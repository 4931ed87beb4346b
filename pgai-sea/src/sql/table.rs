//! Tables as users name them.

use sea_orm::sea_query::{IntoTableRef, SchemaName, TableName, TableRef};

/// The schema, if one is given, and the name of a table: `"posts"`, `("website", "posts")` or an entity's. A name is
/// taken as it is, dots included. `None` is no table's name but a subquery.
pub(crate) fn table_name(table: impl IntoTableRef) -> Option<(Option<String>, String)> {
    match table.into_table_ref() {
        TableRef::Table(TableName(schema, table), _) => {
            let schema = schema.map(|SchemaName(_, schema)| schema.inner().into_owned());
            Some((schema, table.inner().into_owned()))
        }
        _ => None,
    }
}
