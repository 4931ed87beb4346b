//! Whose a vectorizer is, and whether what its row in the catalog names is its own.
//!
//! A row of `ai.vectorizer` is as trustworthy as the roles that may write it. On this crate's catalog those are its
//! owner, who is the owner of its queue, and the schema's. On pgai's it is whoever was granted to create vectorizers.

use sea_orm::sqlx::Row as _;
use tracing::warn;

use crate::worker::batch::stop_reason::StopReason;
use crate::worker::connection::{Database, On as _};
use crate::worker::queue::key_sql::{Sql, statement};

/// The owner of a vectorizer.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) name: String,
    /// Whether the worker takes its word for where to send texts and keys. Such an owner may do in this database
    /// whatever the worker may do, or more, and nobody else may write its vectorizers' rows.
    pub(crate) is_trusted: bool,
}

const OWNER: &str = "
with named as (
    select v.queue_schema, v.queue_table, v.queue_failed_table
        , (v.config #>> '{destination,target_schema}')::name as target_schema
        , (v.config #>> '{destination,target_table}')::name as target_table
        , '_vectorizer_src_' || v.id::text as view, c.relowner as catalog_owner
        , c.relrowsecurity or not exists (
            select from aclexplode(c.relacl) x left join pg_roles r on r.oid = x.grantee
            where x.privilege_type in ('INSERT', 'UPDATE') and x.grantee <> c.relowner and r.rolsuper is not true
        ) as is_guarded
    from ai.vectorizer v cross join pg_class c
    where v.id = $1 and c.oid = 'ai.vectorizer'::regclass
), owners as (
    select q.relowner as owner, r.rolname::text as name, w.rolname::text as worker
        , w.rolsuper and not r.rolsuper and r.oid <> catalog_owner as is_above
        , array(select t.oid from pg_roles t where t.rolsuper or t.oid = w.oid or t.oid = named.catalog_owner) as trusted
    from named
    join pg_namespace n on n.nspname = named.queue_schema
    join pg_class q on q.relnamespace = n.oid and q.relname = named.queue_table
    join pg_roles r on r.oid = q.relowner
    join pg_roles w on w.rolname = current_user
)
select name, is_guarded and owner = any (trusted), worker, is_above, (
    select format('%I.%I', n.nspname, c.relname)
    from (values (queue_schema, queue_table, 'r'::\"char\"), (queue_schema, queue_failed_table, 'r')
        , (target_schema, target_table, 'r'), (queue_schema, view::name, 'v')) o (schema, name, kind)
    join pg_namespace n on n.nspname = o.schema
    join pg_class c on c.relnamespace = n.oid and c.relname = o.name
    where c.relkind <> o.kind or c.relowner <> owner and c.relowner <> all (trusted)
    limit 1
)
from named cross join owners";

/// The owner. `None` for a vectorizer without a queue.
///
/// # Errors
///
/// The row names something that is not the owner's, or is no table: to touch it would run the code of whoever made it,
/// or change somebody else's rows.
pub(crate) async fn owner(pool: &Database, vectorizer: i32) -> Result<Option<Owner>, StopReason> {
    let found = statement(&Sql::from(OWNER)).bind(vectorizer).any_on(pool).await?;
    let Some(found) = found else { return Ok(None) };
    let (name, worker): (String, String) = (found.try_get(0)?, found.try_get(2)?);
    let foreign: Option<String> = found.try_get(4)?;
    if let Some(foreign) = foreign {
        return Err(StopReason::Configuration(format!(
            "its row in ai.vectorizer names {foreign}, which is not a table of its owner, {name}: the worker touches \
             nothing of it. Correct the row, give {foreign} to {name}, or drop the vectorizer"
        )));
    }
    if found.try_get(3)? {
        warn!(
            "the worker's role {worker} is a superuser, and vectorizer {vectorizer} is of {name}: code of {name}'s \
             tables (domains, triggers, constraints) runs where the worker writes. Run the worker as a role that \
             the vectorizer is granted to, or as {name}"
        );
    }
    Ok(Some(Owner {
        name,
        is_trusted: found.try_get(1)?,
    }))
}
