-- The columns of a source that a vectorizer reads: its key, the loaded column, and those that the template names. They
-- and the table may be renamed at any time, so nothing may know them by name. SQL functions with a parsed body and
-- views hold columns by number, and a dump writes them with the names of the day.

-- Gives what the caller has made for a vectorizer to the owner of its queue. That is somebody else where a superuser, or a member of
-- the owner, refreshes a vectorizer: what they own would run with their rights, and would not be known as the vectorizer's.
create or replace function ai._vectorizer_hand_over(v ai.vectorizer, kind text, object text)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    owner name;
begin
    select pg_get_userbyid(c.relowner) into strict owner
    from pg_class c
    where c.oid = format('%I.%I', v.queue_schema, v.queue_table)::regclass;
    if owner <> current_user then
        execute format('alter %s %s owner to %I', kind, object, owner);
    end if;
end
$$;

-- One function per column: <queue_schema>._vectorizer_src_col_<id>_<n>(row of the source). Its argument has the
-- vectorizer's name of the column. PostgreSQL inlines it in a trigger's statement, where it costs nothing.
--
-- A row of a partition has the partition's type. For that, somebody else's function of the same name would be a better
-- match. So in a divided source the function has two more arguments, of a type that only the vectorizer's owner may
-- use.
create or replace function ai._vectorizer_create_columns(v ai.vectorizer, source regclass)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    col record;
    private text := format('%I.%I', v.queue_schema, '_vectorizer_src_arg_' || v.id);
    arguments text := '';
begin
    -- A tenant's table has no partitions.
    if ai._vectorizer_is_seen_by_row(v, source) and not ai._vectorizer_is_tenant(source) then
        execute format('create type %s as enum ()', private);
        execute format('revoke all on type %s from public', private);
        perform ai._vectorizer_hand_over(v, 'type', private);
        arguments := format(', %1$s, %1$s', private);
    end if;
    for col in
        select a.attname, format_type(a.atttypid, null) as type
             , format('%I.%I', v.queue_schema, format('_vectorizer_src_col_%s_%s', v.id, row_number() over (order by a.attnum))) as function
        from pg_attribute a
        where a.attrelid = source and a.attnum > 0 and not a.attisdropped
        and (  a.attname in (select k.attname from jsonb_to_recordset(v.source_pk) k (attname name))
            or a.attname = v.config #>> '{loading,column_name}'
            or a.attname in (select * from ai._vectorizer_template_names(v.config #>> '{formatting,template}'))
            )
    loop
        execute format
        ( 'create function %s(%I %s%s) returns %s language sql immutable parallel safe begin atomic select ($1).%I; end'
        , col.function, col.attname, source, arguments, col.type, col.attname);
        perform ai._vectorizer_hand_over(v, 'function', format('%s(%s%s)', col.function, source, arguments));
    end loop;
end
$$;

-- The functions of a vectorizer. Functions of such names that others made are left out: their owner owns neither queue
-- nor trigger.
create or replace function ai._vectorizer_column_functions(v ai.vectorizer)
returns setof pg_proc language sql stable set search_path to pg_catalog, pg_temp
as $$
    select p.*
    from pg_proc p
    where p.pronamespace = to_regnamespace(quote_ident(v.queue_schema))
    and p.proname ~ format('^_vectorizer_src_col_%s_\d+$', v.id)
    and (  p.proowner = (select c.relowner from pg_class c where c.oid = to_regclass(format('%I.%I', v.queue_schema, v.queue_table)))
        or p.proowner = (select t.proowner from pg_proc t where t.oid = to_regprocedure(format('%I.%I()', v.queue_schema, v.trigger_name)))
        )
$$;

-- What these functions tell of each column: the vectorizer's name of it, the source's name of it today, and for a
-- column of the key its place in the key and the operator that compares it. `call` is a format() string that takes the
-- row.
create or replace function ai._vectorizer_columns(v ai.vectorizer)
returns table (call text, name text, attnum int2, attname name, pknum int, equals text)
language sql stable set search_path to pg_catalog, pg_temp
as $$
    select replace(p.oid::regproc::text, '%', '%%') || '(%s' || case when p.pronargs = 1 then ''
               else replace(format(', null::%1$s, null::%1$s', format_type(p.proargtypes[1], null)), '%', '%%') end || ')'
         , p.proargnames[1], a.attnum, a.attname, k.pknum
         , coalesce(s.equals, 'operator(pg_catalog.=)')
    from ai._vectorizer_column_functions(v) p
    join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = p.oid
        and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0
    join pg_class r on r.oid = d.refobjid and r.reltype = p.proargtypes[0]
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    left join jsonb_to_recordset(v.source_pk) k (pknum int, attname text) on k.attname = p.proargnames[1]
    left join ai._vectorizer_source_key(d.refobjid) s on s.attnum = a.attnum
$$;

-- The view of the source that workers read. Its columns have the names of the vectorizer's configuration. A worker
-- locks rows, for which PostgreSQL wants the right to update some column. Here that is a system column, which nobody
-- can update. So whoever may use the vectorizer can lock the source's rows, and can change only the embedding, if that
-- is a column of the source.
create or replace function ai._vectorizer_create_source_view(v ai.vectorizer, source regclass, grantees name[])
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    view text := format('%I._vectorizer_src_%s', v.queue_schema, v.id);
    embedding name := v.config #>> '{destination,embedding_column}';
begin
    execute (
        select format('create view %s as select s.tableoid, s.ctid, s.xmin, %s%s from %s s'
            , view
            , string_agg(format('s.%I as %I', c.attname, c.name), ', ' order by c.attnum)
            , coalesce(', s.' || quote_ident(embedding), '')
            , source)
        from ai._vectorizer_columns(v) c
    );
    perform ai._vectorizer_grant(format('select, update (%I)', coalesce(embedding, 'xmin')), view, grantees);
    perform ai._vectorizer_hand_over(v, 'view', view);
end
$$;

create or replace function ai._vectorizer_drop_columns(v ai.vectorizer)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    function regprocedure;
    private text := format('%I.%I', v.queue_schema, '_vectorizer_src_arg_' || v.id);
begin
    for function in
        select p.oid from ai._vectorizer_column_functions(v) p
    loop
        execute format('drop function %s', function);
    end loop;
    if to_regtype(private) is not null then
        execute format('drop type %s', private);
    end if;
end
$$;
