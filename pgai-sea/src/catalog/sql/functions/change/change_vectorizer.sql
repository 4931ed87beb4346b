-- Changes what a vectorizer does. What leaves every vector as it is, is changed in place. For anything else a second
-- generation is made beside the first: a vectorizer of its own, with a store, a queue and triggers, whose names end
-- with _new. A worker fills it while the first answers. Then ai.cut_over changes the names.

-- The change that a vectorizer is in: the generation before and the new one, whichever of the two is named.
create or replace function ai._vectorizer_change_of(vectorizer_id int)
returns ai.vectorizer_generation language plpgsql set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    change ai.vectorizer_generation;
begin
    perform from ai.vectorizer v where v.id = vectorizer_id;
    if not found then
        raise exception 'there is no vectorizer %', vectorizer_id using errcode = 'no_data_found';
    end if;
    perform pg_advisory_xact_lock('ai.vectorizer_generation'::regclass::oid::int, coalesce(
        (select g.replaces from ai.vectorizer_generation g where g.vectorizer_id = vectorizer_id), vectorizer_id));
    select * into change
    from ai.vectorizer_generation g
    where g.replaces is not null and vectorizer_id in (g.vectorizer_id, g.replaces);
    return change;
end
$$;

create or replace function ai._vectorizer_id(name text)
returns int language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    id int := (select v.id from ai.vectorizer v where v.name = _vectorizer_id.name);
begin
    if id is null then
        raise exception 'there is no vectorizer %', name using errcode = 'no_data_found';
    end if;
    return id;
end
$$;

-- The configuration after the change, checked.
create or replace function ai._vectorizer_changed_config(v ai.vectorizer, source regclass, wanted jsonb)
returns jsonb language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    config jsonb := v.config || jsonb_strip_nulls(wanted - '{vector_type,partitions,partition_by}'::text[]);
begin
    if wanted ->> 'vector_type' is not null then
        config := jsonb_set(config, '{destination}', ai._vectorizer_with_vector_type(config -> 'destination', wanted ->> 'vector_type'));
    end if;
    if coalesce(wanted ->> 'partitions', wanted ->> 'partition_by') is not null then
        config := jsonb_set(config, '{destination}', ai._vectorizer_resolve_partitions(ai._vectorizer_with_partitions(config -> 'destination'
            , coalesce(wanted ->> 'partitions', config #>> '{destination,partitions}')::int
            , coalesce(wanted ->> 'partition_by', config #>> '{destination,partition_by}')::name), source));
    end if;
    if wanted ->> 'indexing' is not null then
        config := jsonb_set(config, '{indexing}', ai._vectorizer_resolve_indexing(config -> 'indexing'));
    end if;
    if wanted ->> 'scheduling' is not null then
        config := jsonb_set(config, '{scheduling}', ai._vectorizer_resolve_scheduling(config -> 'scheduling'));
    end if;
    perform ai._vectorizer_check_loading(config -> 'loading', source);
    perform ai._vectorizer_check_parsing(config -> 'parsing', config -> 'loading', source);
    perform ai._vectorizer_check_chunking(config -> 'chunking');
    perform ai._vectorizer_check_formatting(config -> 'formatting', source);
    perform ai._vectorizer_check_processing(config -> 'processing');
    perform ai._vectorizer_check_scheduling(config -> 'scheduling');
    perform ai._vectorizer_check_indexing(config -> 'indexing', ai._vectorizer_check_embedding(config -> 'embedding')
        , ai._vectorizer_embedding_type(config -> 'destination', source));
    return config;
end
$$;

-- Where the second generation writes: beside the first.
create or replace function ai._vectorizer_beside(destination jsonb, suffix text)
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select destination || case destination ->> 'implementation'
        when 'column' then jsonb_build_object
            ('embedding_column', ai._vectorizer_name_with_suffix(destination ->> 'embedding_column', suffix))
        else jsonb_build_object
            ( 'target_table', ai._vectorizer_name_with_suffix(destination ->> 'target_table', suffix)
            , 'view_name', ai._vectorizer_name_with_suffix(destination ->> 'view_name', suffix)
            )
        end
$$;

-- Makes the second generation. It queues no rows: its generation
-- says that it was made by nothing, and a worker queues all rows when it finds that. So writers to the source wait for
-- triggers alone.
create or replace function ai._vectorizer_create_generation(v ai.vectorizer, source regclass, config jsonb)
returns int language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    queue regclass := format('%I.%I', v.queue_schema, v.queue_table);
    destination jsonb := ai._vectorizer_beside(config -> 'destination', '_new');
    old_names jsonb := ai._vectorizer_beside(v.config -> 'destination', '_old');
    other ai.vectorizer;
begin
    if destination ->> 'implementation' = 'table' then
        perform ai._vectorizer_check_free(old_names ->> 'target_schema', old_names ->> 'target_table', 'another name for it');
        perform ai._vectorizer_check_free(old_names ->> 'view_schema', old_names ->> 'view_name', 'another name for it');
    elsif ai._vectorizer_column_type(source, destination ->> 'embedding_column') is not null then
        raise exception '% has a column "%", which the new generation would use', source, destination ->> 'embedding_column'
            using errcode = 'duplicate_column', hint = 'Rename it or drop it.';
    elsif ai._vectorizer_column_type(source, v.config #>> '{destination,embedding_column}') = 'halfvec' then
        -- of the type that the application reads
        perform ai._vectorizer_create_column(destination || '{"vector_type": "halfvec"}', source, (config #>> '{embedding,dimensions}')::int);
    end if;
    other.id := ai.create_vectorizer
    ( source
    , name => ai._vectorizer_name_with_suffix(v.name, '_new')
    , destination => destination
    , loading => config -> 'loading'
    , parsing => config -> 'parsing'
    , embedding => config -> 'embedding'
    , chunking => config -> 'chunking'
    , indexing => config -> 'indexing'
    , formatting => config -> 'formatting'
    , scheduling => config -> 'scheduling'
    , processing => config -> 'processing'
    , queue_schema => v.queue_schema
    , grant_to => ai._vectorizer_readers(queue)
    , enqueue_existing => false
    );
    select * into other from ai.vectorizer o where o.id = other.id;
    perform ai._vectorizer_copy_store(v, other, source);
    update ai.vectorizer o set disabled = v.disabled where o.id = other.id;
    update ai.vectorizer_generation g set made_by = '{}', replaces = v.id where g.vectorizer_id = other.id;
    return other.id;
end
$$;

-- Lets more roles read the embeddings and run a worker.
create or replace function ai._vectorizer_grant_to(v ai.vectorizer, source regclass, grantees name[])
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    destination jsonb := v.config -> 'destination';
begin
    perform ai._vectorizer_grant_catalog(v.source_schema, source, grantees);
    perform ai._vectorizer_grant('usage', format('schema %I', v.queue_schema), grantees);
    perform ai._vectorizer_grant('select, insert, update, delete', format('%I.%I, %1$I.%3$I', v.queue_schema, v.queue_table, v.queue_failed_table), grantees);
    perform ai._vectorizer_grant(format('select, update (%I)', coalesce(destination ->> 'embedding_column', 'xmin'))
        , format('%I._vectorizer_src_%s', v.queue_schema, v.id), grantees);
    if destination ->> 'implementation' = 'table' then
        perform ai._vectorizer_grant('usage', format('schema %I', destination ->> 'target_schema'), grantees);
        perform ai._vectorizer_grant('select, insert, update, delete'
            , format('%I.%I', destination ->> 'target_schema', destination ->> 'target_table'), grantees);
        perform ai._vectorizer_grant('usage', format('schema %I', destination ->> 'view_schema'), grantees);
        perform ai._vectorizer_grant('select', format('%I.%I', destination ->> 'view_schema', destination ->> 'view_name'), grantees);
    end if;
end
$$;

-- Gives the view of the generation that answers another name. The other generation's follows when they change places.
create or replace function ai._vectorizer_rename_view(v ai.vectorizer, view_name name)
returns ai.vectorizer language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    destination jsonb := v.config -> 'destination';
begin
    if destination ->> 'implementation' <> 'table' then
        raise exception 'vectorizer % has no view: its embeddings are in a column', v.name
            using errcode = 'invalid_parameter_value', hint = 'Leave out view_name.';
    end if;
    if destination ->> 'view_name' <> view_name then
        perform ai._vectorizer_check_free(destination ->> 'view_schema', view_name, 'another view_name');
        execute format('alter view %I.%I rename to %I', destination ->> 'view_schema', destination ->> 'view_name', view_name);
        v.config := jsonb_set(v.config, '{destination,view_name}', to_jsonb(view_name));
        update ai.vectorizer o set config = v.config where o.id = v.id;
    end if;
    return v;
end
$$;

-- Returns the id of the new generation, or of the vectorizer itself where none is needed. Called again, it returns the
-- same.
create or replace function ai.change_vectorizer
( vectorizer_id int
, loading jsonb default null
, parsing jsonb default null
, embedding jsonb default null
, chunking jsonb default null
, indexing jsonb default null
, formatting jsonb default null
, scheduling jsonb default null
, processing jsonb default null
, grant_to name[] default null
, view_name name default null
, vector_type name default null
, partitions int default null
, partition_by name default null
) returns int language plpgsql set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    change ai.vectorizer_generation := ai._vectorizer_change_of(vectorizer_id);
    v ai.vectorizer;
    other ai.vectorizer;
    source regclass;
    config jsonb;
    wanted jsonb := jsonb_build_object('loading', loading, 'parsing', parsing, 'embedding', embedding, 'chunking', chunking
        , 'indexing', indexing, 'formatting', formatting, 'scheduling', scheduling, 'processing', processing, 'vector_type', vector_type
        , 'partitions', partitions, 'partition_by', partition_by);
begin
    v := ai._vectorizer_follow(coalesce(case when change.cut_over_at is null then change.replaces else change.vectorizer_id end, vectorizer_id));
    source := format('%I.%I', v.source_schema, v.source_table);
    if view_name is not null then
        v := ai._vectorizer_rename_view(v, view_name);
    end if;
    config := ai._vectorizer_changed_config(v, source, wanted);
    if grant_to is not null then
        perform ai._vectorizer_grant_to(v, source, ai._vectorizer_existing_roles(grant_to));
        select * into other from ai.vectorizer o where o.id in (change.vectorizer_id, change.replaces) and o.id <> v.id;
        if found then
            perform ai._vectorizer_grant_to(other, source, ai._vectorizer_existing_roles(grant_to));
        end if;
    end if;
    if ai._vectorizer_identity(config) = ai._vectorizer_identity(v.config) then
        update ai.vectorizer o set config = config where o.id = v.id and o.config <> config;
        return v.id;
    end if;
    if change.vectorizer_id is null then
        return ai._vectorizer_create_generation(v, source, config);
    end if;
    select * into other from ai.vectorizer o where o.id = change.vectorizer_id;
    if change.cut_over_at is null and ai._vectorizer_identity(config) = ai._vectorizer_identity(other.config) then
        return other.id;
    end if;
    raise exception 'vectorizer % is being changed already', v.name
        using errcode = 'object_not_in_prerequisite_state', hint = case when change.cut_over_at is null
            then format('Abort that change first: select ai.abort_change(%L)', v.name)
            else format('Finish that change first: select ai.finish_change(%L)', v.name) end;
end
$$;

create or replace function ai.change_vectorizer
( name text
, loading jsonb default null
, parsing jsonb default null
, embedding jsonb default null
, chunking jsonb default null
, indexing jsonb default null
, formatting jsonb default null
, scheduling jsonb default null
, processing jsonb default null
, grant_to name[] default null
, view_name name default null
, vector_type name default null
, partitions int default null
, partition_by name default null
) returns int language sql set search_path to pg_catalog, pg_temp
as $$
    select ai.change_vectorizer(ai._vectorizer_id(name), loading, parsing, embedding, chunking, indexing, formatting
        , scheduling, processing, grant_to, view_name, vector_type, partitions, partition_by)
$$;
