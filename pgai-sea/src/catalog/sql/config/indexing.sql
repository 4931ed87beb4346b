-- Which index over the embeddings a worker builds, and when.

create or replace function ai.indexing_none()
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$ select jsonb_build_object('implementation', 'none', 'config_type', 'indexing') $$;

create or replace function ai.indexing_default()
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$ select jsonb_build_object('implementation', 'default', 'config_type', 'indexing') $$;

create or replace function ai.indexing_hnsw
( min_rows int default 100000
, opclass text default 'vector_cosine_ops'
, m int default null
, ef_construction int default null
, create_when_queue_empty bool default true
) returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'hnsw'
    , 'config_type', 'indexing'
    , 'min_rows', min_rows
    , 'opclass', opclass
    , 'm', m
    , 'ef_construction', ef_construction
    , 'create_when_queue_empty', create_when_queue_empty
    ))
$$;

create or replace function ai.indexing_diskann
( min_rows int default 100000
, storage_layout text default null
, num_neighbors int default null
, search_list_size int default null
, max_alpha float8 default null
, num_dimensions int default null
, num_bits_per_dimension int default null
, create_when_queue_empty bool default true
) returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'diskann'
    , 'config_type', 'indexing'
    , 'min_rows', min_rows
    , 'storage_layout', storage_layout
    , 'num_neighbors', num_neighbors
    , 'search_list_size', search_list_size
    , 'max_alpha', max_alpha
    , 'num_dimensions', num_dimensions
    , 'num_bits_per_dimension', num_bits_per_dimension
    , 'create_when_queue_empty', create_when_queue_empty
    ))
$$;

-- The default is what the setting ai.indexing_default says, else none.
create or replace function ai._vectorizer_resolve_indexing(indexing jsonb)
returns jsonb language sql stable set search_path to pg_catalog, pg_temp
as $$
    select case
        when indexing ->> 'implementation' is distinct from 'default' then indexing
        when current_setting('ai.indexing_default', true) = 'indexing_hnsw' then ai.indexing_hnsw()
        when current_setting('ai.indexing_default', true) = 'indexing_diskann' then ai.indexing_diskann()
        else ai.indexing_none()
    end
$$;

create or replace function ai._vectorizer_check_indexing(indexing jsonb)
returns void language plpgsql immutable set search_path to pg_catalog, pg_temp
as $$
begin
    case ai._vectorizer_implementation('indexing', indexing, 'none', 'hnsw', 'diskann')
    when 'hnsw' then
        if indexing ->> 'opclass' not in ('vector_cosine_ops', 'vector_ip_ops', 'vector_l1_ops', 'vector_l2_ops') then
            raise exception 'indexing: opclass is "%", it must be vector_cosine_ops, vector_ip_ops, vector_l1_ops or vector_l2_ops'
                , indexing ->> 'opclass';
        end if;
    when 'diskann' then
        if indexing ->> 'storage_layout' not in ('memory_optimized', 'plain') then
            raise exception 'indexing: storage_layout is "%", it must be memory_optimized or plain', indexing ->> 'storage_layout';
        end if;
    else
    end case;
end
$$;
