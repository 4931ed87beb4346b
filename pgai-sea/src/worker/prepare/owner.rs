//! Whose a vectorizer is, and whether what its row in the catalog names is its own.
//!
//! A row of `ai.vectorizer` is as trustworthy as the roles that may write it. On this crate's catalog those are its
//! owner, who is the owner of its queue, and the schema's. On pgai's it is whoever was granted to create vectorizers.

use sea_orm::sqlx::Row as _;
use tracing::warn;

use crate::worker::batch::stop_reason::StopReason;
use crate::worker::connection::{Acting, Database, On as _};
use crate::worker::queue::key_sql::{Sql, statement};

/// The owner of a vectorizer.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "embedder"),
    allow(dead_code, reason = "who may name servers is asked by those who ask servers")
)]
pub(crate) struct Owner {
    pub(crate) name: String,
    /// Whether the worker takes its word for where to send texts and keys. Such an owner may do in this database
    /// whatever the worker may do, or more, and nobody else may write its vectorizers' rows.
    pub(crate) is_trusted: bool,
    /// The role that the worker takes to touch the vectorizer's tables: the owner's, if the worker may take it. So code
    /// of the owner runs with the owner's rights, and not with those of a worker that is above it.
    pub(crate) acting: Option<Acting>,
}

const OWNER: &str = "
with named as (
    select v.queue_schema, v.queue_table, v.queue_failed_table
        , (v.config #>> '{destination,target_schema}')::name as target_schema
        , (v.config #>> '{destination,target_table}')::name as target_table
        , '_vectorizer_src_' || v.id::text as view, c.relowner as catalog_owner
        , (select s.relowner from pg_class s join pg_namespace n on n.oid = s.relnamespace
            where n.nspname = v.source_schema and s.relname = v.source_table) as source_owner
        , exists (select from pg_class s join pg_namespace n on n.oid = s.relnamespace where n.nspname = v.source_schema
            and s.relname = v.source_table and s.relrowsecurity) as is_hidden_from_some
        , c.relrowsecurity or not exists (
            select from aclexplode(c.relacl) x left join pg_roles r on r.oid = x.grantee
            where x.privilege_type in ('INSERT', 'UPDATE') and x.grantee <> c.relowner and r.rolsuper is not true
        ) or exists ( -- an earlier version of this crate's catalog, which an upgrade guards
            select from pg_class m where m.relnamespace = c.relnamespace and m.relname = 'pgai_sea_migration'
            and m.relowner = c.relowner
        ) as is_guarded
    from ai.vectorizer v cross join pg_class c
    where v.id = $1 and c.oid = 'ai.vectorizer'::regclass
), owners as (
    select q.relowner as owner, r.rolname::text as name, w.rolname::text as worker
        , array(select t.oid from pg_roles t where t.rolsuper or t.oid = w.oid or t.oid = named.catalog_owner) as
            trusted
        , (select s.rolname::text from pg_roles s where w.rolsuper and not s.rolsuper and s.oid <> catalog_owner
            and s.oid in (q.relowner, source_owner) limit 1) as beneath
        , not r.rolsuper and r.oid <> w.oid
            and (select bool_and(pg_has_role(u, r.oid, case when current_setting('server_version_num')::int >=
                160000 then 'set'
                else 'member' end)) from (values (current_user), (session_user)) u (u))
            and (select bool_and(has_schema_privilege(r.oid, s.oid, 'usage')) from pg_namespace s
                where s.nspname in (queue_schema, target_schema)) as may_act
    from named
    join pg_namespace n on n.nspname = named.queue_schema
    join pg_class q on q.relnamespace = n.oid and q.relname = named.queue_table
    join pg_roles r on r.oid = q.relowner
    join pg_roles w on w.rolname = current_user
)
select name, is_guarded and owner = any (trusted), worker, beneath, may_act, (
    select format('%I.%I', n.nspname, c.relname)
    from (values (queue_schema, queue_table, '{r}'::\"char\"[]), (queue_schema, queue_failed_table, '{r}')
        , (target_schema, target_table, '{r,p}'), (queue_schema, view::name, '{v}')) o (schema, name, kinds)
    join pg_namespace n on n.nspname = o.schema
    join pg_class c on c.relnamespace = n.oid and c.relname = o.name
    where c.relkind <> all (o.kinds) or c.relowner <> owner and c.relowner <> all (trusted)
    limit 1
), (
    select format('%I.%I', n.nspname, t.relname)
    from pg_class t join pg_namespace n on n.oid = t.relnamespace
    where n.nspname = target_schema and t.relname = target_table and not t.relrowsecurity and is_hidden_from_some
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
    let (beneath, foreign): (Option<String>, Option<String>) = (found.try_get(3)?, found.try_get(5)?);
    if let Some(foreign) = foreign {
        return Err(StopReason::Configuration(format!(
            "its row in ai.vectorizer names {foreign}, which is not a table of its owner, {name}: the worker touches \
             nothing of it. Correct the row, give {foreign} to {name}, or drop the vectorizer"
        )));
    }
    if let Some(beneath) = beneath {
        warn!(
            vectorizer,
            "the worker's role {worker} is a superuser, and the vectorizer's tables are of {beneath}: code of \
            {beneath} (domains, \
             triggers, constraints) runs where the worker touches them, and may take back the rights of {worker}. Run \
             the worker as a role that the vectorizer is granted to, or as {name}"
        );
    }
    let exposed: Option<String> = found.try_get(6)?;
    if let Some(store) = exposed {
        warn!(
            vectorizer,
            "the source has row-level security and its embeddings in {store} have none: whoever may read them sees the \
             chunks of all rows. Run `select ai.refresh_vectorizer({vectorizer})`; on pgai's catalog, create policies"
        );
    }
    let may_act: Option<bool> = found.try_get(4)?;
    let acting = (may_act == Some(true)).then(|| Acting::new(&name, &worker));
    Ok(Some(Owner {
        name,
        is_trusted: found.try_get(1)?,
        acting,
    }))
}
