-- Queues the rows that are there in the background. create_vectorizer queues all of them in its own transaction, and
-- writers wait for it: it has locked the table for its triggers. This notes that they are to be queued. Workers do so, a
-- few at a time, in short transactions, and as fast as they are embedded.
--
-- The order is that of the key, or of a column that an index begins with. Every row is queued, whatever happens to that
-- column meanwhile: at the end the workers go through the rows that have no embeddings once more.
create or replace function ai.backfill_vectorizer(vectorizer_id int, order_by name default null, descending bool default false)
returns int language plpgsql set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    v ai.vectorizer;
    source regclass;
    col pg_attribute;
    is_any bool;
    direction text := case when descending then 'desc' else 'asc' end;
begin
    select * into v from ai.vectorizer o where o.id = vectorizer_id;
    if not found then
        raise exception 'there is no vectorizer %', vectorizer_id using errcode = 'no_data_found';
    end if;
    source := ai._vectorizer_source(v);
    if source is null then
        raise exception 'the source of vectorizer % was dropped', v.name using errcode = 'undefined_table';
    end if;
    if order_by is not null then
        select * into col from pg_attribute a
        where a.attrelid = source and a.attname = order_by and a.attnum > 0 and not a.attisdropped;
        if not found then
            raise exception 'backfill: % has no column "%"', source, order_by using errcode = 'undefined_column';
        end if;
        perform from pg_index i
        join pg_class c on c.oid = i.indexrelid
        join pg_am m on m.oid = c.relam and m.amname = 'btree'
        where i.indrelid = source and i.indkey[0] = col.attnum and i.indpred is null and i.indisvalid;
        if not found then
            raise exception 'backfill: no index of % begins with the column "%", so each step would sort the table', source, order_by
                using errcode = 'undefined_object', hint = format('create index concurrently on %s (%I)', source, order_by);
        end if;
    end if;
    execute format('select exists (select 1 from %s)', source) into is_any;
    if not is_any then
        return vectorizer_id;
    end if;
    update ai.vectorizer_generation g
    set backfill = jsonb_strip_nulls(jsonb_build_object
        ( 'since', now()::text
        , 'order_by', order_by
        , 'order_type', format_type(col.atttypid, null)
        , 'descending', descending
        , 'rows', (select sum(greatest(c.reltuples, 0))::bigint from pg_class c
            where c.oid = source or c.oid in (select t.relid from pg_partition_tree(source) t where t.isleaf))
        ))
    where g.vectorizer_id = v.id;
    if not found then
        perform ai._vectorizer_refuse(vectorizer_id);
    end if;
    -- A worker that has nothing to do looks into the queue alone. It finds the row that would be queued first.
    execute (
        select format('insert into %1$I.%2$I (%3$s, queued_at) select s.*, $1 from ((select %4$s from %5$s s where %6$s order by %7$s limit 1) '
            'union all (select %4$s from %5$s s limit 1) limit 1) s', v.queue_schema, v.queue_table
            , string_agg(quote_ident(attname), ', ' order by attnum)
            , string_agg(format('s.%I', attname), ', ' order by attnum), source
            , case when order_by is null then 'true' else format('s.%I is not null', order_by) end
            , concat(case when order_by is not null then format('s.%I %s, ', order_by, direction) end
                , string_agg(format('s.%I %s', attname, direction), ', ' order by attnum)))
        from ai._vectorizer_source_key(source)
    ) using now();
    return vectorizer_id;
end
$$;

create or replace function ai.backfill_vectorizer(name text, order_by name default null, descending bool default false)
returns int language sql set search_path to pg_catalog, pg_temp
as $$ select ai.backfill_vectorizer(ai._vectorizer_id(name), order_by, descending) $$;
