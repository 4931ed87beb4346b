-- The columns of a source that a vectorizer reads: its key, the loaded column and those that the template names. They, and
-- the table, may be renamed at any time, so what reads them must not know them by name: SQL functions with a parsed body and
-- views hold columns by number, and a dump writes them with the names of the day.

-- One function per column, <queue_schema>._vectorizer_src_col_<id>_<n>(row of the source), whose argument is called what the
-- vectorizer calls the column. In a trigger's statement it is inlined and costs nothing.
create or replace function ai._vectorizer_create_columns(v ai.vectorizer, source regclass)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    col record;
begin
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
        ( 'create function %s(%I %s) returns %s language sql immutable parallel safe begin atomic select ($1).%I; end'
        , col.function, col.attname, source, col.type, col.attname);
    end loop;
end
$$;

-- What they say: what the vectorizer calls a column, what the source calls it by now, and, for a column of the key, its
-- place in it and the operator that compares it.
create or replace function ai._vectorizer_columns(v ai.vectorizer)
returns table (function text, name text, attnum int2, attname name, pknum int, equals text)
language sql stable set search_path to pg_catalog, pg_temp
as $$
    select p.oid::regproc::text, p.proargnames[1], a.attnum, a.attname, k.pknum
         , coalesce(s.equals, 'operator(pg_catalog.=)')
    from pg_proc p
    join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = p.oid
        and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    left join jsonb_to_recordset(v.source_pk) k (pknum int, attname text) on k.attname = p.proargnames[1]
    left join ai._vectorizer_source_key(d.refobjid) s on s.attnum = a.attnum
    where p.pronamespace = to_regnamespace(quote_ident(v.queue_schema))
    and p.proname ~ format('^_vectorizer_src_col_%s_\d+$', v.id)
$$;

-- The same for workers: a view of the source, by the names that the vectorizer's configuration has. A worker locks rows,
-- for which PostgreSQL asks for the right to update some column. Here it is a system column, which nobody can update: who
-- may use the vectorizer can lock the source's rows, and change nothing but the embedding, where that is one of its columns.
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
end
$$;

create or replace function ai._vectorizer_drop_columns(v ai.vectorizer)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    function regprocedure;
begin
    for function in
        select p.oid
        from pg_proc p
        where p.pronamespace = to_regnamespace(quote_ident(v.queue_schema))
        and p.proname ~ format('^_vectorizer_src_col_%s_\d+$', v.id)
    loop
        execute format('drop function %s', function);
    end loop;
end
$$;
