-- Removes a vectorizer: triggers, function, queues and row; with drop_all its view and store too.

create or replace function ai.drop_vectorizer(vectorizer_id int, drop_all bool default false)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    v ai.vectorizer;
begin
    select * into v from ai.vectorizer where id = vectorizer_id for update;
    if not found then
        raise exception 'there is no vectorizer %', vectorizer_id using errcode = 'no_data_found';
    end if;
    perform ai._vectorizer_drop_triggers(v);
    execute format('drop view if exists %I._vectorizer_src_%s', v.queue_schema, v.id);
    perform ai._vectorizer_drop_columns(v);
    execute format('drop table if exists %I.%I', v.queue_schema, v.queue_table);
    execute format('drop table if exists %I.%I', v.queue_schema, v.queue_failed_table);
    delete from ai.vectorizer where id = vectorizer_id;
    if drop_all and v.config #>> '{destination,implementation}' = 'table' then
        execute format('drop view if exists %I.%I'
            , v.config #>> '{destination,view_schema}', v.config #>> '{destination,view_name}');
        execute format('drop table if exists %I.%I'
            , v.config #>> '{destination,target_schema}', v.config #>> '{destination,target_table}');
    end if;
end
$$;

-- An unknown name is no error here.
create or replace function ai.drop_vectorizer(name text, drop_all bool default false)
returns void language sql set search_path to pg_catalog, pg_temp
as $$
    select ai.drop_vectorizer(v.id, drop_all)
    from ai.vectorizer v
    where v.name = drop_vectorizer.name
$$;

-- Vectorizers of a table that was dropped: it took its triggers and the functions over its columns along, and nothing fills
-- their queues any more. Triggers alone that are missing were dropped by someone, and the table and its embeddings are there. One that stood for a table of this name is in the way of a new one, with all that it made.
create or replace function ai._vectorizer_drop_leftovers(source_schema name, source_table name)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    leftover record;
begin
    for leftover in
        select v.id, v.name
        from ai.vectorizer v
        where v.source_schema = _vectorizer_drop_leftovers.source_schema
        and v.source_table = _vectorizer_drop_leftovers.source_table
        and not exists (select from pg_trigger t
            where t.tgfoid = to_regprocedure(format('%I.%I()', v.queue_schema, v.trigger_name)))
        and not exists (select from ai._vectorizer_columns(v))
    loop
        raise notice 'vectorizer % is left over from a table that was dropped, and is dropped too', leftover.name;
        perform ai.drop_vectorizer(leftover.id, drop_all => true);
    end loop;
end
$$;
