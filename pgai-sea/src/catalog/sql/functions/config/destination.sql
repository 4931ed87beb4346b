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

-- The destination with every name filled in, as ai.vectorizer stores it.
create or replace function ai._vectorizer_destination(destination jsonb, source_schema name, source_table name)
returns jsonb language plpgsql immutable set search_path to pg_catalog, pg_temp
as $$
begin
    if ai._vectorizer_implementation('destination', destination, 'table', 'column') = 'column' then
        if coalesce(destination ->> 'embedding_column', '') = '' then
            raise exception 'destination: embedding_column is missing';
        end if;
        return ai.destination_column((destination ->> 'embedding_column')::name);
    end if;
    return jsonb_build_object
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
    ) || case when destination -> 'places' = 'true' then '{"places": true}' else '{}' end::jsonb;
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
