-- Follows renames for those who know the source by name. A vectorizer whose source's table or columns were renamed goes on
-- as it is, by the names that it had when it was created: in ai.vectorizer, in the queue and in the store. This writes the
-- names of the day there, for applications that find the store's key under them, and for pgai's worker, which knows no others. The view keeps the names of its
-- columns, as PostgreSQL's views do: what reads it goes on to.
--
-- Rows can come and go unseen by any trigger: with a partition that is attached, detached or truncated by its own name. So it
-- also queues rows without embeddings, and keys of embeddings without a row, which a worker removes.

create or replace function ai._vectorizer_queue_differences(v ai.vectorizer)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $func$
declare
    queue text := format('%I.%I', v.queue_schema, v.queue_table);
    source text := format('%I._vectorizer_src_%s', v.queue_schema, v.id);
    store text;
    columns text;
    same_key text;
begin
    select string_agg(quote_ident(name), ', ' order by attnum)
         , string_agg(format('t.%1$I %2$s s.%1$I', name, equals), ' and ' order by attnum)
    into columns, same_key
    from ai._vectorizer_columns(v)
    where pknum is not null;
    if v.config #>> '{destination,implementation}' = 'column' then
        execute format('insert into %s (%s) select %s from %s s where s.%I is null'
            , queue, columns, columns, source, v.config #>> '{destination,embedding_column}');
        return;
    end if;
    store := format('%I.%I', v.config #>> '{destination,target_schema}', v.config #>> '{destination,target_table}');
    execute format('insert into %1$s (%2$s) select %2$s from %3$s s where not exists (select from %4$s t where %5$s)'
        , queue, columns, source, store, same_key);
    execute format('insert into %1$s (%2$s) select distinct %2$s from %4$s t where not exists (select from %3$s s where %5$s)'
        , queue, columns, source, store, same_key);
end
$func$;

-- A template with another name for a column, by the rules of Python's string.Template.
create or replace function ai._vectorizer_rename_in_template(template text, name text, new_name text)
returns text language sql immutable set search_path to pg_catalog, pg_temp
as $func$
    select regexp_replace(template
        , format('(?<!\$)((?:\$\$)*)\$(?:%1$s(?![_a-zA-Z0-9])|\{%1$s\})', name), format('\1${%s}', new_name), 'g')
$func$;

create or replace function ai.refresh_vectorizer(vectorizer_id int)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $func$
declare
    v ai.vectorizer;
    source regclass;
    col record;
    relation text;
    template text;
begin
    select * into v from ai.vectorizer where id = vectorizer_id for update;
    if not found then
        raise exception 'there is no vectorizer %', vectorizer_id using errcode = 'no_data_found';
    end if;
    source := ai._vectorizer_source(v);
    if source is null then
        raise exception 'the source of vectorizer % was dropped', v.name
            using errcode = 'undefined_table', hint = 'Drop the vectorizer: select ai.drop_vectorizer(name, drop_all => true)';
    end if;
    execute format('lock table %s in share row exclusive mode', source);
    template := v.config #>> '{formatting,template}';
    -- by names that nobody has in between, as two columns may have changed names
    for col in
        select c.name as old_name, '_vectorizer_col_' || c.attnum as new_name, c.pknum is not null as is_key
        from ai._vectorizer_columns(v) c where c.name <> c.attname
        union all
        select '_vectorizer_col_' || c.attnum, c.attname, c.pknum is not null
        from ai._vectorizer_columns(v) c where c.name <> c.attname
    loop
        if col.old_name = any (array(select * from ai._vectorizer_template_names(template))) then
            if col.new_name !~ '^[_a-zA-Z][_a-zA-Z0-9]*$' or col.new_name = 'chunk' then
                raise exception 'formatting: column "%" of % cannot be named in a template', col.new_name, source
                    using hint = 'Rename it to something of a-z, A-Z, 0-9 and _ other than chunk.';
            end if;
            template := ai._vectorizer_rename_in_template(template, col.old_name, col.new_name);
        end if;
        if col.old_name = v.config #>> '{loading,column_name}' then
            v.config := jsonb_set(v.config, '{loading,column_name}', to_jsonb(col.new_name));
        end if;
        for relation in
            select r from unnest(array
            [ format('view %I._vectorizer_src_%s', v.queue_schema, v.id)
            , case when col.is_key then format('table %I.%I', v.queue_schema, v.queue_table) end
            , case when col.is_key then format('table %I.%I', v.queue_schema, v.queue_failed_table) end
            , case when col.is_key and v.config #>> '{destination,implementation}' = 'table' then
                format('table %I.%I', v.config #>> '{destination,target_schema}', v.config #>> '{destination,target_table}') end
            ]) r where r is not null
        loop
            execute format('alter %s rename column %I to %I', relation, col.old_name, col.new_name);
        end loop;
    end loop;
    if template is not null then
        v.config := jsonb_set(v.config, '{formatting,template}', to_jsonb(template));
    end if;
    select n.nspname, c.relname into v.source_schema, v.source_table
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = source;
    v.source_pk := coalesce(ai._vectorizer_source_pk(source), v.source_pk);
    update ai.vectorizer
    set source_schema = v.source_schema, source_table = v.source_table, source_pk = v.source_pk, config = v.config
    where id = vectorizer_id;
    perform ai._vectorizer_drop_columns(v);
    perform ai._vectorizer_create_columns(v, source);
    perform ai._vectorizer_create_triggers(v, source);
    perform ai._vectorizer_queue_differences(v);
end
$func$;

create or replace function ai.refresh_vectorizer(name text)
returns void language sql set search_path to pg_catalog, pg_temp
as $$
    select ai.refresh_vectorizer(v.id)
    from ai.vectorizer v
    where v.name = refresh_vectorizer.name
$$;
