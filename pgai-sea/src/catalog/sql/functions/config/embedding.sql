-- Which model of which provider embeds. An api_key_name is the name of a secret, never the secret.

create or replace function ai.embedding_openai
( model text
, dimensions int
, chat_user text default null
, api_key_name text default 'OPENAI_API_KEY'
, base_url text default null
) returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'openai'
    , 'config_type', 'embedding'
    , 'model', model
    , 'dimensions', dimensions
    , 'user', chat_user
    , 'api_key_name', api_key_name
    , 'base_url', base_url
    ))
$$;

create or replace function ai.embedding_ollama
( model text
, dimensions int
, base_url text default null
, options jsonb default null
, keep_alive text default null
) returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'ollama'
    , 'config_type', 'embedding'
    , 'model', model
    , 'dimensions', dimensions
    , 'base_url', base_url
    , 'options', options
    , 'keep_alive', keep_alive
    ))
$$;

create or replace function ai.embedding_voyageai
( model text
, dimensions int
, input_type text default 'document'
, api_key_name text default 'VOYAGE_API_KEY'
) returns jsonb language plpgsql immutable set search_path to pg_catalog, pg_temp
as $$
begin
    if input_type not in ('query', 'document') then
        raise exception 'embedding: input_type is "%", Voyage AI knows query and document', input_type;
    end if;
    return jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'voyageai'
    , 'config_type', 'embedding'
    , 'model', model
    , 'dimensions', dimensions
    , 'input_type', input_type
    , 'api_key_name', api_key_name
    ));
end
$$;

create or replace function ai.embedding_litellm
( model text
, dimensions int
, api_key_name text default null
, extra_options jsonb default null
) returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'litellm'
    , 'config_type', 'embedding'
    , 'model', model
    , 'dimensions', dimensions
    , 'api_key_name', api_key_name
    , 'extra_options', extra_options
    ))
$$;

-- A model in the process that embeds, which is given it under this name.
create or replace function ai.embedding_local
( model text
, dimensions int
) returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'local'
    , 'config_type', 'embedding'
    , 'model', model
    , 'dimensions', dimensions
    ))
$$;

-- Answers the dimensions. 16,000 is the most that pgvector stores.
create or replace function ai._vectorizer_check_embedding(embedding jsonb)
returns int language plpgsql immutable set search_path to pg_catalog, pg_temp
as $$
declare
    dimensions int;
begin
    perform ai._vectorizer_implementation('embedding', embedding, 'openai', 'ollama', 'voyageai', 'litellm', 'local');
    if coalesce(embedding ->> 'model', '') = '' then
        raise exception 'embedding: model is missing';
    end if;
    dimensions := ai._vectorizer_number_between('embedding', embedding, 'dimensions', 1, 16000);
    if dimensions is null then
        raise exception 'embedding: dimensions is missing, it is the length of the vectors that the model gives';
    end if;
    return dimensions;
end
$$;
