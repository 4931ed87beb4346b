-- Who sees what workers report of a vectorizer: whoever may read its queue, or is its owner, and whoever looks after all vectorizers.
-- The latter may delete errors. ai.grant_vectorizer_usage(role, admin => true) grants it.
create or replace function ai._vectorizer_is_visible(v ai.vectorizer)
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$
    select has_table_privilege('ai._vectorizer_errors', 'delete') or exists
    ( select from pg_class q
      join pg_namespace n on n.oid = q.relnamespace
      where n.nspname = v.queue_schema and q.relname = v.queue_table
      and (pg_has_role(q.relowner, 'usage') or has_table_privilege(q.oid, 'select'))
    )
$$;

-- What went wrong, of the vectorizers that the reader sees. The view reads with its owner's rights, so it chooses the rows itself.
create or replace view ai.vectorizer_errors with (security_barrier = true) as
select e.id, e.message, e.details, e.recorded, v.name
from ai._vectorizer_errors e
join (select v.id, v.name from ai.vectorizer v where ai._vectorizer_is_visible(v) offset 0) v on v.id = e.id;
