-- Switching vectorizers on and off, and changing what is scheduled.

create or replace function ai._vectorizer_set_disabled(vectorizer_id int, disabled bool)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
begin
    update ai.vectorizer v set disabled = _vectorizer_set_disabled.disabled where v.id = vectorizer_id;
    if not found then
        perform ai._vectorizer_refuse(vectorizer_id);
    end if;
end
$$;

create or replace function ai.enable_vectorizer_schedule(vectorizer_id int)
returns void language sql set search_path to pg_catalog, pg_temp
as $$ select ai._vectorizer_set_disabled(vectorizer_id, false) $$;

create or replace function ai.enable_vectorizer_schedule(name text)
returns void language sql set search_path to pg_catalog, pg_temp
as $$
    select ai._vectorizer_set_disabled(v.id, false)
    from ai.vectorizer v
    where v.name = enable_vectorizer_schedule.name
$$;

create or replace function ai.disable_vectorizer_schedule(vectorizer_id int)
returns void language sql set search_path to pg_catalog, pg_temp
as $$ select ai._vectorizer_set_disabled(vectorizer_id, true) $$;

create or replace function ai.disable_vectorizer_schedule(name text)
returns void language sql set search_path to pg_catalog, pg_temp
as $$
    select ai._vectorizer_set_disabled(v.id, true)
    from ai.vectorizer v
    where v.name = disable_vectorizer_schedule.name
$$;

-- Returns the whole configuration as it is now.
create or replace function ai.set_scheduling
( vectorizer_id int
, scheduling jsonb default ai.scheduling_default()
, indexing jsonb default ai.indexing_default()
) returns jsonb language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    v ai.vectorizer;
    config jsonb;
begin
    select * into v from ai.vectorizer where id = vectorizer_id;
    if not found then
        raise exception 'there is no vectorizer %', vectorizer_id using errcode = 'no_data_found';
    end if;
    indexing := ai._vectorizer_resolve_indexing(indexing);
    perform ai._vectorizer_check_indexing(indexing, (v.config #>> '{embedding,dimensions}')::int
        , ai._vectorizer_embedding_type(v.config -> 'destination', ai._vectorizer_source(v)));
    scheduling := ai._vectorizer_resolve_scheduling(scheduling);
    perform ai._vectorizer_check_scheduling(scheduling);
    update ai.vectorizer u
    set config = u.config || jsonb_build_object('scheduling', scheduling, 'indexing', indexing)
    where u.id = vectorizer_id
    returning u.config into config;
    if not found then
        perform ai._vectorizer_refuse(vectorizer_id);
    end if;
    return config;
end
$$;

-- pgai's function embeds in the database, with its extension "ai". Here workers embed.
create or replace function ai.execute_vectorizer(vectorizer_name text)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
begin
    perform from ai.vectorizer v where v.name = vectorizer_name;
    if not found then
        raise exception 'there is no vectorizer "%"', vectorizer_name using errcode = 'no_data_found';
    end if;
    perform from pg_extension where extname = 'ai';
    if found then
        raise exception 'vectorizers of this schema are not executed in the database'
            using errcode = 'feature_not_supported', hint = 'Run a worker.';
    end if;
    raise exception 'vectorizers cannot be executed in the database without the extension ai'
        using errcode = 'undefined_function', hint = 'Run a worker.';
end
$$;
