-- What a store has beside its columns, for the store of another generation: who may do what with it, row-level
-- security, and indexes.

-- An index's definition without its name, its table, the column of vectors and their length: what is the same in two
-- generations.
create or replace function ai._vectorizer_index_shape(index regclass, embedding_column name, dimensions int)
returns text language sql stable set search_path to pg_catalog, pg_temp
as $$
    select case when i.indisunique then 'unique ' else '' end
        || regexp_replace
        ( replace(regexp_replace(pg_get_indexdef(index), '^CREATE (?:UNIQUE )?INDEX .*? USING ', ''), format('(%s)', dimensions), '(?)')
        , '(?<![\w"])' || quote_ident(embedding_column) || '(?![\w"])', '#', 'g')
    from pg_index i
    where i.indexrelid = index
$$;

create or replace function ai._vectorizer_copy_rights(from_relation regclass, to_relation regclass)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    x record;
begin
    for x in
        select g.privilege_type || case when a.attname is null then '' else format(' (%I)', a.attname) end as privilege, g.is_grantable
             , case when g.grantee = 0 then 'public' else g.grantee::regrole::text end as grantee
        from pg_class c
        cross join lateral
        ( select null::name as attname, c.relacl as acl
          union all
          select a.attname, a.attacl from pg_attribute a where a.attrelid = c.oid and not a.attisdropped
        ) a
        cross join aclexplode(a.acl) g
        where c.oid = from_relation and g.grantee <> c.relowner
    loop
        execute format('grant %s on %s to %s%s', x.privilege, to_relation, x.grantee
            , case when x.is_grantable then ' with grant option' end);
    end loop;
end
$$;

create or replace function ai._vectorizer_copy_row_security(from_relation regclass, to_relation regclass)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    p record;
    c pg_class;
begin
    select * into c from pg_class where oid = from_relation;
    if c.relrowsecurity then
        execute format('alter table %s enable row level security', to_relation);
    end if;
    if c.relforcerowsecurity then
        execute format('alter table %s force row level security', to_relation);
    end if;
    for p in
        select o.polname
             , case when o.polpermissive then 'permissive' else 'restrictive' end as kind
             , case o.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end as command
             , (select string_agg(case when r = 0 then 'public' else r::regrole::text end, ', ') from unnest(o.polroles) r) as roles
             , pg_get_expr(o.polqual, o.polrelid) as condition, pg_get_expr(o.polwithcheck, o.polrelid) as written
        from pg_policy o
        where o.polrelid = from_relation
        and not exists (select from pg_policy t where t.polrelid = to_relation and t.polname = o.polname)
    loop
        execute format('create policy %I on %s as %s for %s to %s%s%s', p.polname, to_relation, p.kind, p.command, p.roles
            , ' using (' || p.condition || ')', ' with check (' || p.written || ')');
    end loop;
end
$$;

-- Indexes that the application made: all of a store, or those over a column of vectors. The one that the configuration
-- asks for is left to the worker, which builds it when the vectors are there.
create or replace function ai._vectorizer_copy_indexes
( from_relation regclass, to_relation regclass, embedding_column name, new_column name, dimensions int, new_dimensions int, indexing jsonb )
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    x record;
begin
    for x in
        select i.indisunique, s.shape
        from pg_index i
        join pg_class c on c.oid = i.indexrelid
        join pg_am m on m.oid = c.relam
        cross join lateral ai._vectorizer_index_shape(i.indexrelid, embedding_column, dimensions) s (shape)
        where i.indrelid = from_relation and i.indisvalid and not i.indisprimary
        and not (m.amname = indexing ->> 'implementation' and i.indexprs is null)
        and (from_relation <> to_relation or s.shape like '%#%')
        and not exists (select from pg_index o
            where o.indrelid = to_relation and ai._vectorizer_index_shape(o.indexrelid, new_column, new_dimensions) = s.shape)
    loop
        execute format('create %s index on %s using %s', case when x.indisunique then 'unique' end, to_relation
            , replace(replace(regexp_replace(x.shape, '^unique ', ''), '(?)', format('(%s)', new_dimensions)), '#', quote_ident(new_column)));
    end loop;
end
$$;

-- Copies all of it to a new generation.
create or replace function ai._vectorizer_copy_store(v ai.vectorizer, other ai.vectorizer, source regclass)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    dimensions int := v.config #>> '{embedding,dimensions}';
    new_dimensions int := other.config #>> '{embedding,dimensions}';
    store regclass;
    new_store regclass;
    view regclass;
    new_view regclass;
begin
    if v.config #>> '{destination,implementation}' = 'column' then
        perform ai._vectorizer_copy_indexes(source, source, v.config #>> '{destination,embedding_column}'
            , other.config #>> '{destination,embedding_column}', dimensions, new_dimensions, other.config -> 'indexing');
        return;
    end if;
    store := format('%I.%I', v.config #>> '{destination,target_schema}', v.config #>> '{destination,target_table}');
    new_store := format('%I.%I', other.config #>> '{destination,target_schema}', other.config #>> '{destination,target_table}');
    if exists (select from pg_attribute a where a.attrelid = store and a.attname = 'chunk_byte_start' and not a.attisdropped) then
        perform ai._vectorizer_add_places(new_store);
    end if;
    perform ai._vectorizer_copy_rights(store, new_store);
    perform ai._vectorizer_copy_row_security(store, new_store);
    perform ai._vectorizer_copy_indexes(store, new_store, 'embedding', 'embedding', dimensions, new_dimensions, other.config -> 'indexing');
    view := ai._vectorizer_view(v, store);
    new_view := ai._vectorizer_view(other, new_store);
    if view is null then
        return;
    end if;
    perform ai._vectorizer_copy_rights(view, new_view);
    if not exists (select from pg_class c where c.oid = view and 'security_invoker=true' = any (c.reloptions)) then
        execute format('alter view %s reset (security_invoker)', new_view);
    end if;
end
$$;
