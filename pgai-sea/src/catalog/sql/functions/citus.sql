-- Citus, where schemas are distributed: a tenant each. Such a schema is on one node, and each of its tables is one shard
-- there. Everything of a vectorizer is in the schema of its source, so it is on the same node, and moves along with it.
--
-- The triggers run on the shard. They see rows one by one and read columns by name. They wake no worker, as workers wait
-- on the coordinator.

-- Whether a catalog of Citus has an object. It is looked for by its name, as it is there only with Citus. One that
-- somebody else has called so is left aside.
create or replace function ai._vectorizer_citus_has(catalog name, col name, object oid)
returns bool language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    found bool;
    relation regclass;
begin
    for relation in
        select c.oid
        from pg_class c
        join pg_roles r on r.oid = c.relowner and r.rolsuper
        join pg_attribute a on a.attrelid = c.oid and not a.attisdropped and a.attname = col
        where c.relkind = 'r' and c.relname = catalog
    loop
        execute format('select exists (select from %s d where d.%I::oid = $1)', relation, col) into found using object;
        if found then
            return true;
        end if;
    end loop;
    return false;
end
$$;

-- Whether a table is in a schema that is distributed.
create or replace function ai._vectorizer_is_tenant(source regclass)
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$
    select ai._vectorizer_citus_has('pg_dist_schema', 'schemaid', c.relnamespace)
    from pg_class c
    where c.oid = source
$$;

-- Makes a table of the vectorizer what its source is. Citus distributes what a statement of the session creates, and not
-- what a function does.
create or replace function ai._vectorizer_distribute(relation text, source regclass)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
begin
    if ai._vectorizer_is_tenant(source) then
        execute 'select create_distributed_table($1::regclass, null, colocate_with => $2)' using relation, source::text;
    end if;
end
$$;

-- Refuses a table that Citus distributes, except one of a schema per tenant. Each shard is a table of its own: triggers
-- run there, where neither the catalog nor tables of other schemas are, and every later write would fail.
create or replace function ai._vectorizer_check_citus(source regclass)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    is_distributed bool := ai._vectorizer_citus_has('pg_dist_partition', 'logicalrelid', source);
    message text;
    remedy text;
begin
    if not ai._vectorizer_is_tenant(source) then
        if is_distributed then
            message := '% is distributed by Citus, where a vectorizer cannot work: every later write to it would fail';
            remedy := 'Distribute its schema (citus_schema_distribute), or make the table local to the coordinator (undistribute_table).';
        end if;
    elsif not is_distributed then
        message := '% is in a schema that is distributed by Citus, and is a table of the coordinator alone';
        remedy := 'Create the table by a statement of its own, and not in a function: Citus distributes it then.';
    elsif ai._vectorizer_source_is_divided(source) then
        message := '% is distributed by Citus and partitioned: a partition''s triggers would run apart from the queue';
        remedy := 'Create the vectorizer on a table that is not partitioned.';
    elsif (select c.relrowsecurity from pg_class c where c.oid = source) then
        message := '% is distributed by Citus and has row-level security: its embeddings would need a policy that reads it, '
            'which Citus does not have';
        remedy := format('Keep a tenant''s schema from others by grants: alter table %s disable row level security', source);
    elsif current_setting('citus.enable_unsafe_triggers', true)::bool is not true then
        message := '% is distributed by Citus, which refuses triggers unless citus.enable_unsafe_triggers is on';
        remedy := format('On the coordinator: alter database %I set citus.enable_unsafe_triggers = on, then connect anew', current_database());
    end if;
    if message is not null then
        raise exception using errcode = 'feature_not_supported', message = replace(message, '%', source::text), hint = remedy;
    end if;
end
$$;

-- Refuses what a vectorizer of a tenant's table cannot have.
create or replace function ai._vectorizer_check_tenant(source regclass, source_schema name, destination jsonb, queue_schema name)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
begin
    if not ai._vectorizer_is_tenant(source) then
        return;
    elsif destination ->> 'implementation' = 'column' then
        raise exception 'destination: % is distributed by Citus, where a worker cannot write into a column of it', source
            using errcode = 'feature_not_supported', hint = 'Use ai.destination_table().';
    elsif source_schema <> any (array[queue_schema, destination ->> 'target_schema', destination ->> 'view_schema']) then
        raise exception '% is in a schema that is distributed by Citus, and its queue, embeddings and view have to be in it, too', source
            using errcode = 'feature_not_supported', hint = 'Leave out queue_schema, target_schema and view_schema.';
    end if;
end
$$;
