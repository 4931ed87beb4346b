-- Lets go of the source's columns, so that the type of a column can be changed, or a column dropped, while the
-- embeddings stay. PostgreSQL refuses both as long as views, functions and triggers know the column. In one
-- transaction, writers wait for its end and no row is missed:
--     begin;
--     select ai.release_vectorizer('public_blog_embedding_store');
--     alter table blog alter column id type bigint;
--     select ai.refresh_vectorizer('public_blog_embedding_store');
--     commit;
-- The types of key columns change in queue and store too. Texts that the change altered are not embedded anew.

create or replace function ai.release_vectorizer(vectorizer_id int)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    v ai.vectorizer := ai._vectorizer_follow(vectorizer_id);
    store regclass;
    view regclass;
begin
    store := ai._vectorizer_store(v, ai._vectorizer_source(v));
    if exists (select from pg_policy p where p.polrelid = store and p.polname = 'vectorizer_rows') then
        -- It knows the source's columns. Until the refresh, none but the owner and workers see chunks.
        execute format('drop policy vectorizer_rows on %s', store);
    end if;
    -- Whatever others have made over the view is theirs to drop.
    view := ai._vectorizer_view(v, store);
    if view is not null then
        execute format('drop view %s', view);
    end if;
    execute format('drop view if exists %I._vectorizer_src_%s', v.queue_schema, v.id);
    perform ai._vectorizer_drop_columns(v);
    -- Drops the function too: if only the function is there, the source was dropped.
    perform ai._vectorizer_drop_triggers(v);
end
$$;

create or replace function ai.release_vectorizer(name text)
returns void language sql set search_path to pg_catalog, pg_temp
as $$
    select ai.release_vectorizer(v.id)
    from ai.vectorizer v
    where v.name = release_vectorizer.name
$$;

-- The source of a vectorizer that may have been released, which is then known by its name.
create or replace function ai._vectorizer_source_of_released(v ai.vectorizer)
returns regclass language sql stable set search_path to pg_catalog, pg_temp
as $$
    select coalesce(ai._vectorizer_source(v)
        , case when to_regprocedure(format('%I.%I()', v.queue_schema, v.trigger_name)) is null
            then to_regclass(format('%I.%I', v.source_schema, v.source_table)) end)
$$;

-- Makes again what a release has dropped, except the triggers and the view over the store.
create or replace function ai._vectorizer_recover(v ai.vectorizer, source regclass)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    queue regclass := format('%I.%I', v.queue_schema, v.queue_table);
    store regclass := ai._vectorizer_store(v, source);
    col record;
    relation regclass;
begin
    perform ai._vectorizer_check_loading(v.config -> 'loading', source);
    perform ai._vectorizer_check_formatting(v.config -> 'formatting', source);
    for col in
        select k.attname, k.definition
        from ai._vectorizer_source_key(source) k
        join pg_attribute s on s.attrelid = source and s.attnum = k.attnum
        join pg_attribute q on q.attrelid = queue and q.attname = k.attname
        where (s.atttypid, s.atttypmod, s.attcollation) is distinct from (q.atttypid, q.atttypmod, q.attcollation)
    loop
        foreach relation in array array[queue, to_regclass(format('%I.%I', v.queue_schema, v.queue_failed_table)), store] loop
            continue when relation is null;
            execute format('alter table %s alter column %I type %s', relation, col.attname, col.definition);
        end loop;
    end loop;
    perform ai._vectorizer_drop_columns(v);
    perform ai._vectorizer_create_columns(v, source);
    perform ai._vectorizer_create_source_view(v, source, ai._vectorizer_readers(queue));
end
$$;
