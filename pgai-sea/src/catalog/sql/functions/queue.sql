-- The queue holds the keys of rows that need embeddings. A key may be there several times, so that writers to the
-- source never wait for a worker.
--
-- A row that a worker holds, or that waits for another try, has a loading_retry_after. It is free again when that time
-- has passed. The one index is over the key. It serves claims in the order of keys, all rows of a key, and the rows
-- that a worker holds. Claims write loading_retry_after. It has no index, so a claim updates no index at all. The free
-- space on every page is for that.
create or replace function ai._vectorizer_create_queue_table(queue_schema name, queue_table name, source regclass, grantees name[])
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
begin
    execute (
        select format
        ( 'create table %I.%I
           ( %s
           , queued_at timestamptz not null default now()
           , loading_retries int not null default 0
           , loading_retry_after timestamptz
           ) with (fillfactor = 80)'
        , queue_schema, queue_table
        , string_agg(format('%I %s not null', attname, definition), ', ' order by attnum))
        from ai._vectorizer_source_key(source)
    );
    execute (
        select format('create index on %I.%I (%s)'
            , queue_schema, queue_table, string_agg(quote_ident(attname), ', ' order by pknum))
        from ai._vectorizer_source_key(source)
    );
    perform ai._vectorizer_grant('usage', format('schema %I', queue_schema), grantees);
    perform ai._vectorizer_grant('select, insert, update, delete', format('%I.%I', queue_schema, queue_table), grantees);
end
$$;

-- Dead letters: the keys of rows that were given up. pgai's worker looks for this function to learn that rows may be
-- tried again.
create or replace function ai._vectorizer_create_queue_failed_table(queue_schema name, queue_failed_table name, source regclass, grantees name[])
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
begin
    execute (
        select format
        ( 'create table %I.%I
           ( %s
           , created_at timestamptz not null default now()
           , failure_step text not null default ''''
           )'
        , queue_schema, queue_failed_table
        , string_agg(format('%I %s not null', attname, definition), ', ' order by attnum))
        from ai._vectorizer_source_key(source)
    );
    execute (
        select format('create index on %I.%I (%s)'
            , queue_schema, queue_failed_table, string_agg(quote_ident(attname), ', ' order by pknum))
        from ai._vectorizer_source_key(source)
    );
    perform ai._vectorizer_grant('select, insert, update, delete', format('%I.%I', queue_schema, queue_failed_table), grantees);
end
$$;

-- How many rows wait. Beyond 10,000 it returns the largest number there is, unless an exact count is asked for.
create or replace function ai.vectorizer_queue_pending(vectorizer_id int, exact_count bool default false)
returns int8 language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    -- A view of that name would run its owner's code, and so would a policy.
    queue text := (select format('%I.%I', v.queue_schema, v.queue_table)
        from ai.vectorizer v
        join pg_namespace n on n.nspname = v.queue_schema
        join pg_class c on c.relnamespace = n.oid and c.relname = v.queue_table and c.relkind = 'r'
        where v.id = vectorizer_id);
    pending int8;
begin
    if queue is null then
        raise exception 'vectorizer % has no queue table', vectorizer_id;
    end if;
    if row_security_active(queue) then
        raise exception 'row-level security may hide rows of the queue %', queue
            using errcode = 'insufficient_privilege', hint = format('As its owner: alter table %s disable row level security', queue);
    end if;
    if exact_count then
        execute format('select count(*) from %s', queue) into pending;
        return pending;
    end if;
    execute format('select count(*) from (select 1 from %s limit 10001) q', queue) into pending;
    return case when pending > 10000 then 9223372036854775807 else pending end;
end
$$;

create or replace function ai.vectorizer_queue_pending(name text, exact_count bool default false)
returns int8 language sql stable set search_path to pg_catalog, pg_temp
as $$
    select ai.vectorizer_queue_pending(v.id, exact_count)
    from ai.vectorizer v
    where v.name = vectorizer_queue_pending.name
$$;
