-- Where embeddings go: a table of their own with a view over it, or a column of the source.

create or replace function ai.destination_table
( destination name default null
, target_schema name default null
, target_table name default null
, view_schema name default null
, view_name name default null
) returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'table'
    , 'config_type', 'destination'
    , 'destination', destination
    , 'target_schema', target_schema
    , 'target_table', target_table
    , 'view_schema', view_schema
    , 'view_name', view_name
    ))
$$;

create or replace function ai.destination_column(embedding_column name)
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_build_object
    ( 'implementation', 'column'
    , 'config_type', 'destination'
    , 'embedding_column', embedding_column
    )
$$;

-- The same destination with vectors as halfvec: numbers of 16 bits, which take half the disk, and which an HNSW index takes up to 4,000
-- dimensions of. pgai has no such option.
create or replace function ai.destination_halfvec(destination jsonb default ai.destination_table())
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$ select destination || '{"vector_type": "halfvec"}' $$;

-- The destination with vectors of this type. Nothing is said of the type that pgai has.
create or replace function ai._vectorizer_with_vector_type(destination jsonb, vector_type text)
returns jsonb language plpgsql immutable set search_path to pg_catalog, pg_temp
as $$
begin
    if vector_type not in ('vector', 'halfvec') then
        raise exception 'destination: vector_type is "%", it must be vector or halfvec', vector_type
            using errcode = 'invalid_parameter_value';
    elsif vector_type is not null and destination ->> 'implementation' = 'column' then
        raise exception 'destination: the vectors are in the column "%", whose type the table has and not the vectorizer'
            , destination ->> 'embedding_column'
            using errcode = 'invalid_parameter_value'
                , hint = 'Add the column as halfvec before the vectorizer is created. Of a vectorizer in use, create another beside it.';
    end if;
    return destination - 'vector_type' || case when vector_type = 'halfvec' then '{"vector_type": "halfvec"}' else '{}' end::jsonb;
end
$$;

-- The destination in so many partitions. One is the table that pgai has, of which nothing is said.
create or replace function ai._vectorizer_with_partitions(destination jsonb, partitions int, partition_by name)
returns jsonb language plpgsql immutable set search_path to pg_catalog, pg_temp
as $$
begin
    if partitions is null and partition_by is not null then
        raise exception 'destination: partition_by is "%", and partitions is missing', partition_by
            using errcode = 'invalid_parameter_value';
    elsif partitions not between 1 and 256 then
        raise exception 'destination: partitions is %, it must be 1 to 256', partitions
            using errcode = 'invalid_parameter_value';
    elsif partitions > 1 and destination ->> 'implementation' = 'column' then
        raise exception 'destination: the vectors are in the column "%", and partitioned as its table is', destination ->> 'embedding_column'
            using errcode = 'invalid_parameter_value', hint = 'Use ai.destination_table() for a table of their own.';
    end if;
    return destination - '{partitions,partition_by}'::text[] || case when partitions > 1
        then jsonb_strip_nulls(jsonb_build_object('partitions', partitions, 'partition_by', partition_by)) else '{}' end;
end
$$;

-- The same destination in so many tables with an index each. Chunks whose rows have the same value in a column of the source's key are in
-- one of them; by default it is the first column. A search for one value reads one index. pgai has no such option.
create or replace function ai.destination_partitioned
( partitions int
, partition_by name default null
, destination jsonb default ai.destination_table()
) returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$ select ai._vectorizer_with_partitions(destination, partitions, partition_by) $$;

-- The destination with every name filled in, as ai.vectorizer stores it.
create or replace function ai._vectorizer_destination(destination jsonb, source_schema name, source_table name)
returns jsonb language plpgsql immutable set search_path to pg_catalog, pg_temp
as $$
begin
    if ai._vectorizer_implementation('destination', destination, 'table', 'column') = 'column' then
        if coalesce(destination ->> 'embedding_column', '') = '' then
            raise exception 'destination: embedding_column is missing';
        end if;
        perform ai._vectorizer_with_vector_type(destination, destination ->> 'vector_type');
        perform ai._vectorizer_with_partitions(destination, (destination ->> 'partitions')::int, null);
        return ai.destination_column((destination ->> 'embedding_column')::name);
    end if;
    return ai._vectorizer_with_partitions(ai._vectorizer_with_vector_type(jsonb_build_object
    ( 'implementation', 'table'
    , 'config_type', 'destination'
    , 'target_schema', coalesce(destination ->> 'target_schema', source_schema)
    , 'target_table', coalesce
        ( destination ->> 'target_table'
        , ai._vectorizer_name_with_suffix(destination ->> 'destination', '_store')
        , ai._vectorizer_name_with_suffix(source_table, '_embedding_store')
        )
    , 'view_schema', coalesce(destination ->> 'view_schema', source_schema)
    , 'view_name', coalesce
        ( destination ->> 'view_name'
        , destination ->> 'destination'
        , ai._vectorizer_name_with_suffix(source_table, '_embedding')
        )
    ) || case when destination -> 'places' = 'true' then '{"places": true}' else '{}' end::jsonb, destination ->> 'vector_type')
        , (destination ->> 'partitions')::int, (destination ->> 'partition_by')::name);
end
$$;

-- Refuses a destination that cannot be made, before anything is made.
create or replace function ai._vectorizer_check_destination(destination jsonb, chunking jsonb)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
begin
    if destination ->> 'implementation' = 'column' then
        if chunking ->> 'implementation' <> 'none' then
            raise exception 'destination: a column holds one vector per row, chunking must be ai.chunking_none() and not %'
                , chunking ->> 'implementation';
        end if;
        return;
    end if;
    if destination ->> 'view_schema' = destination ->> 'target_schema'
    and destination ->> 'view_name' = destination ->> 'target_table' then
        raise exception 'destination: view_name and target_table are both %', destination ->> 'view_name'
            using errcode = 'duplicate_object', hint = 'Give them different names.';
    end if;
    perform ai._vectorizer_check_free
        ((destination ->> 'view_schema')::name, (destination ->> 'view_name')::name, 'another destination or view_name');
    perform ai._vectorizer_check_free
        ((destination ->> 'target_schema')::name, (destination ->> 'target_table')::name, 'another destination or target_table');
end
$$;
