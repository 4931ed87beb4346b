-- Cutting over: the new generation gets the names of the one before, in one short transaction. So whoever reads the store
-- by its name reads the new one from then on. The one before is kept current, under names that end with _old, until the
-- change is finished.

-- Changes two names.
create or replace function ai._vectorizer_rename(kind text, schema name, leaving name, left_as name, coming name)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
begin
    execute format('alter %s %I.%I rename to %I', kind, schema, leaving, left_as);
    execute format('alter %s %I.%I rename to %I', kind, schema, coming, leaving);
end
$$;

-- Indexes that are the same in both change their names, too: migrations know them by name. A primary key has more columns where the
-- store is partitioned.
create or replace function ai._vectorizer_rename_indexes
( relation regclass, other regclass, embedding_column name, other_column name, dimensions int, other_dimensions int, any_type bool )
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    x record;
begin
    for x in
        select n.nspname, a.name, b.name as other_name
        from
        ( select c.relnamespace, c.relname as name, s.shape, row_number() over (partition by s.shape order by c.relname) as n
          from pg_index i
          join pg_class c on c.oid = i.indexrelid
          cross join lateral (select case when i.indisprimary and relation <> other then 'primary key'
              else ai._vectorizer_index_shape(i.indexrelid, embedding_column, dimensions, any_type) end) s (shape)
          where i.indrelid = relation and (relation <> other or s.shape like '%"#"%')
        ) a
        join
        ( select c.relname as name, s.shape, row_number() over (partition by s.shape order by c.relname) as n
          from pg_index i
          join pg_class c on c.oid = i.indexrelid
          cross join lateral (select case when i.indisprimary and relation <> other then 'primary key'
              else ai._vectorizer_index_shape(i.indexrelid, other_column, other_dimensions, any_type) end) s (shape)
          where i.indrelid = other and (relation <> other or s.shape like '%"#"%')
        ) b on b.shape = a.shape and b.n = a.n
        join pg_namespace n on n.oid = a.relnamespace
    loop
        execute format('alter index %I.%I rename to %I', x.nspname, x.name, '_vectorizer_renamed');
        execute format('alter index %I.%I rename to %I', x.nspname, x.other_name, x.name);
        execute format('alter index %I.%I rename to %I', x.nspname, '_vectorizer_renamed', x.other_name);
    end loop;
end
$$;

-- Gives the names of one generation to another, and to the one the same with a suffix. Writers to the source are kept out
-- for it: their triggers name both stores, and each statement has to meet both before or both after.
create or replace function ai._vectorizer_swap(leaving_id int, coming_id int, suffix text)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    leaving ai.vectorizer;
    coming ai.vectorizer;
    source regclass;
    names jsonb;
    left_as jsonb;
    came_as jsonb;
    is_table bool;
    dimensions int;
    coming_dimensions int;
    any_type bool;
begin
    lock table ai.vectorizer in row exclusive mode;
    select * into leaving from ai.vectorizer where id = leaving_id;
    source := ai._vectorizer_source(leaving);
    if source is null then
        raise exception 'the source of vectorizer % was dropped', leaving.name using errcode = 'undefined_table';
    end if;
    is_table := leaving.config #>> '{destination,implementation}' = 'table';
    select * into coming from ai.vectorizer where id = coming_id;
    perform ai._vectorizer_end_autovacuum(source, case when is_table then ai._vectorizer_store(leaving, source) end
        , case when is_table then ai._vectorizer_store(coming, source) end);
    execute format('lock table %s in %s mode', source, case when is_table then 'share row exclusive' else 'access exclusive' end);
    leaving := ai._vectorizer_follow(leaving_id);
    coming := ai._vectorizer_follow(coming_id);
    names := leaving.config -> 'destination';
    left_as := ai._vectorizer_beside(names, suffix);
    came_as := coming.config -> 'destination';
    dimensions := leaving.config #>> '{embedding,dimensions}';
    coming_dimensions := coming.config #>> '{embedding,dimensions}';
    any_type := names -> 'vector_type' is distinct from came_as -> 'vector_type';
    if is_table then
        execute format('lock table only %I.%I, only %I.%I in access exclusive mode'
            , names ->> 'target_schema', names ->> 'target_table', came_as ->> 'target_schema', came_as ->> 'target_table');
        perform ai._vectorizer_rename_indexes(format('%I.%I', names ->> 'target_schema', names ->> 'target_table')
            , format('%I.%I', came_as ->> 'target_schema', came_as ->> 'target_table'), 'embedding', 'embedding', dimensions, coming_dimensions, any_type);
        perform ai._vectorizer_rename('table', (names ->> 'target_schema')::name, (names ->> 'target_table')::name
            , (left_as ->> 'target_table')::name, (came_as ->> 'target_table')::name);
        perform ai._vectorizer_rename('view', (names ->> 'view_schema')::name, (names ->> 'view_name')::name
            , (left_as ->> 'view_name')::name, (came_as ->> 'view_name')::name);
    else
        perform ai._vectorizer_rename_indexes(source, source, (names ->> 'embedding_column')::name
            , (came_as ->> 'embedding_column')::name, dimensions, coming_dimensions, any_type);
        execute format('alter table %s rename column %I to %I', source, names ->> 'embedding_column', left_as ->> 'embedding_column');
        execute format('alter table %s rename column %I to %I', source, came_as ->> 'embedding_column', names ->> 'embedding_column');
        execute format('alter view %I._vectorizer_src_%s rename column %I to %I', leaving.queue_schema, leaving.id
            , names ->> 'embedding_column', left_as ->> 'embedding_column');
        execute format('alter view %I._vectorizer_src_%s rename column %I to %I', coming.queue_schema, coming.id
            , came_as ->> 'embedding_column', names ->> 'embedding_column');
    end if;
    -- the names alone: each keeps the type of its vectors, and its partitions
    coming.config := jsonb_set(coming.config, '{destination}', jsonb_strip_nulls(names || jsonb_build_object
        ( 'vector_type', came_as -> 'vector_type'
        , 'partitions', came_as -> 'partitions'
        , 'partition_by', came_as -> 'partition_by'
        )));
    leaving.config := jsonb_set(leaving.config, '{destination}', left_as);
    coming.name := leaving.name;
    leaving.name := ai._vectorizer_name_with_suffix(leaving.name, suffix);
    update ai.vectorizer v set name = leaving.name, config = leaving.config where v.id = leaving.id;
    update ai.vectorizer v set name = coming.name, config = coming.config where v.id = coming.id;
    perform ai._vectorizer_create_triggers(leaving, source);
    perform ai._vectorizer_create_triggers(coming, source);
end
$$;

-- Why the new generation should not answer yet. Null if it may.
create or replace function ai._vectorizer_unready(change ai.vectorizer_generation)
returns text language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    v ai.vectorizer;
    other ai.vectorizer;
    missing text;
    failed int8;
    failed_before int8;
    any_type bool;
begin
    select * into v from ai.vectorizer where id = change.replaces;
    select * into other from ai.vectorizer where id = change.vectorizer_id;
    if change.made_by <> ai._vectorizer_identity(other.config) then
        return 'no worker has begun to embed it';
    end if;
    if change.anew_since is not null then
        return format('%s rows of it wait to be embedded', ai.vectorizer_queue_pending(other.id, true));
    end if;
    execute format('select count(*) from %I.%I', other.queue_schema, other.queue_failed_table) into failed;
    execute format('select count(*) from %I.%I', v.queue_schema, v.queue_failed_table) into failed_before;
    if failed > failed_before then
        return format('%s rows could not be embedded (before: %s): pgai-sea failed list -i %s', failed, failed_before, other.name);
    end if;
    if v.config #>> '{destination,implementation}' = 'table' then
        any_type := v.config #> '{destination,vector_type}' is distinct from other.config #> '{destination,vector_type}';
        select s.shape into missing
        from pg_index i
        cross join lateral ai._vectorizer_index_shape(i.indexrelid, 'embedding', (v.config #>> '{embedding,dimensions}')::int, any_type) s (shape)
        where i.indrelid = to_regclass(format('%I.%I', v.config #>> '{destination,target_schema}', v.config #>> '{destination,target_table}'))
        and i.indisvalid and s.shape like '%"#"%'
        and not exists (select from pg_index o
            where o.indrelid = to_regclass(format('%I.%I', other.config #>> '{destination,target_schema}', other.config #>> '{destination,target_table}'))
            and o.indisvalid
            and ai._vectorizer_index_shape(o.indexrelid, 'embedding', (other.config #>> '{embedding,dimensions}')::int, any_type) = s.shape)
        limit 1;
        if found and other.config -> 'indexing' = v.config -> 'indexing' then
            return format('its index is not there yet: %s', replace(replace(missing, '(0)', format('(%s)', other.config #>> '{embedding,dimensions}')), '"#"', 'embedding'));
        end if;
    end if;
    return null;
end
$$;

-- Returns whether anything was to be done.
create or replace function ai.cut_over(vectorizer_id int, force bool default false)
returns bool language plpgsql set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    change ai.vectorizer_generation := ai._vectorizer_change_of(vectorizer_id);
    unready text;
begin
    if change.vectorizer_id is null then
        raise exception 'vectorizer % is not being changed', vectorizer_id
            using errcode = 'object_not_in_prerequisite_state', hint = 'Begin with ai.change_vectorizer.';
    elsif change.cut_over_at is not null then
        return false;
    end if;
    unready := ai._vectorizer_unready(change);
    if unready is not null and not force then
        raise exception 'the new generation of vectorizer % is not ready: %', vectorizer_id, unready
            using errcode = 'object_not_in_prerequisite_state', hint = 'Wait for a worker, or pass force => true.';
    end if;
    perform ai._vectorizer_swap(change.replaces, change.vectorizer_id, '_old');
    update ai.vectorizer_generation g set cut_over_at = clock_timestamp() where g.vectorizer_id = change.vectorizer_id;
    return true;
end
$$;

create or replace function ai.roll_back(vectorizer_id int)
returns bool language plpgsql set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    change ai.vectorizer_generation := ai._vectorizer_change_of(vectorizer_id);
begin
    if change.vectorizer_id is null then
        raise exception 'vectorizer % has no generation to go back to', vectorizer_id
            using errcode = 'object_not_in_prerequisite_state', hint = 'After ai.finish_change, change it once more.';
    elsif change.cut_over_at is null then
        return false;
    end if;
    perform ai._vectorizer_swap(change.vectorizer_id, change.replaces, '_new');
    update ai.vectorizer_generation g set cut_over_at = null where g.vectorizer_id = change.vectorizer_id;
    return true;
end
$$;

create or replace function ai.cut_over(name text, force bool default false)
returns bool language sql set search_path to pg_catalog, pg_temp
as $$ select ai.cut_over(ai._vectorizer_id(name), force) $$;

create or replace function ai.roll_back(name text)
returns bool language sql set search_path to pg_catalog, pg_temp
as $$ select ai.roll_back(ai._vectorizer_id(name)) $$;
