-- Follows renames for those who know the source by name. If a source's table or columns were renamed, its vectorizer
-- goes on with the names that it was created with: in ai.vectorizer, in the queue and in the store. A refresh writes
-- today's names there, for applications that look for the store's key, and for pgai's worker, which knows no other
-- names. The view keeps the names of its columns, as PostgreSQL's views do, so that its readers go on.
--
-- Rows can come and go without firing a trigger: with a partition that is attached, detached, or truncated by its own
-- name. So a refresh also queues rows without embeddings, and keys of embeddings without a row, which a worker then
-- deletes.

create or replace function ai._vectorizer_queue_differences(v ai.vectorizer)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $func$
declare
    queue text := format('%I.%I', v.queue_schema, v.queue_table);
    source text := format('%I._vectorizer_src_%s', v.queue_schema, v.id);
    store text;
    columns text;
    same_key text;
    role text := current_setting('role');
    owner name := pg_get_userbyid(ai._vectorizer_owner(v));
begin
    -- the owner's triggers and views run code of the owner
    if owner <> current_user and pg_has_role(owner, 'member') then
        perform set_config('role', owner, true);
    end if;
    select string_agg(quote_ident(name), ', ' order by attnum)
         , string_agg(format('t.%1$I %2$s s.%1$I', name, equals), ' and ' order by attnum)
    into columns, same_key
    from ai._vectorizer_columns(v)
    where pknum is not null;
    if v.config #>> '{destination,implementation}' = 'column' then
        execute format('insert into %s (%s, queued_at) select %s, $1 from %s s where s.%I is null'
            , queue, columns, columns, source, v.config #>> '{destination,embedding_column}') using now();
        perform set_config('role', role, true);
        return;
    end if;
    store := format('%I.%I', v.config #>> '{destination,target_schema}', v.config #>> '{destination,target_table}');
    execute format('insert into %1$s (%2$s, queued_at) select %2$s, $1 from %3$s s where not exists (select 1 from %4$s t where %5$s)'
        , queue, columns, source, store, same_key) using now();
    execute format('insert into %1$s (%2$s, queued_at) select distinct %2$s, $1 from %4$s t where not exists (select 1 from %3$s s where %5$s)'
        , queue, columns, source, store, same_key) using now();
    perform set_config('role', role, true);
end
$func$;

-- A template with another name for a column, by the rules of Python's string.Template.
create or replace function ai._vectorizer_rename_in_template(template text, name text, new_name text)
returns text language sql immutable set search_path to pg_catalog, pg_temp
as $func$
    select regexp_replace(template
        , format('(?<!\$)((?:\$\$)*)\$(?:%1$s(?![_a-zA-Z0-9])|\{%1$s\})', name), format('\1${%s}', new_name), 'g')
$func$;

-- The schema of the queue. If it was renamed, the triggers' function leads to it: it is in the same schema as the
-- queue.
create or replace function ai._vectorizer_queue_schema(v ai.vectorizer)
returns name language sql stable set search_path to pg_catalog, pg_temp
as $func$
    select coalesce
    ( (select n.nspname from pg_namespace n where n.nspname = v.queue_schema)
    , (select max(n.nspname::text)
       from pg_proc p
       join pg_namespace n on n.oid = p.pronamespace
       join pg_class q on q.relnamespace = n.oid and q.relname = v.queue_table and q.relowner = p.proowner
       where p.proname = v.trigger_name and pg_has_role(p.proowner, 'member')
       and exists (select from pg_trigger t where t.tgfoid = p.oid)
       having count(*) = 1)
    , v.queue_schema
    )
$func$;

-- Who may read a relation, apart from its owner.
create or replace function ai._vectorizer_readers(relation regclass)
returns name[] language sql stable set search_path to pg_catalog, pg_temp
as $func$
    select coalesce(array_agg(distinct coalesce(r.rolname, 'public')), '{}')
    from pg_class c
    cross join aclexplode(c.relacl) x
    left join pg_roles r on r.oid = x.grantee
    where c.oid = relation and x.privilege_type = 'SELECT' and x.grantee <> c.relowner
$func$;

-- Writes today's names. The source is locked against writers before the vectorizer's row, as a worker that records a
-- failure does, and after the table of vectorizers, as an upgrade does.
create or replace function ai._vectorizer_follow(vectorizer_id int)
returns ai.vectorizer language plpgsql set search_path to pg_catalog, pg_temp
as $func$
declare
    v ai.vectorizer;
    source regclass;
    hidden regclass;
    store regclass;
    view regclass;
    embedding name;
    col record;
    relation text;
    template text;
begin
    lock table ai.vectorizer in row exclusive mode;
    select * into v from ai.vectorizer where id = vectorizer_id;
    if not found then
        raise exception 'there is no vectorizer %', vectorizer_id using errcode = 'no_data_found';
    end if;
    v.queue_schema := ai._vectorizer_queue_schema(v);
    source := ai._vectorizer_source_of_released(v);
    if source is null then
        raise exception 'the source of vectorizer % was dropped', v.name
            using errcode = 'undefined_table', hint = 'Drop the vectorizer: select ai.drop_vectorizer(name, drop_all => true)';
    end if;
    execute format('lock table %s in share row exclusive mode', source);
    select * into v from ai.vectorizer where id = vectorizer_id for no key update;
    if not found then
        perform ai._vectorizer_refuse(vectorizer_id);
    end if;
    v.queue_schema := ai._vectorizer_queue_schema(v);
    hidden := to_regclass(format('%I._vectorizer_src_%s', v.queue_schema, v.id));
    if v.config #>> '{destination,implementation}' = 'table' then
        store := ai._vectorizer_store(v, source);
        if store is null then
            raise exception 'there is no table "%" in the schema "%", which is the store of vectorizer %'
                , v.config #>> '{destination,target_table}', v.config #>> '{destination,target_schema}', v.name
                using errcode = 'undefined_table', hint = 'Where it and its view have both been renamed, give one of them its old name.';
        end if;
        view := ai._vectorizer_view(v, store);
    end if;

    template := v.config #>> '{formatting,template}';
    -- Through names that nothing has, as two columns may have changed names.
    for col in
        select c.name as old_name, '_vectorizer_col_' || c.attnum as new_name, c.pknum is not null as is_key
        from ai._vectorizer_columns(v) c where c.name <> c.attname
        union all
        select '_vectorizer_col_' || c.attnum, c.attname, c.pknum is not null
        from ai._vectorizer_columns(v) c where c.name <> c.attname
    loop
        if col.old_name = any (array(select * from ai._vectorizer_template_names(template))) then
            if col.new_name !~ '^[_a-zA-Z][_a-zA-Z0-9]*$' or col.new_name = 'chunk' then
                raise exception 'formatting: column "%" of % cannot be named in a template', col.new_name, source
                    using hint = 'Rename it to something of a-z, A-Z, 0-9 and _ other than chunk.';
            end if;
            template := ai._vectorizer_rename_in_template(template, col.old_name, col.new_name);
        end if;
        if col.old_name = v.config #>> '{loading,column_name}' then
            v.config := jsonb_set(v.config, '{loading,column_name}', to_jsonb(col.new_name));
        end if;
        if col.old_name = v.config #>> '{destination,partition_by}' then
            v.config := jsonb_set(v.config, '{destination,partition_by}', to_jsonb(col.new_name));
        end if;
        for relation in
            select r from unnest(array
            [ 'view ' || hidden
            , case when col.is_key then format('table %I.%I', v.queue_schema, v.queue_table) end
            , case when col.is_key then format('table %I.%I', v.queue_schema, v.queue_failed_table) end
            , case when col.is_key then 'table ' || store end
            ]) r where r is not null
        loop
            execute format('alter %s rename column %I to %I', relation, col.old_name, col.new_name);
        end loop;
    end loop;
    if template is not null then
        v.config := jsonb_set(v.config, '{formatting,template}', to_jsonb(template));
    end if;

    if store is not null then
        v.config := jsonb_set(v.config, '{destination}', v.config -> 'destination' || (
            select jsonb_build_object('target_schema', n.nspname, 'target_table', c.relname)
            from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = store));
    else
        -- The one column that the view reads and no function does.
        select a.attname into embedding
        from pg_rewrite r
        join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
            and d.refclassid = 'pg_class'::regclass and d.refobjid = source and d.refobjsubid > 0
        join pg_attribute a on a.attrelid = source and a.attnum = d.refobjsubid
        where r.ev_class = hidden and a.attnum not in (select c.attnum from ai._vectorizer_columns(v) c);
        if embedding <> v.config #>> '{destination,embedding_column}' then
            execute format('alter view %s rename column %I to %I', hidden, v.config #>> '{destination,embedding_column}', embedding);
            v.config := jsonb_set(v.config, '{destination,embedding_column}', to_jsonb(embedding));
        end if;
    end if;
    if view is not null then
        v.config := jsonb_set(v.config, '{destination,view_schema}', (select to_jsonb(n.nspname)
            from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = view));
    end if;
    select n.nspname, c.relname into v.source_schema, v.source_table
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = source;
    if exists (select from ai._vectorizer_columns(v)) and exists
        ( select from ai._vectorizer_source_key(source) k
          full join (select c.attnum from ai._vectorizer_columns(v) c where c.pknum is not null) c on c.attnum = k.attnum
          where k.attnum is null or c.attnum is null )
    then
        raise exception 'the primary key of % is not the one that vectorizer % was created with', source, v.name
            using errcode = 'object_not_in_prerequisite_state', hint = 'Drop the vectorizer and create it anew, or restore the key.';
    end if;
    v.source_pk := coalesce(ai._vectorizer_source_pk(source), v.source_pk);
    -- what has another name is the same column, and the same text
    update ai.vectorizer_generation g
    set made_by = jsonb_set(g.made_by, '{partitions}', ai._vectorizer_identity(v.config) -> 'partitions')
    from ai.vectorizer o
    where o.id = _vectorizer_follow.vectorizer_id and g.vectorizer_id = o.id
    and g.made_by -> 'partitions' = ai._vectorizer_identity(o.config) -> 'partitions'
    and g.made_by -> 'partitions' <> ai._vectorizer_identity(v.config) -> 'partitions';
    update ai.vectorizer_generation g
    set made_by = jsonb_set(g.made_by, '{text}', ai._vectorizer_identity(v.config) -> 'text')
    from ai.vectorizer o
    where o.id = _vectorizer_follow.vectorizer_id and g.vectorizer_id = o.id
    and g.made_by -> 'text' = ai._vectorizer_identity(o.config) -> 'text'
    and g.made_by -> 'text' <> ai._vectorizer_identity(v.config) -> 'text';
    update ai.vectorizer
    set source_schema = v.source_schema, source_table = v.source_table, source_pk = v.source_pk, config = v.config
      , queue_schema = v.queue_schema
    where id = vectorizer_id;
    return v;
end
$func$;

-- A table that was given to another role takes its vectorizer along, if the caller may give it.
create or replace function ai._vectorizer_follow_owner(v ai.vectorizer, source regclass)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $func$
declare
    owner oid := (select c.relowner from pg_class c where c.oid = source);
    function regprocedure;
    relation regclass;
    schema name;
begin
    if pg_has_role(ai._vectorizer_owner(v), owner, 'usage') then
        return;
    end if;
    foreach schema in array array[v.queue_schema, coalesce(v.config #>> '{destination,target_schema}', v.queue_schema)] loop
        perform ai._vectorizer_grant('usage', format('schema %I', schema), array[pg_get_userbyid(owner)]);
    end loop;
    for function in
        select p.oid from ai._vectorizer_column_functions(v) p
        union all
        select to_regprocedure(format('%I.%I()', v.queue_schema, v.trigger_name))
    loop
        continue when function is null;
        execute format('alter function %s owner to %I', function, pg_get_userbyid(owner));
    end loop;
    for relation in
        select c.oid
        from (values (v.queue_schema, v.queue_table), (v.queue_schema, v.queue_failed_table)
            , (v.queue_schema, format('_vectorizer_src_%s', v.id)::name)
            , ((v.config #>> '{destination,target_schema}')::name, (v.config #>> '{destination,target_table}')::name)
            , ((v.config #>> '{destination,view_schema}')::name, (v.config #>> '{destination,view_name}')::name)) t (schema, name)
        join pg_namespace n on n.nspname = t.schema
        join pg_class r on r.relnamespace = n.oid and r.relname = t.name
        join pg_class c on c.oid = r.oid or c.oid in (select i.inhrelid from pg_inherits i where i.inhparent = r.oid)
        where c.relowner = ai._vectorizer_owner(v)
    loop
        execute format('alter table %s owner to %I', relation, pg_get_userbyid(owner));
    end loop;
end
$func$;

create or replace function ai.refresh_vectorizer(vectorizer_id int)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $func$
declare
    v ai.vectorizer := ai._vectorizer_follow(vectorizer_id);
    source regclass := format('%I.%I', v.source_schema, v.source_table);
    store regclass := ai._vectorizer_store(v, source);
begin
    perform ai._vectorizer_follow_owner(v, source);
    if ai._vectorizer_is_tenant(source) then
        if v.queue_schema <> v.source_schema then
            raise exception 'the schema of % was distributed by Citus when vectorizer % was there, and every write to it fails', source, v.name
                using errcode = 'object_not_in_prerequisite_state', hint = 'Drop the vectorizer and create it anew.';
        end if;
        -- Citus writes a view whose columns were renamed with the names of before.
        execute format('drop view if exists %I._vectorizer_src_%s', v.queue_schema, v.id);
    end if;
    if to_regclass(format('%I._vectorizer_src_%s', v.queue_schema, v.id)) is null then
        perform ai._vectorizer_recover(v, source);
    else
        perform ai._vectorizer_drop_columns(v);
        perform ai._vectorizer_create_columns(v, source);
    end if;
    -- A release has dropped the view. So may have who wanted another type for a column that only the view names.
    if store is not null and ai._vectorizer_view(v, store) is null
    and to_regclass(format('%I.%I', v.config #>> '{destination,view_schema}', v.config #>> '{destination,view_name}')) is null then
        perform ai._vectorizer_create_view(v, source, ai._vectorizer_readers(store));
    end if;
    perform ai._vectorizer_create_triggers(v, source);
    perform ai._vectorizer_protect_store(v, source);
    perform ai._vectorizer_queue_differences(v);
end
$func$;

create or replace function ai.refresh_vectorizer(name text)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
begin
    perform ai.refresh_vectorizer(ai._vectorizer_id(name));
end
$$;
