-- Rows that are embedded anew though nobody edited them: the document that a row leads to has changed, or more is to be known of a chunk.

-- The keys as an array of objects with the key's columns. A single value is the key of a row whose key has one column.
create or replace function ai._vectorizer_keys(v ai.vectorizer, columns name[], key jsonb)
returns jsonb language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    keys jsonb;
    wrong jsonb;
begin
    select coalesce(jsonb_agg(case when jsonb_typeof(k) = 'object' or cardinality(columns) > 1 then k
        else jsonb_build_object(columns[1], k) end), '[]')
    into keys
    from jsonb_array_elements(case jsonb_typeof(key) when 'array' then key else jsonb_build_array(key) end) k;
    select k into wrong
    from jsonb_array_elements(keys) k
    where jsonb_typeof(k) <> 'object' or not k ?& columns::text[] or k - columns::text[] <> '{}'
    limit 1;
    if found then
        raise exception '% is not a key of vectorizer %', wrong, v.name using errcode = 'invalid_parameter_value'
            , hint = format('Pass an object with %s, or an array of them.', array_to_string(columns, ', '));
    end if;
    return keys;
end
$$;

-- Queues rows by their keys, {"id": 7}, 7 or an array of either, or all rows. Their documents are loaded again, and chunks whose text is
-- the same keep their vectors. While the vectorizer is being changed, its other generation does the same. Returns the number of rows.
create or replace function ai.requeue(vectorizer_id int, key jsonb default null)
returns int8 language plpgsql set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    v ai.vectorizer;
    columns name[];
    listed text;
    rows int8;
    queued int8;
begin
    for v in
        select o.* from ai.vectorizer o
        where o.id = vectorizer_id or o.id in
        ( select case when g.replaces = vectorizer_id then g.vectorizer_id else g.replaces end
          from ai.vectorizer_generation g
          where g.replaces is not null and vectorizer_id in (g.vectorizer_id, g.replaces) )
        order by o.id
    loop
        select array_agg(c.name order by c.attnum), string_agg(quote_ident(c.name), ', ' order by c.attnum) into columns, listed
        from ai._vectorizer_columns(v) c
        where c.pknum is not null;
        if columns is null then
            raise exception 'vectorizer % has no source any more', v.name using errcode = 'undefined_table'
                , hint = format('Drop it: select ai.drop_vectorizer(%L)', v.name);
        end if;
        if key is null then
            execute format('insert into %I.%I (%s, queued_at) select %3$s, $1 from %1$I._vectorizer_src_%4$s', v.queue_schema, v.queue_table, listed, v.id)
                using now();
        else
            execute format('insert into %1$I.%2$I (%3$s, queued_at) select %3$s, $2 from jsonb_populate_recordset(null::%1$I.%2$I, $1)'
                , v.queue_schema, v.queue_table, listed) using ai._vectorizer_keys(v, columns, key), now();
        end if;
        get diagnostics rows = row_count;
        if v.id = vectorizer_id then
            queued := rows;
        end if;
        -- as the triggers do
        if not pg_try_advisory_xact_lock_shared(1348947831, v.id) then
            perform pg_notify('pgai_sea_wake', v.id::text);
        end if;
    end loop;
    if queued is null then
        raise exception 'there is no vectorizer %', vectorizer_id using errcode = 'no_data_found';
    end if;
    return queued;
end
$$;

create or replace function ai.requeue(name text, key jsonb default null)
returns int8 language sql set search_path to pg_catalog, pg_temp
as $$ select ai.requeue(ai._vectorizer_id(name), key) $$;

-- Makes the store of a vectorizer say where its chunks are. All rows are queued: chunks whose text is the same keep their vectors and get
-- their places. Returns the number of rows.
create or replace function ai.keep_places(vectorizer_id int)
returns int8 language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    v ai.vectorizer;
    store regclass;
begin
    select * into v from ai.vectorizer o where o.id = vectorizer_id;
    store := ai._vectorizer_store(v, ai._vectorizer_source(v));
    if store is null then
        raise exception 'vectorizer % has no store', coalesce(v.name, vectorizer_id::text)
            using errcode = 'no_data_found', hint = 'Chunks with places are in a table: ai.destination_table().';
    end if;
    perform ai._vectorizer_add_places(store);
    -- A worker that runs looks at the configuration before it writes, and then finds the columns.
    update ai.vectorizer o set config = jsonb_set(o.config, '{destination,places}', 'true') where o.id = v.id;
    if not found then
        perform ai._vectorizer_refuse(v.id);
    end if;
    return ai.requeue(v.id);
end
$$;

create or replace function ai.keep_places(name text)
returns int8 language sql set search_path to pg_catalog, pg_temp
as $$ select ai.keep_places(ai._vectorizer_id(name)) $$;
