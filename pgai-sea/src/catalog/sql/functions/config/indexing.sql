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

-- The same index over one bit a number: whether it is positive. It is a fraction of the size, and takes any number of dimensions. A
-- search compares what it proposes by the exact distance. pgai has no such option.
create or replace function ai.indexing_binary(indexing jsonb default ai.indexing_hnsw())
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$ select indexing || '{"quantized": "binary"}' $$;

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
    end || jsonb_strip_nulls(jsonb_build_object('quantized', indexing -> 'quantized'))
$$;

-- The dimensions are those of the vectors, the type that of their column: pgvector's limits depend on both. Unlike pgai, what no
-- worker could build is refused here and not by PostgreSQL when the time has come.
create or replace function ai._vectorizer_check_indexing(indexing jsonb, dimensions int, type name)
returns void language plpgsql immutable set search_path to pg_catalog, pg_temp
as $$
declare
    m int;
    ef_construction int;
    most int := case type when 'vector' then 2000 when 'halfvec' then 4000 end;
begin
    perform ai._vectorizer_number_between('indexing', indexing, 'min_rows', 0, 2147483647);
    if indexing ->> 'quantized' <> 'binary' then
        raise exception 'indexing: quantized is "%", it must be binary', indexing ->> 'quantized' using errcode = 'invalid_parameter_value';
    elsif indexing ->> 'quantized' is not null and indexing ->> 'implementation' is distinct from 'hnsw' then
        raise exception 'indexing: % has no index of bits', indexing ->> 'implementation'
            using errcode = 'invalid_parameter_value', hint = 'Use ai.indexing_binary(ai.indexing_hnsw()).';
    elsif indexing ->> 'quantized' is not null and type not in ('vector', 'halfvec') then
        raise exception 'indexing: pgvector has no bits of a %', type using errcode = 'invalid_parameter_value'
            , hint = 'Use ai.indexing_hnsw().';
    elsif indexing ->> 'quantized' is not null and indexing ->> 'opclass' <> 'vector_cosine_ops' then
        raise exception 'indexing: a binary index compares bits, and opclass "%" has no effect on it', indexing ->> 'opclass'
            using errcode = 'invalid_parameter_value', hint = 'Leave it out.';
    end if;
    case ai._vectorizer_implementation('indexing', indexing, 'none', 'hnsw', 'diskann')
    when 'hnsw' then
        if indexing ->> 'opclass' not in ('vector_cosine_ops', 'vector_ip_ops', 'vector_l1_ops', 'vector_l2_ops') then
            raise exception 'indexing: opclass is "%", it must be vector_cosine_ops, vector_ip_ops, vector_l1_ops or vector_l2_ops'
                , indexing ->> 'opclass';
        end if;
        m := coalesce(ai._vectorizer_number_between('indexing', indexing, 'm', 2, 100), 16);
        ef_construction := coalesce(ai._vectorizer_number_between('indexing', indexing, 'ef_construction', 4, 1000), 64);
        if ef_construction < 2 * m then
            raise exception 'indexing: ef_construction is %, it must be at least twice m, which is %', ef_construction, m;
        end if;
        if dimensions > most and indexing ->> 'quantized' is null then
            raise exception 'indexing: hnsw takes a % of at most % dimensions, and these have %', type, most, dimensions
                using hint = case type when 'vector'
                    then 'Store the vectors as halfvec, of which an index takes 4000 (ai.destination_halfvec, or a column of that type), or use ai.indexing_binary(), ai.indexing_none() or a shorter embedding.'
                    else 'Use ai.indexing_binary() or ai.indexing_none().' end;
        end if;
    when 'diskann' then
        if indexing ->> 'storage_layout' not in ('memory_optimized', 'plain') then
            raise exception 'indexing: storage_layout is "%", it must be memory_optimized or plain', indexing ->> 'storage_layout';
        end if;
    else
    end case;
end
$$;
