-- How much a worker takes at a time.

create or replace function ai.processing_default(batch_size int default null, concurrency int default null)
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'default'
    , 'config_type', 'processing'
    , 'batch_size', batch_size
    , 'concurrency', concurrency
    ))
$$;

create or replace function ai._vectorizer_check_processing(processing jsonb)
returns void language plpgsql immutable set search_path to pg_catalog, pg_temp
as $$
begin
    perform ai._vectorizer_implementation('processing', processing, 'default');
    perform ai._vectorizer_number_between('processing', processing, 'batch_size', 1, 2048);
    perform ai._vectorizer_number_between('processing', processing, 'concurrency', 1, 50);
end
$$;
