//! Tables that are too large to be counted, and parts of them that are not.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use crate::catalog::Vectorizer;
use crate::catalog::presence::scalar;
use crate::sql::{qualified, quote_identifier};

/// So many pages of a table are looked into.
const PAGES: i64 = 300;

/// A table of which the role may read every row. Policies would run functions of whoever wrote them.
#[derive(Debug)]
pub(in crate::catalog) struct Relation {
    /// Quoted.
    pub(in crate::catalog) name: String,
    oid: i64,
    /// With those of its partitions or children.
    pages: i64,
}

// Names are looked up in the system catalogs: to_regclass takes a right on the schema.
const FOUND: &str = "
SELECT n.nspname::text, c.relname::text, c.oid::bigint,
       (WITH RECURSIVE tree AS (
            SELECT c.oid AS relation
            UNION
            SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.relation)
        SELECT coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(relation::regclass)), 0)::bigint
            / pg_catalog.current_setting('block_size')::bigint FROM tree)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND pg_catalog.has_schema_privilege(n.oid, 'usage')
    AND pg_catalog.has_table_privilege(c.oid, 'select') AND NOT pg_catalog.row_security_active(c.oid)";

/// The table of this name; `None` if there is none, or some of it may not be read.
pub(in crate::catalog) async fn relation<C: ConnectionTrait>(
    db: &C,
    schema: &str,
    table: &str,
) -> Result<Option<Relation>, DbErr> {
    let sql = format!("{FOUND} AND n.nspname = $1 AND c.relname = $2");
    find(db, sql, [schema.into(), table.into()]).await
}

/// A vectorizer's source, whatever it is called by now: the table that its triggers are on.
pub(in crate::catalog) async fn source<C: ConnectionTrait>(db: &C, vectorizer: i32) -> Result<Option<Relation>, DbErr> {
    let sql = format!(
        "{FOUND} AND c.oid = (
            SELECT t.tgrelid FROM ai.vectorizer v
            JOIN pg_catalog.pg_namespace q ON q.nspname = v.queue_schema
            JOIN pg_catalog.pg_proc p ON p.pronamespace = q.oid AND p.proname = v.trigger_name
            JOIN pg_catalog.pg_trigger t ON t.tgfoid = p.oid AND t.tgparentid = 0::oid
            WHERE v.id = $1 LIMIT 1)"
    );
    find(db, sql, [vectorizer.into()]).await
}

async fn find<C: ConnectionTrait>(
    db: &C,
    sql: String,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<Relation>, DbErr> {
    let found = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let Some(row) = db.query_one_raw(found).await? else {
        return Ok(None);
    };
    let text = |index| -> Result<String, DbErr> { row.try_get_by_index(index) };
    Ok(Some(Relation {
        name: qualified(&text(0)?, &text(1)?),
        oid: row.try_get_by_index(2)?,
        pages: row.try_get_by_index(3)?,
    }))
}

/// Whether there is something of this name, whoever may read it.
const EXISTS: &str = "
SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2)";

/// Why a vectorizer's queue cannot be read, or its source is not there; `None` if all is well.
pub(super) async fn why_unreadable<C: ConnectionTrait>(
    db: &C,
    vectorizer: &Vectorizer,
    has_queue: bool,
    has_source: bool,
) -> Result<Option<String>, DbErr> {
    let Vectorizer { name, .. } = vectorizer;
    if !has_queue {
        let (Some(schema), Some(table)) = (&vectorizer.queue_schema, &vectorizer.queue_table) else {
            return Ok(Some(format!(
                "it has no queue: drop vectorizer {name} and create it anew"
            )));
        };
        let queue = qualified(schema, table);
        if !exists(db, schema, table).await? {
            return Ok(Some(format!(
                "its queue {queue} is gone: drop vectorizer {name} and create it anew"
            )));
        }
        if is_hidden(db, schema, table).await? {
            return Ok(Some(format!(
                "row-level security may hide rows of its queue {queue}: run `ALTER TABLE {queue} DISABLE ROW \
                 LEVEL SECURITY`"
            )));
        }
        let role: String = scalar(db, "SELECT current_user::text").await?;
        let (schema, role) = (quote_identifier(schema), quote_identifier(&role));
        return Ok(Some(format!(
            "its queue {queue} is no table, or this role may not read it: run `GRANT USAGE ON SCHEMA {schema} TO \
             {role}; GRANT SELECT ON {queue} TO {role}`"
        )));
    }
    let (schema, table) = (&vectorizer.source_schema, &vectorizer.source_table);
    if !has_source && source(db, vectorizer.id).await?.is_none() && !exists(db, schema, table).await? {
        let table = qualified(schema, table);
        return Ok(Some(format!("its source {table} is gone: drop vectorizer {name}")));
    }
    Ok(None)
}

/// Whether policies hold for this role.
async fn is_hidden<C: ConnectionTrait>(db: &C, schema: &str, table: &str) -> Result<bool, DbErr> {
    let sql = "SELECT pg_catalog.row_security_active(c.oid)
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = $1 AND c.relname = $2";
    let asked = Statement::from_sql_and_values(DbBackend::Postgres, sql, [schema.into(), table.into()]);
    let row = db.query_one_raw(asked).await?;
    row.map_or(Ok(false), |row| row.try_get_by_index(0))
}

async fn exists<C: ConnectionTrait>(db: &C, schema: &str, table: &str) -> Result<bool, DbErr> {
    let asked = Statement::from_sql_and_values(DbBackend::Postgres, EXISTS, [schema.into(), table.into()]);
    let row = db.query_one_raw(asked).await?;
    row.map_or(Ok(false), |row| row.try_get_by_index(0))
}

impl Relation {
    /// Some of its pages, for a `FROM` clause, and their share of all. Whatever was deleted from the others, these are
    /// as likely as any.
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub(super) fn part(&self) -> (String, f64) {
        let share = (PAGES as f64 / self.pages.max(1) as f64).min(1.0);
        (
            format!("(SELECT * FROM {} TABLESAMPLE SYSTEM ({}))", self.name, share * 100.0),
            share,
        )
    }

    /// Whether it has all of these columns.
    pub(in crate::catalog) async fn has_columns<C: ConnectionTrait>(
        &self,
        db: &C,
        names: &[&str],
    ) -> Result<bool, DbErr> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let sql = "SELECT NOT EXISTS (SELECT FROM pg_catalog.unnest($2::text[]) w (name) WHERE NOT EXISTS (
                       SELECT FROM pg_catalog.pg_attribute a
                       WHERE a.attrelid = $1::bigint::oid AND a.attname = w.name AND a.attnum > 0
                           AND NOT a.attisdropped))";
        let asked = Statement::from_sql_and_values(DbBackend::Postgres, sql, [self.oid.into(), names.into()]);
        let row = db.query_one_raw(asked).await?;
        row.ok_or_else(|| DbErr::RecordNotFound("an answer".to_owned()))?
            .try_get_by_index(0)
    }
}
