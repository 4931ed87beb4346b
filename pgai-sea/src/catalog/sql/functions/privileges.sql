-- Whose a vectorizer is, and who sees what of it.

-- Roles that look after all vectorizers: the schema's owner, and whom ai.grant_vectorizer_usage(role, admin => true) has granted it.
create or replace function ai._vectorizer_is_admin()
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$ select has_table_privilege('ai._vectorizer_errors', 'delete') $$;

-- The owner of a vectorizer is the owner of its queue, or of what is left of it. Null if nothing is left.
create or replace function ai._vectorizer_owner(v ai.vectorizer)
returns oid language sql stable set search_path to pg_catalog, pg_temp
as $$
    select coalesce
    ( (select q.relowner from pg_class q join pg_namespace n on n.oid = q.relnamespace
       where n.nspname = v.queue_schema and q.relname = v.queue_table)
    , (select p.proowner from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where n.nspname = v.queue_schema and p.proname = v.trigger_name and p.pronargs = 0)
    , (select s.relowner from pg_class s join pg_namespace n on n.oid = s.relnamespace
       where n.nspname = v.source_schema and s.relname = v.source_table)
    )
$$;

-- Who may drop a vectorizer, switch it off and change its configuration.
create or replace function ai._vectorizer_is_owned(v ai.vectorizer)
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$ select ai._vectorizer_is_admin() or coalesce(pg_has_role(ai._vectorizer_owner(v), 'usage'), false) $$;

-- What of the objects that a row of ai.vectorizer names is not the vectorizer's: the queue, the dead letters and the store have to be
-- tables, and the trigger function a function, of one owner, who has the source too. Whoever reads or empties what the row names would
-- otherwise run somebody else's code, or touch somebody else's rows. What does not exist is nobody's. Null if all is well.
create or replace function ai._vectorizer_foreign_object(v ai.vectorizer)
returns text language sql stable set search_path to pg_catalog, pg_temp
as $$
    select format('%I.%I', o.schema, o.name)
    from
    ( select 1, n.nspname, c.relname, c.relkind = any (t.kinds) and c.relowner = ai._vectorizer_owner(v)
      from (values (v.queue_schema, v.queue_table, array['r'::"char"]), (v.queue_schema, v.queue_failed_table, array['r'::"char"])
          , ((v.config #>> '{destination,target_schema}')::name, (v.config #>> '{destination,target_table}')::name
            , array['r'::"char", 'p'])) t (schema, name, kinds)
      join pg_namespace n on n.nspname = t.schema
      join pg_class c on c.relnamespace = n.oid and c.relname = t.name
      union all
      select 2, n.nspname, p.proname, p.proowner = ai._vectorizer_owner(v)
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname = v.queue_schema and p.proname = v.trigger_name and p.pronargs = 0
      union all
      select 3, n.nspname, c.relname, pg_has_role(ai._vectorizer_owner(v), c.relowner, 'usage')
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = v.source_schema and c.relname = v.source_table
    ) o (place, schema, name, is_own)
    where not o.is_own
    order by o.place
    limit 1
$$;

-- Which rows may be written to ai.vectorizer. An owner writes rows of what is theirs.
create or replace function ai._vectorizer_may_be_written(v ai.vectorizer)
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$
    select ai._vectorizer_is_admin() or ai._vectorizer_foreign_object(v) is null and exists
    ( select from pg_class q join pg_namespace n on n.oid = q.relnamespace
      where n.nspname = v.queue_schema and q.relname = v.queue_table and pg_has_role(q.relowner, 'usage') )
$$;

-- Whether the store that a row names is there. What is not there could be made by anybody. Without a source the row is a leftover.
create or replace function ai._vectorizer_has_store(v ai.vectorizer)
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$
    select ai._vectorizer_is_admin() or v.config #>> '{destination,implementation}' is distinct from 'table'
        or exists
            ( select from pg_class c join pg_namespace n on n.oid = c.relnamespace
              where n.nspname = v.config #>> '{destination,target_schema}' and c.relname = v.config #>> '{destination,target_table}' )
        or not exists
            ( select from pg_class c join pg_namespace n on n.oid = c.relnamespace
              where n.nspname = v.source_schema and c.relname = v.source_table )
$$;

-- Who sees what workers report of a vectorizer: whoever may read its queue, or is its owner, and whoever looks after all vectorizers.
-- The latter may delete errors.
create or replace function ai._vectorizer_is_visible(v ai.vectorizer)
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$
    select ai._vectorizer_is_admin() or exists
    ( select from pg_class q
      join pg_namespace n on n.oid = q.relnamespace
      where n.nspname = v.queue_schema and q.relname = v.queue_table
      and (pg_has_role(q.relowner, 'usage') or has_table_privilege(q.oid, 'select'))
    )
$$;

-- Who sees its row in ai.vectorizer: also those who may do anything else to the queue, and who search, as they need to know the model.
create or replace function ai._vectorizer_is_readable(v ai.vectorizer)
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$
    select ai._vectorizer_is_owned(v) or exists
    ( select from
        ( values (v.queue_schema, v.queue_table, 'select, insert, update, delete')
               , ( (v.config #>> '{destination,target_schema}')::name
                 , (v.config #>> '{destination,target_table}')::name, 'select' )
               , ( v.source_schema
                 , case when v.config #>> '{destination,implementation}' = 'column' then v.source_table end, 'select' )
        ) t (schema, name, privileges)
      join pg_namespace n on n.nspname = t.schema
      join pg_class c on c.relnamespace = n.oid and c.relname = t.name
      where has_table_privilege(c.oid, t.privileges)
    )
$$;

-- Says why a vectorizer was not found by a statement that changes it.
create or replace function ai._vectorizer_refuse(vectorizer_id int)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    name text := (select v.name from ai.vectorizer v where v.id = vectorizer_id);
begin
    if name is null then
        raise exception 'there is no vectorizer %', vectorizer_id using errcode = 'no_data_found';
    end if;
    raise exception 'only the owner of vectorizer % may do that', name
        using errcode = 'insufficient_privilege', hint = 'The owner of its queue is the owner of a vectorizer.';
end
$$;

-- When a superuser creates a vectorizer of somebody else's table, it becomes the vectorizer of the table's owner. Otherwise the code of
-- the table (its domains, triggers and constraints) would run with the superuser's rights whenever the table is written to.
create or replace function ai._vectorizer_give_queue(v ai.vectorizer, source regclass)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    owner name := (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = source);
    schema name;
begin
    if owner = current_user or not (select rolsuper from pg_roles where rolname = current_user) then
        return;
    end if;
    foreach schema in array array[v.queue_schema, coalesce(v.config #>> '{destination,target_schema}', v.queue_schema)] loop
        perform ai._vectorizer_grant('usage', format('schema %I', schema), array[owner]);
    end loop;
    execute format('alter table %I.%I owner to %I', v.queue_schema, v.queue_table, owner);
end
$$;
