-- Removes a vectorizer: triggers, function, queues and row. With drop_all it drops the view and the store too.

create or replace function ai.drop_vectorizer(vectorizer_id int, drop_all bool default false)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    v ai.vectorizer;
    source regclass;
    store regclass;
    view regclass;
    other int;
begin
    -- The generation that answers goes with the other one.
    select case when g.cut_over_at is null then g.vectorizer_id else g.replaces end into other
    from ai.vectorizer_generation g
    where g.replaces is not null
    and drop_vectorizer.vectorizer_id = case when g.cut_over_at is null then g.replaces else g.vectorizer_id end;
    if other is not null then
        perform ai._vectorizer_drop_generation(other);
    end if;
    -- The source is locked before the vectorizer's row, as a worker that records a failure does. The table of
    -- vectorizers is locked first, as an upgrade does.
    lock table ai.vectorizer in row exclusive mode;
    select * into v from ai.vectorizer where id = vectorizer_id;
    if not found then
        raise exception 'there is no vectorizer %', vectorizer_id using errcode = 'no_data_found';
    end if;
    v.queue_schema := ai._vectorizer_queue_schema(v);
    source := ai._vectorizer_source(v);
    if source is not null then
        perform ai._vectorizer_end_autovacuum(source
            , case when drop_all and v.config #>> '{destination,implementation}' = 'table' then ai._vectorizer_store(v, source) end);
        execute format('lock table %s in access exclusive mode', source);
    end if;
    select * into v from ai.vectorizer where id = vectorizer_id for update;
    if not found then -- any more, or to be locked
        perform ai._vectorizer_refuse(vectorizer_id);
    end if;
    v.queue_schema := ai._vectorizer_queue_schema(v);
    if v.config #>> '{destination,implementation}' = 'table' then
        store := ai._vectorizer_store(v, source);
        view := ai._vectorizer_view(v, store);
    end if;
    if exists (select from pg_policy p where p.polrelid = store and p.polname = 'vectorizer_workers') then
        -- It knows the queue. Where the store stays, whoever sees a row still sees its chunks.
        execute format('drop policy vectorizer_workers on %s', store);
    end if;
    -- While the queue says whose it is.
    delete from ai.vectorizer where id = vectorizer_id;
    perform ai._vectorizer_drop_triggers(v);
    execute format('drop view if exists %I._vectorizer_src_%s', v.queue_schema, v.id);
    perform ai._vectorizer_drop_columns(v);
    execute format('drop table if exists %I.%I', v.queue_schema, v.queue_table);
    execute format('drop table if exists %I.%I', v.queue_schema, v.queue_failed_table);
    if drop_all and view is not null then
        execute format('drop view %s', view);
    end if;
    if drop_all and store is not null then
        execute format('drop table %s', store);
    end if;
end
$$;

-- An unknown name is not an error here.
create or replace function ai.drop_vectorizer(name text, drop_all bool default false)
returns void language sql set search_path to pg_catalog, pg_temp
as $$
    select ai.drop_vectorizer(v.id, drop_all)
    from ai.vectorizer v
    where v.name = drop_vectorizer.name
$$;

-- Drops vectorizers of a table that was dropped. DROP TABLE took the triggers and the functions over its columns along,
-- and nothing fills their queues any more. The triggers' function is still there, which a released vectorizer does not
-- have. If only triggers are missing, somebody dropped them, and table and embeddings are there. A vectorizer that
-- stood for a table of this name is in the way of a new one.
create or replace function ai._vectorizer_drop_leftovers(source_schema name, source_table name)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    leftover record;
    name text;
begin
    for leftover in
        select v.id
        from ai.vectorizer v
        where v.source_schema = _vectorizer_drop_leftovers.source_schema
        and v.source_table = _vectorizer_drop_leftovers.source_table
        and not exists (select from pg_trigger t
            where t.tgfoid = to_regprocedure(format('%I.%I()', v.queue_schema, v.trigger_name)))
        and to_regprocedure(format('%I.%I()', v.queue_schema, v.trigger_name)) is not null
        and not exists (select from ai._vectorizer_columns(v))
    loop
        -- Somebody else may be doing the same.
        select v.name into name from ai.vectorizer v where v.id = leftover.id for update;
        continue when not found;
        raise notice 'vectorizer % is left over from a table that was dropped, and is dropped too', name;
        perform ai.drop_vectorizer(leftover.id, drop_all => true);
    end loop;
end
$$;
