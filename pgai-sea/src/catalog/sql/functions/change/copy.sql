-- What a store has beside its columns, for the store of another generation: who may do what with it, row-level
-- security, and indexes.

-- A part of an index's definition for another column of vectors and another length of them. A part with a literal stays as it
-- is: nothing tells a name within it from a name.
create or replace function ai._vectorizer_index_part(part text, embedding_column name, new_column name, dimensions int, new_dimensions int)
returns text language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select case when part ~ '''' then part else regexp_replace
        ( replace(part, format('(%s)', dimensions), format('(%s)', new_dimensions))
        , '(?<![\w"])' || regexp_replace(quote_ident(embedding_column), '([][\\^$.|?*+(){}])', '\\\1', 'g') || '(?![\w"])'
        , replace(quote_ident(new_column), '\', '\\'), 'g')
        end
$$;

-- What follows the table's name in a statement that makes an index like this one, for another column of vectors, another
-- length, and another type of vectors if there is one. It is put together from the catalog: whoever made the index may have written any text into it.
create or replace function ai._vectorizer_index_definition
( index regclass, embedding_column name, new_column name, dimensions int, new_dimensions int, new_type text )
returns text language sql stable set search_path to pg_catalog, pg_temp
as $$
    select format('using %I (%s)%s%s%s%s', m.amname, k.keys, ' include (' || k.included || ')'
        , case when to_jsonb(i) ->> 'indnullsnotdistinct' = 'true' then ' nulls not distinct' end
        , ' with (' || (select string_agg(format('%I = %L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ')
            from unnest(c.reloptions) o) || ')'
        , ' where ' || ai._vectorizer_index_part(pg_get_expr(i.indpred, i.indrelid), embedding_column, new_column, dimensions, new_dimensions))
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_am m on m.oid = c.relam
    cross join lateral
    ( select string_agg(p.part || coalesce(' collate ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname), '')
                 || coalesce(' ' || quote_ident(oc.nspname) || '.' || quote_ident(case when new_type is null or p.part <> quote_ident(new_column) then o.opcname
                     else regexp_replace(o.opcname, '^(vector|halfvec)_', new_type || '_') end), '')
                 || case i.indoption[p.n - 1] when 1 then ' desc nulls last' when 2 then ' nulls first' when 3 then ' desc nulls first' else '' end
             , ', ' order by p.n) filter (where p.n <= i.indnkeyatts) as keys
           , string_agg(p.part, ', ' order by p.n) filter (where p.n > i.indnkeyatts) as included
      from
      ( select n, ai._vectorizer_index_part(pg_get_indexdef(i.indexrelid, n, true), embedding_column, new_column, dimensions, new_dimensions) as part
        from generate_series(1, i.indnatts) n ) p
      left join pg_opclass o on o.oid = i.indclass[p.n - 1]
      left join pg_namespace oc on oc.oid = o.opcnamespace
      left join pg_collation co on co.oid = i.indcollation[p.n - 1]
      left join pg_namespace cn on cn.oid = co.collnamespace
    ) k
    where i.indexrelid = index
$$;

-- The definition without the column of vectors and their length: what is the same in two generations. Where their vectors are of
-- different types (any_type), an index over a halfvec and one over a vector that is cast to it are as one over the vector.
create or replace function ai._vectorizer_index_shape(index regclass, embedding_column name, dimensions int, any_type bool)
returns text language sql stable set search_path to pg_catalog, pg_temp
as $$
    select case when i.indisunique then 'unique ' else '' end || case when any_type
        then regexp_replace(d, '(\("#"::[^()]*halfvec\(0\)\)|"#") ([^,()]*)(vector|halfvec)_(\w+_ops)', '"#" \2vector_\4', 'g') else d end
    from pg_index i
    cross join lateral ai._vectorizer_index_definition(index, embedding_column, '#', dimensions, 0, null) d
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
( from_relation regclass, to_relation regclass, embedding_column name, new_column name, dimensions int, new_dimensions int, new_type text
, indexing jsonb )
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    x record;
begin
    for x in
        select i.indisunique, ai._vectorizer_index_definition(i.indexrelid, embedding_column, new_column, dimensions, new_dimensions, new_type) as definition
        from pg_index i
        join pg_class c on c.oid = i.indexrelid
        join pg_am m on m.oid = c.relam
        cross join lateral ai._vectorizer_index_shape(i.indexrelid, embedding_column, dimensions, new_type is not null) s (shape)
        where i.indrelid = from_relation and i.indisvalid and not i.indisprimary
        and not (m.amname = indexing ->> 'implementation' and case when indexing ->> 'quantized' = 'binary'
            then s.shape like '%binary_quantize("#")%' and i.indpred is null else i.indexprs is null end)
        -- in one table, an index with a literal would be made a second time over the same column
        and (from_relation <> to_relation or s.shape like '%"#"%' and s.shape !~ '''')
        and not exists (select from pg_index o
            where o.indrelid = to_relation and ai._vectorizer_index_shape(o.indexrelid, new_column, new_dimensions, new_type is not null) = s.shape)
    loop
        execute format('create %s index on %s %s', case when x.indisunique then 'unique' end, to_relation, x.definition);
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
    new_type text := case when v.config #> '{destination,vector_type}' is distinct from other.config #> '{destination,vector_type}'
        then coalesce(other.config #>> '{destination,vector_type}', 'vector') end;
    store regclass;
    new_store regclass;
    view regclass;
    new_view regclass;
begin
    if v.config #>> '{destination,implementation}' = 'column' then
        perform ai._vectorizer_copy_indexes(source, source, v.config #>> '{destination,embedding_column}'
            , other.config #>> '{destination,embedding_column}', dimensions, new_dimensions, null, other.config -> 'indexing');
        return;
    end if;
    store := format('%I.%I', v.config #>> '{destination,target_schema}', v.config #>> '{destination,target_table}');
    new_store := format('%I.%I', other.config #>> '{destination,target_schema}', other.config #>> '{destination,target_table}');
    if exists (select from pg_attribute a where a.attrelid = store and a.attname = 'chunk_byte_start' and not a.attisdropped) then
        perform ai._vectorizer_add_places(new_store);
    end if;
    perform ai._vectorizer_copy_rights(store, new_store);
    perform ai._vectorizer_copy_row_security(store, new_store);
    perform ai._vectorizer_copy_indexes(store, new_store, 'embedding', 'embedding', dimensions, new_dimensions, new_type, other.config -> 'indexing');
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
