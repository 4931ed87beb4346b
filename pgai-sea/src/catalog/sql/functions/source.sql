-- What the functions ask about a source table.

-- The name of a column's type. Null if there is no such column.
create or replace function ai._vectorizer_column_type(source regclass, column_name text)
returns name language sql stable set search_path to pg_catalog, pg_temp
as $$
    select t.typname
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    where a.attrelid = source and a.attname = column_name and a.attnum > 0 and not a.attisdropped
$$;

-- The primary key, one row per column. `definition` is the type as a column definition has it, with the collation if
-- that is not the type's own. `equals` is the operator that the key's index uses for equality. It need not be on the
-- search path or be called =, and for a text that ignores case it is not the one of text.
create or replace function ai._vectorizer_source_key(source regclass)
returns table (attnum int2, pknum int, attname name, typname text, definition text, equals text)
language sql stable set search_path to pg_catalog, pg_temp
as $$
    select a.attnum, k.pknum::int, a.attname, t.typname
         , t.typname || case
               when c.oid is not null then format(' collate %I.%I', cn.nspname, c.collname)
               else ''
           end
         , coalesce(e.operator, 'operator(pg_catalog.=)')
    from pg_index i
    cross join unnest(i.indkey::int2[], i.indclass::oid[]) with ordinality k (attnum, opclass, pknum)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    cross join lateral (select format_type(a.atttypid, a.atttypmod)) t (typname)
    join pg_type y on y.oid = a.atttypid
    left join pg_collation c on c.oid = a.attcollation and a.attcollation <> y.typcollation
    left join pg_namespace cn on cn.oid = c.collnamespace
    left join lateral (
        select format('operator(%I.%s)', n.nspname, o.oprname)
        from pg_opclass p
        join pg_am m on m.oid = p.opcmethod and m.amname = 'btree'
        join pg_amop s on s.amopfamily = p.opcfamily and s.amopstrategy = 3
            and s.amoplefttype = p.opcintype and s.amoprighttype = p.opcintype
        join pg_operator o on o.oid = s.amopopr
        join pg_namespace n on n.oid = o.oprnamespace
        where p.oid = k.opclass
    ) e (operator) on true
    where i.indrelid = source and i.indisprimary and k.pknum <= i.indnkeyatts
$$;

-- The primary key as ai.vectorizer.source_pk holds it. Null if there is none.
create or replace function ai._vectorizer_source_pk(source regclass)
returns jsonb language sql stable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_agg(jsonb_build_object('attnum', attnum, 'pknum', pknum, 'attname', attname, 'typname', typname) order by pknum)
    from ai._vectorizer_source_key(source)
$$;

-- Refuses columns of the source whose name something made for the vectorizer needs: key columns in the queue, the dead
-- letters and the store, all columns in the view.
create or replace function ai._vectorizer_check_column_names(source regclass, destination jsonb)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    in_table bool := destination ->> 'implementation' = 'table';
    taken record;
begin
    select a.attname, case
            when k.attnum is null then 'view' when a.attname in ('created_at', 'failure_step') then 'table of dead letters'
            when a.attname in ('queued_at', 'loading_retries', 'loading_retry_after') then 'queue' else 'store'
        end as relation
    into taken
    from pg_attribute a
    left join ai._vectorizer_source_key(source) k on k.attnum = a.attnum
    where a.attrelid = source and a.attnum > 0 and not a.attisdropped
    and (  k.attnum is not null and a.attname in ('queued_at', 'loading_retries', 'loading_retry_after', 'created_at', 'failure_step')
        or in_table and a.attname in ('embedding_uuid', 'chunk_seq', 'chunk', 'embedding')
        or in_table and k.attnum is not null and a.attname ~ '^chunk_((byte|char)_(start|end)|page|headings)$'
        )
    order by a.attnum
    limit 1;
    if found then
        raise exception '% has a column "%", and so has the % of a vectorizer, which would hold both'
            , source, taken.attname, taken.relation
            using errcode = 'duplicate_column'
                , hint = format('Rename it: alter table %s rename column %I to ...', source, taken.attname);
    end if;
end
$$;

-- Refuses a source on which a vectorizer would be made and could not work.
create or replace function ai._vectorizer_check_supported(source regclass)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    t pg_class := (select c from pg_class c where c.oid = source);
    part regclass;
begin
    if t.relpersistence = 't' then
        raise exception '% is a temporary table, which no worker sees', source
            using errcode = 'wrong_object_type', hint = 'Create the vectorizer on an ordinary table.';
    end if;
    with recursive parts as (
        select source::oid as oid
        union
        select i.inhrelid from pg_inherits i join parts p on p.oid = i.inhparent
    )
    select c.oid into part from parts p join pg_class c on c.oid = p.oid where c.relkind = 'f' limit 1;
    if part is not null then
        raise exception 'rows of %, a foreign table, cannot be locked, so no embedding can be written', part
            using errcode = 'wrong_object_type', hint = 'Create the vectorizer where the rows are.';
    end if;
    perform ai._vectorizer_check_citus(source);
end
$$;

-- Whether rows can come and go under another table's name, where statement triggers of this table do not see them. This
-- is so for a partitioned table, a partition, and a table that inherits. A table that others inherit from is different:
-- its statement triggers see what a statement that names it does to its children too, and its row triggers do not.
create or replace function ai._vectorizer_source_is_divided(source regclass)
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$
    select c.relkind = 'p' or exists (select from pg_inherits i where i.inhrelid = source)
    from pg_class c
    where c.oid = source
$$;

-- Whether a vectorizer sees inserts and deletes row by row. It has to if the source is divided. It has to for a
-- hypertable of timescaledb, whose older versions refuse transition tables. It has to in a schema that Citus
-- distributes, as Citus reads no transition table beside another table. And it has to if the table's owner enabled a
-- trigger for logical replication (alter table .. enable always trigger ..), which fires row triggers, and no statement
-- trigger except the one of truncate.
create or replace function ai._vectorizer_is_seen_by_row(v ai.vectorizer, source regclass)
returns bool language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    is_hypertable bool := false;
begin
    if to_regclass('_timescaledb_catalog.hypertable') is not null then
        select exists (select from _timescaledb_catalog.hypertable h
            join pg_namespace n on n.nspname = h.schema_name
            join pg_class c on c.relnamespace = n.oid and c.relname = h.table_name
            where c.oid = source)
        into is_hypertable;
    end if;
    return is_hypertable or ai._vectorizer_source_is_divided(source) or ai._vectorizer_is_tenant(source) or exists (select from pg_trigger t
        where t.tgrelid = source and t.tgenabled in ('A', 'R')
        and t.tgfoid = to_regprocedure(format('%I.%I()', v.queue_schema, v.trigger_name)));
end
$$;

-- The type of a destination's vectors, with the schema of the extension.
create or replace function ai._vectorizer_vector_type(destination jsonb)
returns text language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    type text := (select format('%I.%I', n.nspname, coalesce(destination ->> 'vector_type', 'vector')) from pg_extension e
        join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector');
begin
    if type is null then
        raise exception 'the extension vector is missing' using hint = 'A superuser can run: create extension vector';
    end if;
    return type;
end
$$;

-- The source of a vectorizer. Its triggers lead to it: they stay with the table when it is renamed or moves to another
-- schema. Null if it was dropped.
create or replace function ai._vectorizer_source(v ai.vectorizer)
returns regclass language sql stable set search_path to pg_catalog, pg_temp
as $$
    select t.tgrelid::regclass
    from pg_trigger t
    where t.tgfoid = to_regprocedure(format('%I.%I()', v.queue_schema, v.trigger_name)) and t.tgparentid = 0
    limit 1
$$;
