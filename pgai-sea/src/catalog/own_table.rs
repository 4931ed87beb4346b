//! The tables that a vectorizer's row names.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use crate::sql::qualified;

const IS_OTHER: &str = "
SELECT c.relkind IN ('r', 'p') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2
AND (c.relkind NOT IN ('r', 'p') OR pg_catalog.row_security_active(c.oid))";

/// The quoted name of a table. Something else of that name is refused: a view would run code of whoever wrote the row,
/// with the rights of whoever reads.
pub(super) async fn own_table<C: ConnectionTrait>(db: &C, schema: &str, table: &str) -> Result<String, DbErr> {
    let is_other = Statement::from_sql_and_values(DbBackend::Postgres, IS_OTHER, [schema.into(), table.into()]);
    let name = qualified(schema, table);
    if let Some(other) = db.query_one_raw(is_other).await? {
        if other.try_get_by_index(0)? {
            // its policies would run functions of whoever wrote them
            return Err(DbErr::Custom(format!(
                "row-level security may hide rows of {name} from this role: run `ALTER TABLE {name} DISABLE ROW LEVEL \
                 SECURITY` as its owner"
            )));
        }
        return Err(DbErr::Custom(format!(
            "{name} is not a table, though a row of ai.vectorizer names it as one: correct the row, or drop the \
            vectorizer"
        )));
    }
    Ok(name)
}

/// Whose role a transaction takes, and gives back.
const OWNER: &str = "
SELECT o.rolname::text, pg_catalog.current_setting('role')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
WHERE n.nspname = $1 AND c.relname = $2 AND o.rolname <> current_user AND pg_catalog.pg_has_role(o.oid, 'member')";

/// Takes the role of a table's owner, if this role may. Triggers of the owner then run with the owner's rights. Returns
/// what gives the role back; without it, the role holds until the transaction ends.
pub(super) async fn act_as_owner<C: ConnectionTrait>(
    db: &C,
    schema: &str,
    table: &str,
) -> Result<Option<Statement>, DbErr> {
    let owner = Statement::from_sql_and_values(DbBackend::Postgres, OWNER, [schema.into(), table.into()]);
    let Some(row) = db.query_one_raw(owner).await? else {
        return Ok(None);
    };
    let (owner, before): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let take = |role: String| {
        let sql = "SELECT pg_catalog.set_config('role', $1, true)";
        Statement::from_sql_and_values(DbBackend::Postgres, sql, [role.into()])
    };
    db.query_one_raw(take(owner)).await?;
    Ok(Some(take(before)))
}
