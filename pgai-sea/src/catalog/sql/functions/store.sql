-- The destination: a table with one row per chunk and a view that joins it to the source, or a column of the source.

-- The destination with the column that its table is partitioned by, if it is: one of the source's key.
create or replace function ai._vectorizer_resolve_partitions(destination jsonb, source regclass)
returns jsonb language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    partition_by name;
begin
    if destination -> 'partitions' is null then
        return destination;
    elsif ai._vectorizer_is_tenant(source) then
        raise exception 'destination: % is distributed by Citus, and its embeddings are on one node: they cannot be partitioned', source
            using errcode = 'feature_not_supported', hint = 'Leave out the partitions.';
    end if;
    select k.attname into partition_by
    from ai._vectorizer_source_key(source) k
    where k.attname = coalesce(destination ->> 'partition_by', k.attname)
    order by k.pknum
    limit 1;
    if partition_by is null then
        raise exception 'destination: partition_by is "%", which is no column of the primary key of %', destination ->> 'partition_by', source
            using errcode = 'invalid_parameter_value'
                , hint = 'Chunks are partitioned by a column that they have: one of primary key (tenant_id, id), for example.';
    end if;
    return destination || jsonb_build_object('partition_by', partition_by);
end
$$;

create or replace function ai._vectorizer_create_store(destination jsonb, source regclass, dimensions int, grantees name[])
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    store text := format('%I.%I', destination ->> 'target_schema', destination ->> 'target_table');
begin
    execute (
        select format
        ( 'create table %1$s
           ( embedding_uuid uuid not null default gen_random_uuid()
           , %2$s
           , chunk_seq int not null
           , chunk text not null
           , embedding %3$s(%4$s) not null
           , primary key (embedding_uuid%6$s)
           , unique (%5$s, chunk_seq)
           )%7$s'
        , store
        , string_agg(format('%I %s not null', attname, definition), ', ' order by attnum)
        , ai._vectorizer_vector_type(destination)
        , dimensions
        , string_agg(quote_ident(attname), ', ' order by pknum)
        -- PostgreSQL keeps a key within each partition
        , ', ' || quote_ident(destination ->> 'partition_by')
        , ' partition by hash (' || quote_ident(destination ->> 'partition_by') || ')')
        from ai._vectorizer_source_key(source)
    );
    -- A search reads the vectors, so they stay in the row while they fit.
    execute format('alter table %s alter column embedding set storage main', store);
    perform ai._vectorizer_grant('usage', format('schema %I', destination ->> 'target_schema'), grantees);
    perform ai._vectorizer_grant('select, insert, update, delete', store, grantees);
end
$$;

-- The partitions of a store. Their names stay when the store gets another.
create or replace function ai._vectorizer_create_partitions(v ai.vectorizer)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    schema name := v.config #>> '{destination,target_schema}';
    partitions int := coalesce((v.config #>> '{destination,partitions}')::int, 0);
    partition text;
begin
    for n in 0 .. partitions - 1 loop
        partition := format('%I._vectorizer_store_%s_%s', schema, v.id, n);
        execute format('create table %s partition of %I.%I for values with (modulus %s, remainder %s)'
            , partition, schema, v.config #>> '{destination,target_table}', partitions, n);
        perform ai._vectorizer_hand_over(v, 'table', partition);
    end loop;
end
$$;

-- The policies of a store whose source has row-level security: a chunk is seen by whoever sees its row. Those who may take rows off the
-- queue, which are workers, see and write all chunks. A store that has row-level security already is left to whoever has
-- switched it on.
--
-- The condition is tried for each chunk that a search comes to, which an index on the source's key answers. OFFSET keeps PostgreSQL
-- from reading all of the source for it.
create or replace function ai._vectorizer_protect_store(v ai.vectorizer, source regclass)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    store regclass := case when v.config #>> '{destination,implementation}' = 'table' then ai._vectorizer_store(v, source) end;
    same_key text;
    may_work text := format('(select has_table_privilege(%L::regclass::oid, ''delete''))', format('%I.%I', v.queue_schema, v.queue_table));
    is_ours bool := exists (select from pg_policy p where p.polrelid = store and p.polname = 'vectorizer_workers');
begin
    if store is null or exists (select from pg_policy p where p.polrelid = store and p.polname = 'vectorizer_rows')
    or not is_ours and not (select c.relrowsecurity from pg_class c where c.oid = source) then
        return;
    elsif ai._vectorizer_is_tenant(source) then
        perform ai._vectorizer_check_citus(source);
    elsif not is_ours and (select c.relrowsecurity from pg_class c where c.oid = store) then
        raise notice 'the store % has row-level security of its own, which is left as it is', store;
        return;
    end if;
    select string_agg(format('pgai_sea_source.%I %s %I.%I', c.attname, c.equals, t.relname, c.name), ' and ' order by c.attnum)
    into same_key
    from ai._vectorizer_columns(v) c
    cross join pg_class t
    where c.pknum is not null and t.oid = store;
    execute format('create policy vectorizer_rows on %s for select using (exists (select from %s pgai_sea_source where %s offset 0))'
        , store, source, same_key);
    if is_ours then
        return;
    end if;
    execute format('create policy vectorizer_workers on %1$s using (%2$s) with check (%2$s)', store, may_work);
    execute format('alter table %s enable row level security', store);
    raise notice 'row-level security of % holds for its embeddings: of %, others than workers see the chunks of rows that they see'
        , source, store;
end
$$;

-- The view joins the store to the source. Whoever reads it does so with their own rights, so that row-level security of the source holds.
create or replace function ai._vectorizer_create_view(v ai.vectorizer, source regclass, grantees name[])
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    destination jsonb := v.config -> 'destination';
    view text := format('%I.%I', destination ->> 'view_schema', destination ->> 'view_name');
    columns text;
    same_key text;
begin
    -- The key comes from the store. A query that asks for no other column of the source need not read the source.
    select string_agg(format('%s.%I', case when k.attnum is null then 's' else 't' end, a.attname), ', ' order by a.attnum)
         , string_agg(format('t.%1$I %2$s s.%1$I', k.attname, k.equals), ' and ' order by k.pknum) filter (where k.attnum is not null)
    into columns, same_key
    from pg_attribute a
    left join ai._vectorizer_source_key(source) k on k.attnum = a.attnum
    where a.attrelid = source and a.attnum > 0 and not a.attisdropped;
    execute format
    ( 'create view %s with (security_invoker = true) as
       select t.embedding_uuid, t.chunk_seq, t.chunk, t.embedding, %s
       from %I.%I t left join %s s on %s'
    , view, columns, destination ->> 'target_schema', destination ->> 'target_table', source, same_key);
    perform ai._vectorizer_grant('usage', format('schema %I', destination ->> 'view_schema'), grantees);
    perform ai._vectorizer_grant('select', view, grantees);
    perform ai._vectorizer_hand_over(v, 'view', view);
end
$$;

-- Whether a view reads a relation.
create or replace function ai._vectorizer_reads(view regclass, relation regclass)
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$
    select exists (select from pg_rewrite r
        join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
        where r.ev_class = view and d.refclassid = 'pg_class'::regclass and d.refobjid = relation)
$$;

-- The view of a vectorizer over its store, in whichever schema. Null if there is none.
create or replace function ai._vectorizer_view(v ai.vectorizer, store regclass)
returns regclass language sql stable set search_path to pg_catalog, pg_temp
as $$
    select w.oid::regclass
    from pg_class w
    join pg_namespace n on n.oid = w.relnamespace
    where w.relkind = 'v' and w.relname = v.config #>> '{destination,view_name}'
    and ai._vectorizer_reads(w.oid, store)
    order by n.nspname = v.config #>> '{destination,view_schema}' desc
    limit 1
$$;

-- The store of a vectorizer. If the store is gone, a table of that name may be the user's: it lacks a store's columns,
-- or it is another vectorizer's. If the store or its schema was renamed, the view that joins it to the source leads to
-- it. Null if there is none.
create or replace function ai._vectorizer_store(v ai.vectorizer, source regclass)
returns regclass language sql stable set search_path to pg_catalog, pg_temp
as $$
    select t.oid::regclass
    from pg_class t
    join pg_namespace n on n.oid = t.relnamespace
    cross join jsonb_to_record(v.config -> 'destination') d (target_schema name, target_table name)
    where t.relkind in ('r', 'p')
    and not exists
    ( select from
        ( select c, c_type from (values ('embedding_uuid', 'uuid'), ('chunk_seq', 'int4'), ('chunk', 'text')) o (c, c_type)
          union all
          select k.attname, null from jsonb_to_recordset(v.source_pk) k (attname name)
        ) o
      where not exists (select from pg_attribute a join pg_type y on y.oid = a.atttypid
          where a.attrelid = t.oid and a.attname = o.c and not a.attisdropped and y.typname = coalesce(o.c_type, y.typname))
    )
    and ai._vectorizer_column_type(t.oid, 'embedding') in ('vector', 'halfvec')
    and not exists (select from ai.vectorizer o where o.id <> v.id
        and o.config #>> '{destination,target_schema}' = n.nspname and o.config #>> '{destination,target_table}' = t.relname)
    and (  n.nspname = d.target_schema and t.relname = d.target_table
        or ai._vectorizer_reads(ai._vectorizer_view(v, t.oid), source)
        )
    order by n.nspname = d.target_schema and t.relname = d.target_table desc
    limit 1
$$;

-- Ends an autovacuum of these tables, and lets none begin until the end of the transaction.
--
-- Who waits for an autovacuum for as long as `deadlock_timeout` ends it. The locks that are taken next would keep searches and writers
-- waiting for so long; this one hinders only those who vacuum, analyze or build an index. So it alone may be waited for.
create or replace function ai._vectorizer_end_autovacuum(variadic tables regclass[])
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    patience text := current_setting('lock_timeout');
    t regclass;
begin
    if patience <> '0' then
        perform set_config('lock_timeout'
            , ceil(1000 * extract(epoch from current_setting('deadlock_timeout')::interval) + 1000)::text, true);
    end if;
    foreach t in array tables loop
        if t is not null then
            execute format('lock table %s in share update exclusive mode', t);
        end if;
    end loop;
    perform set_config('lock_timeout', patience, true);
end
$$;

-- The type of the column of embeddings, as it is or will be.
create or replace function ai._vectorizer_embedding_type(destination jsonb, source regclass)
returns name language sql stable set search_path to pg_catalog, pg_temp
as $$
    select coalesce(ai._vectorizer_column_type(source, destination ->> 'embedding_column'), (destination ->> 'vector_type')::name, 'vector')
$$;

-- Checks a column that is there already. It can be of any of pgvector's types that numbers are assigned to, and has to
-- have the vectors' length or none. It is then used as it is.
create or replace function ai._vectorizer_check_column(destination jsonb, source regclass, dimensions int, indexing jsonb)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    column_name name := destination ->> 'embedding_column';
    type name;
    length int;
begin
    select t.typname, nullif(a.atttypmod, -1)
    into type, length
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    where a.attrelid = source and a.attname = column_name and a.attnum > 0 and not a.attisdropped;
    if not found then
        return;
    end if;
    if type not in ('vector', 'halfvec', 'sparsevec') then
        raise exception 'destination: column "%" is of type % and not vector(%)', column_name, type, dimensions
            using errcode = 'duplicate_column';
    elsif length <> dimensions then
        raise exception 'destination: column "%" is of type %(%), and embedding has % dimensions', column_name, type, length, dimensions
            using errcode = 'datatype_mismatch'
                , hint = format('Alter the column to %s(%s), or use a model of %s dimensions.', type, dimensions, length);
    elsif length is null and indexing ->> 'implementation' = 'hnsw' then
        raise exception 'indexing: column "%" is of type % without a length, which hnsw needs', column_name, type
            using errcode = 'datatype_mismatch', hint = format('Alter the column to %s(%s), or use ai.indexing_none().', type, dimensions);
    end if;
    raise notice '% has a column "%", which will hold the embeddings', source, column_name;
end
$$;

create or replace function ai._vectorizer_create_column(destination jsonb, source regclass, dimensions int)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    column_name name := destination ->> 'embedding_column';
begin
    if ai._vectorizer_column_type(source, column_name) is null then
        execute format('alter table %s add column %I %s(%s)', source, column_name, ai._vectorizer_vector_type(destination), dimensions);
        execute format('alter table %s alter column %I set storage main', source, column_name);
    end if;
end
$$;
