//! What renamed sources are called by now, where the catalog can be told of it.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};

/// The names of a source today, and those that a vectorizer has for its columns.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) schema: String,
    pub(super) table: String,
    columns: HashMap<String, String>,
}

#[derive(FromQueryResult)]
struct Column {
    id: i32,
    schema: String,
    table: String,
    name: String,
    now: String,
}

/// By vectorizer's id. Nothing on pgai's catalog, which follows no rename and has no `ai.refresh_vectorizer`.
pub(super) async fn of_today<C: ConnectionTrait>(db: &C) -> Result<HashMap<i32, Names>, DbErr> {
    let sql = |text: &str| Statement::from_string(DbBackend::Postgres, text);
    let follows = db
        .query_one_raw(sql(
            "SELECT pg_catalog.to_regprocedure('ai.refresh_vectorizer(integer)') IS NOT NULL",
        ))
        .await?;
    if !follows.map_or(Ok(false), |row| row.try_get_by_index(0))? {
        return Ok(HashMap::new());
    }
    let columns = Column::find_by_statement(sql(
        "SELECT DISTINCT v.id, s.nspname::text AS schema, c.relname::text AS table, k.name, k.attname::text AS now
         FROM ai.vectorizer v CROSS JOIN LATERAL ai._vectorizer_columns(v) k
         JOIN pg_catalog.pg_namespace n ON n.nspname = v.queue_schema
         JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid AND p.proname = v.trigger_name
         JOIN pg_catalog.pg_trigger t ON t.tgfoid = p.oid AND t.tgparentid = 0::oid
         JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
         JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace",
    ))
    .all(db)
    .await?;
    let mut names = HashMap::new();
    for column in columns {
        let Column {
            id,
            schema,
            table,
            name,
            now,
        } = column;
        let of_source = names.entry(id).or_insert_with(|| Names {
            schema,
            table,
            columns: HashMap::new(),
        });
        of_source.columns.insert(name, now);
    }
    Ok(names)
}

impl Names {
    /// What the column is called today that the vectorizer calls `name`.
    pub(super) fn column<'n>(&'n self, name: &'n str) -> &'n str {
        self.columns.get(name).map_or(name, String::as_str)
    }
}

/// A template with other names for columns, all in braces: how it is written makes no difference then.
pub(super) fn template<'t>(template: &'t str, name: impl Fn(&'t str) -> &'t str) -> String {
    let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let mut named = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        named.push_str(before);
        let braced = after.strip_prefix('{');
        let inner = braced.unwrap_or(after);
        let end = inner.find(|c| !is_name(c)).unwrap_or(inner.len());
        let begins = inner.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
        let closed = braced.is_none() || inner[end..].starts_with('}');
        if begins && closed {
            named.push_str("${");
            named.push_str(name(&inner[..end]));
            named.push('}');
            rest = &inner[end + usize::from(braced.is_some())..];
        } else if let Some(after) = after.strip_prefix('$') {
            named.push_str("$$");
            rest = after;
        } else {
            named.push('$');
            rest = after;
        }
    }
    named.push_str(rest);
    named
}

#[cfg(test)]
mod tests {
    use super::template;

    #[test]
    fn names_are_replaced_once_and_dollars_stay() {
        let renamed = |name| match name {
            "title" => "heading",
            "heading" => "title",
            other => other,
        };
        assert_eq!(
            template("$$title $title${title}$$$heading $titles ${title $chunk $5 $", renamed),
            "$$title ${heading}${heading}$$${title} ${titles} ${title ${chunk} $5 $"
        );
    }
}
