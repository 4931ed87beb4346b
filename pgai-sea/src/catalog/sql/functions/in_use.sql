-- The vectorizers that there are, for an upgrade that changes what they have. They come in the order of their sources, so that all who lock
-- sources do so in the same order. The queue's schema is the one of the day. The source is null where it was dropped or the
-- vectorizer was released.
create or replace function ai._vectorizers_in_use()
returns table (v ai.vectorizer, source regclass) language sql stable set search_path to pg_catalog, pg_temp
as $$
    select u, ai._vectorizer_source(u)
    from ai.vectorizer x
    cross join lateral jsonb_populate_record(x, jsonb_build_object('queue_schema', ai._vectorizer_queue_schema(x))) u
    -- an owner may have written anything into the row: what nothing can be made of is left as it is
    where jsonb_typeof(x.config -> 'embedding') = 'object' and jsonb_typeof(x.config -> 'destination') = 'object'
    and case x.config #>> '{destination,implementation}'
        when 'table' then x.config #>> '{destination,target_schema}' is not null and x.config #>> '{destination,target_table}' is not null
        when 'column' then x.config #>> '{destination,embedding_column}' is not null
        end
    order by 2, u.id
$$;
