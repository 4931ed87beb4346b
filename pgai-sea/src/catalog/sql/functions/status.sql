-- One row per vectorizer that the reader may know of: what it reads, where it writes and how much is left to do. pending_items is null for roles
-- that may not read the queue.
create or replace view ai.vectorizer_status with (security_barrier = true) as
select v.id
     , v.name
     , format('%I.%I', v.source_schema, v.source_table) as source_table
     , case when d.implementation = 'table' then format('%I.%I', d.target_schema, d.target_table) end as target_table
     , case when d.implementation = 'table' then format('%I.%I', d.view_schema, d.view_name) end as view
     , case when d.implementation = 'column' then quote_ident(d.embedding_column) else 'embedding' end as embedding_column
     , case when has_schema_privilege(n.oid, 'usage') and has_table_privilege(q.oid, 'select') and not row_security_active(q.oid)
            then ai.vectorizer_queue_pending(v.id)
       end as pending_items
     , v.disabled
from (select * from ai.vectorizer x where ai._vectorizer_is_readable(x) offset 0) v
cross join jsonb_to_record(case jsonb_typeof(v.config -> 'destination') when 'object' then v.config -> 'destination' else '{}' end) d
    ( implementation text, target_schema text, target_table text, view_schema text, view_name text, embedding_column text )
left join pg_namespace n on n.nspname = v.queue_schema
left join pg_class q on q.relnamespace = n.oid and q.relname = v.queue_table and q.relkind = 'r';
